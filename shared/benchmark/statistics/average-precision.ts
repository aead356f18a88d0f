/**
 * Average precision as COCO has it (pycocotools): all boxes in falling order of score, precision made to fall, and its
 * mean at 101 recalls from 0 to 1. Boxes belong to units (clusters) which have weights, so that a draw of clusters is
 * the same walk with other weights: within the copies of one box precision only rises (a hit) or only falls (none), so
 * only the ends of such a run can count.
 */

import { seededRandom } from "../seeded.js";
import { BOOTSTRAP_DRAWS } from "./bootstrap.js";
import { percentile } from "./percentiles.js";

/** One ranking: one label in one repetition. */
export interface Ranking {
  /** Per box in falling order of score: whether it is a true one, and its unit. */
  hit: Uint8Array;
  unit: Uint32Array;
  /** True boxes per unit. */
  truths: Float64Array;
  /** Room for a walk, one place a box. */
  recall: Float64Array;
  precision: Float64Array;
}

/** `boxes` in falling order of score. */
export function rankingOf(boxes: readonly { hit: boolean; unit: number }[], truths: Float64Array): Ranking {
  return {
    hit: Uint8Array.from(boxes, ({ hit }) => Number(hit)),
    unit: Uint32Array.from(boxes, ({ unit }) => unit),
    truths,
    recall: new Float64Array(boxes.length),
    precision: new Float64Array(boxes.length),
  };
}

const RECALLS = Float64Array.from({ length: 101 }, (_, i) => (i === 100 ? 1 : i * 0.01));

/** Mean over rankings that have a true box; undefined if none has. Without weights every unit counts once. */
export function meanAveragePrecision(
  rankings: readonly Ranking[],
  weights?: Float64Array,
): number | undefined {
  let sum = 0;
  let n = 0;
  for (const ranking of rankings) {
    const value = averagePrecision(ranking, weights);
    if (value === undefined) continue;
    sum += value;
    n++;
  }
  return n === 0 ? undefined : sum / n;
}

function averagePrecision(ranking: Ranking, weights?: Float64Array): number | undefined {
  const { hit, unit, truths, recall, precision } = ranking;
  let all = 0;
  for (let u = 0; u < truths.length; u++) {
    all += (truths[u] ?? 0) * (weights === undefined ? 1 : (weights[u] ?? 0));
  }
  if (all === 0) return undefined;
  const n = hit.length;
  let right = 0;
  let seen = 0;
  for (let i = 0; i < n; i++) {
    const weight = weights === undefined ? 1 : (weights[unit[i] ?? 0] ?? 0);
    seen += weight;
    if (hit[i] === 1) right += weight;
    recall[i] = right / all;
    precision[i] = seen === 0 ? 0 : right / seen;
  }
  // From the back: the best precision at this recall or a higher one.
  let sum = 0;
  let best = 0;
  let at = n - 1;
  for (let r = RECALLS.length - 1; r >= 0; r--) {
    const least = RECALLS[r] ?? 0;
    for (; at >= 0 && (recall[at] ?? 0) >= least; at--) best = Math.max(best, precision[at] ?? 0);
    // Nothing reaches this recall yet: 0.
    sum += best;
  }
  return sum / RECALLS.length;
}

/** 95 % interval over draws of units; undefined where there is nothing to draw from, as in `clusterBootstrap`. */
export function bootstrapAveragePrecision(
  rankings: readonly Ranking[],
  units: number,
  seed: number,
  draws = BOOTSTRAP_DRAWS,
): { lo: number; hi: number } | undefined {
  return drawUnits(units, seed, draws, 0.05, (weights) => meanAveragePrecision(rankings, weights));
}

/** The interval of 1 − `alpha` of the difference a − b: each draw of units is of both. Undefined as above. */
export function pairedAveragePrecision(
  a: readonly Ranking[],
  b: readonly Ranking[],
  units: number,
  seed: number,
  alpha = 0.05,
  draws = BOOTSTRAP_DRAWS,
): { lo: number; hi: number } | undefined {
  return drawUnits(units, seed, draws, alpha, (weights) => {
    const [ofA, ofB] = [meanAveragePrecision(a, weights), meanAveragePrecision(b, weights)];
    return ofA === undefined || ofB === undefined ? undefined : ofA - ofB;
  });
}

function drawUnits(
  units: number,
  seed: number,
  draws: number,
  alpha: number,
  measure: (weights: Float64Array) => number | undefined,
): { lo: number; hi: number } | undefined {
  if (units < 2) return undefined;
  const random = seededRandom(seed);
  const weights = new Float64Array(units);
  const values: number[] = [];
  for (let draw = 0; draw < draws; draw++) {
    weights.fill(0);
    for (let i = 0; i < units; i++) {
      const at = Math.floor(random() * units);
      weights[at] = (weights[at] ?? 0) + 1;
    }
    const value = measure(weights);
    if (value !== undefined) values.push(value);
  }
  const sorted = Float64Array.from(values).sort();
  if (sorted.length === 0 || sorted[0] === sorted.at(-1)) return undefined;
  return { lo: percentile(sorted, alpha / 2), hi: percentile(sorted, 1 - alpha / 2) };
}
