/**
 * map_50: the mean over labels of the average precision at an overlap of 0.5, from boxes with scores. Repetitions are
 * rankings of their own whose values are averaged. What failed found nothing: its true boxes are missed.
 */
import {
  bootstrapAveragePrecision,
  meanAveragePrecision,
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
  const found = judged.flatMap((sample) => sample.detections?.flatMap((label) => label.found) ?? []);
  if (found.length > 0 && found.every((box) => box.score === undefined)) {
    return { reason: "the boxes of the answers have no scores" };
  }
  const units = new Map<string, number>();
  for (const { cluster } of judged) if (!units.has(cluster)) units.set(cluster, units.size);
  const rankings = [...groupBy(judged, (sample) => sample.repetition).values()].flatMap((run) =>
    rankingsOf(run, units),
  );
  const value = meanAveragePrecision(rankings);
  if (value === undefined) return { reason: "no item has a true box" };
  const n = new Set(judged.map((sample) => sample.item)).size;
  const bounds =
    name === undefined ? undefined : bootstrapAveragePrecision(rankings, units.size, seedOf(name));
  return { value, n, interval: bounds && { ...bounds, method: "cluster-bootstrap" } };
}

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
