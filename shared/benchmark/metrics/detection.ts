/**
 * map_50: the mean over labels of the average precision at an overlap of 0.5, from boxes with scores. Repetitions are
 * rankings of their own whose values are averaged. What failed found nothing: its true boxes are missed.
 */
import {
  bootstrapAveragePrecision,
  meanAveragePrecision,
  pairedAveragePrecision,
  type Ranking,
  rankingOf,
} from "../statistics/average-precision.js";
import { seedOf } from "../statistics/seed.js";
import type { Needs } from "./applicable.js";
import type { Estimate } from "./estimate.js";
import { groupBy } from "./group-by.js";
import type { Sample } from "./sample.js";

export const DETECTION_NEEDS: Needs = {
  fields: [
    ["boxes", "bbox"],
    ["boxes", "score", "p_smoke"],
  ],
  hasTruth: (sample) => sample.detections !== undefined,
  noTruth: "no item has true boxes (boxes or bbox)",
};

/** Without `name` no interval is computed. */
export function detectionEstimate(samples: readonly Sample[], name?: string): Estimate | { reason: string } {
  const judged = samples.filter((sample) => sample.detections !== undefined);
  if (withoutScores(judged)) return { reason: "the boxes of the answers have no scores" };
  const units = unitsOf(judged);
  const rankings = allRankings(judged, units);
  const value = meanAveragePrecision(rankings);
  if (value === undefined) return { reason: "no item has a true box" };
  const n = new Set(judged.map((sample) => sample.item)).size;
  const bounds =
    name === undefined ? undefined : bootstrapAveragePrecision(rankings, units.size, seedOf(name));
  return { value, n, interval: bounds && { ...bounds, method: "cluster-bootstrap" } };
}

/** The difference a − b of samples that are pairs, index by index; undefined where one side has no value. */
export function detectionDifference(
  a: readonly Sample[],
  b: readonly Sample[],
  seed: number,
  alpha: number,
): { difference: number; n: number; bounds: { lo: number; hi: number } | undefined } | undefined {
  const both = a.map((_, i) => i).filter((i) => a[i]?.detections && b[i]?.detections);
  const [ofA, ofB] = [a, b].map((of) => both.map((i) => of[i]).filter((sample) => sample !== undefined));
  if (ofA === undefined || ofB === undefined || withoutScores(ofA) || withoutScores(ofB)) return undefined;
  // What belongs to whom is one side's word for both, or a draw would take other items of the other side.
  const clusterOf = new Map(ofB.map((sample, i) => [sample, ofA[i]?.cluster ?? sample.cluster]));
  const sameClusters = ofB.map((sample) => ({ ...sample, cluster: clusterOf.get(sample) ?? sample.cluster }));
  const units = unitsOf(ofA);
  const [rankingsA, rankingsB] = [allRankings(ofA, units), allRankings(sameClusters, units)];
  const [valueA, valueB] = [meanAveragePrecision(rankingsA), meanAveragePrecision(rankingsB)];
  if (valueA === undefined || valueB === undefined) return undefined;
  return {
    difference: valueA - valueB,
    n: new Set(ofA.map((sample) => sample.item)).size,
    bounds: pairedAveragePrecision(rankingsA, rankingsB, units.size, seed, alpha),
  };
}

function withoutScores(judged: readonly Sample[]): boolean {
  const found = judged.flatMap((sample) => sample.detections?.flatMap((label) => label.found) ?? []);
  return found.length > 0 && found.every((box) => box.score === undefined);
}

function unitsOf(samples: readonly Sample[]): Map<string, number> {
  const units = new Map<string, number>();
  for (const { cluster } of samples) if (!units.has(cluster)) units.set(cluster, units.size);
  return units;
}

const allRankings = (samples: readonly Sample[], units: ReadonlyMap<string, number>): Ranking[] =>
  [...groupBy(samples, (sample) => sample.repetition).values()].flatMap((run) => rankingsOf(run, units));

/** One per label of one repetition. Boxes without a score come last; equal scores keep the order of the samples. */
function rankingsOf(run: readonly Sample[], units: ReadonlyMap<string, number>): Ranking[] {
  const entries = run.flatMap(({ cluster, detections = [] }) =>
    detections.map((detection) => ({ ...detection, unit: units.get(cluster) ?? 0 })),
  );
  return [...groupBy(entries, ({ label }) => label).values()].map((ofLabel) => {
    const boxes = ofLabel
      .flatMap(({ found, unit }) => found.map(({ score = 0, hit }) => ({ score, hit, unit })))
      .sort((a, b) => b.score - a.score);
    const truths = new Float64Array(units.size);
    for (const { unit, truths: own } of ofLabel) truths[unit] = (truths[unit] ?? 0) + own;
    return rankingOf(boxes, truths);
  });
}
