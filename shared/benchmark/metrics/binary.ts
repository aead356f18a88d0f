/**
 * Readings of the binary label. A sample without an answer is wrong whatever the truth: a false negative where there
 * is smoke, a false positive where there is none.
 */
import type { Confusion } from "../summary.js";
import type { Reading, Row } from "./reading.js";
import type { Sample } from "./sample.js";

export type Outcome = "tp" | "fp" | "fn" | "tn";

/** Undefined if the item has no label. */
export function outcome({ scores }: Pick<Sample, "scores">): Outcome | undefined {
  const truth = scores["label_true"];
  if (truth === undefined) return undefined;
  const right = scores["label_pred"] === truth;
  return truth === 1 ? (right ? "tp" : "fn") : right ? "tn" : "fp";
}

/** Counts of samples. */
export function confusion(samples: readonly Sample[]): Confusion {
  const counts: Confusion = { tp: 0, fp: 0, fn: 0, tn: 0 };
  for (const sample of samples) {
    const kind = outcome(sample);
    if (kind !== undefined) counts[kind]++;
  }
  return counts;
}

function ofOutcome(rows: { readonly [kind in Outcome]?: Row }, noRows: string, proportion = true): Reading {
  return {
    fields: [["has_smoke", "p_smoke"]],
    hasTruth: (sample) => sample.scores["label_true"] !== undefined,
    noTruth: "no item has a true label (has_smoke)",
    noRows,
    proportion,
    binary: true,
    vote: ({ scores }) => (scores["label_pred"] === undefined ? undefined : String(scores["label_pred"])),
    row: (sample) => {
      const kind = outcome(sample);
      return kind && rows[kind];
    },
  };
}

const RIGHT: Row = { num: 1, den: 1 };
const WRONG: Row = { num: 0, den: 1 };

export const labelAccuracy: Reading = {
  ...ofOutcome({ tp: RIGHT, tn: RIGHT, fp: WRONG, fn: WRONG }, "no item has a label"),
  passes: true,
};
export const precision: Reading = {
  ...ofOutcome({ tp: RIGHT, fp: WRONG }, "nothing was called positive"),
  byAnswers: true,
};
export const recall: Reading = {
  ...ofOutcome({ tp: RIGHT, fn: WRONG }, "no item is truly positive"),
  passes: true,
};
export const specificity = ofOutcome({ tn: RIGHT, fp: WRONG }, "no item is truly negative");
export const falsePositiveRate = ofOutcome({ fp: RIGHT, tn: WRONG }, "no item is truly negative");
/** F1 = 2tp ÷ (2tp + fp + fn), over all items and not averaged over samples. */
export const f1 = ofOutcome(
  { tp: { num: 2, den: 2 }, fp: { num: 0, den: 1 }, fn: { num: 0, den: 1 }, tn: { num: 0, den: 0 } },
  "no item is positive, truly or by the answers",
  false,
);
