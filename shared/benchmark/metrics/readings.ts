/** Readings of everything but the binary label: per-sample scores, boxes, groups, and how samples ended. */
import { jaccard } from "../scoring/objects.js";
import type { Reading } from "./reading.js";
import type { Sample } from "./sample.js";

/** The mean of a per-sample score. */
export function meanOf(
  score: string,
  fields: Reading["fields"],
  noTruth: string,
  proportion = false,
): Reading {
  return {
    fields,
    hasTruth: (sample) => sample.scores[score] !== undefined,
    noTruth,
    noRows: noTruth,
    proportion,
    row: (sample) => {
      const value = sample.scores[score];
      return value === undefined ? undefined : { num: value, den: 1 };
    },
  };
}

const NO_BOX = "no item has a true box (bbox)";
export const bboxIou = meanOf("bbox_iou", [["bbox"]], NO_BOX);
export const bboxRecall: Reading = { ...meanOf("bbox_hit", [["bbox"]], NO_BOX, true), passes: true };
/** Of the boxes given, those that overlap a true box by iou_threshold; a box on a smoke-free picture is wrong. */
export const bboxPrecision: Reading = {
  fields: [["bbox"]],
  hasTruth: (sample) => sample.scores["bbox_true"] === 1,
  noTruth: NO_BOX,
  noRows: "no answer had a box",
  proportion: true,
  byAnswers: true,
  row: ({ scores }) => (scores["bbox_pred"] === 1 ? { num: scores["bbox_hit"] ?? 0, den: 1 } : undefined),
};

/** Mean Jaccard of the objects seen, against the first of the same group; needs no truth. */
export const resolutionConsistency: Reading = {
  fields: [["objects"]],
  hasTruth: (sample) => sample.consistency !== undefined,
  noTruth: "no two items show the same thing at different resolutions",
  noRows: "no two items show the same thing at different resolutions",
  proportion: false,
  row: ({ consistency }) => (consistency === undefined ? undefined : { num: consistency, den: 1 }),
  cluster: (sample) => `group ${sample.group}`,
};

/**
 * Sets `consistency` on every sample but the first of its group and repetition. `samples` in ordinal order, without
 * cancelled ones. Where either saw nothing that can be read, the two do not agree.
 */
export function compareWithinGroups(samples: readonly Sample[]): void {
  const first = new Map<string, Sample>();
  for (const sample of samples) {
    if (sample.group === undefined) continue;
    const key = `${sample.repetition} ${sample.group}`;
    const reference = first.get(key);
    if (reference === undefined) {
      first.set(key, sample);
      // It may have been a later one when fewer records were in.
      sample.consistency = undefined;
    } else {
      const { objects: before } = reference;
      sample.consistency = before && sample.objects ? jaccard(before, sample.objects) : 0;
    }
  }
}

const NOTHING_ANSWERED = "nothing was answered";
export const parseSuccess: Reading = {
  fields: [],
  hasTruth: () => true,
  noTruth: NOTHING_ANSWERED,
  noRows: NOTHING_ANSWERED,
  proportion: true,
  row: (sample) => (sample.answered ? { num: Number(sample.status === "ok"), den: 1 } : undefined),
};

export const errorRate: Reading = {
  fields: [],
  hasTruth: () => true,
  noTruth: "nothing was run",
  noRows: "nothing was run",
  proportion: true,
  row: (sample) => ({ num: Number(sample.failed), den: 1 }),
};

/** Mean end-to-end ms of answered samples that did not come from the cache. */
export const latency: Reading = {
  fields: [],
  hasTruth: () => true,
  noTruth: NOTHING_ANSWERED,
  noRows: NOTHING_ANSWERED,
  proportion: false,
  row: ({ times }) => (times === undefined ? undefined : { num: times.e2eMs, den: 1 }),
};
