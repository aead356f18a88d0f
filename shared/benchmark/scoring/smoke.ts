/**
 * The binary task and its box: is there smoke, and where? Scores per sample:
 *
 *     label_true 0|1    the truth                   bbox_true 0|1   whether the truth has a box
 *     label_pred 0|1    the answer, if it has one   bbox_pred 0|1   whether the answer has one
 *                                                   bbox_iou        overlap, where the truth has a box; else absent
 *                                                   bbox_hit 0|1    whether bbox_iou ≥ iou_threshold
 *
 * The truth parts stand on every sample, failed ones too. The answer is positive if P(smoke) ≥ confidence_threshold
 * where the prompt gives one between 0 and 1, else by has_smoke.
 */
import { toBoolean, toNumber } from "../expression-values.js";
import type { Fields } from "../parse-fields.js";
import type { TestConfig } from "../plan.js";
import { iou, readBox } from "./boxes.js";
import type { Scores } from "./scores.js";

/** `answer` is undefined if there is none: failed, refused, or not parsed. */
export function smokeScores(truth: Fields, answer: Fields | undefined, test: TestConfig): Scores {
  return { ...labelScores(truth, answer, test), ...boxScores(truth, answer, test) };
}

/** The true label: has_smoke, or else that there is a box. */
function trueLabel(truth: Fields): boolean | undefined {
  const label = toBoolean(truth["has_smoke"]);
  if (label !== null) return label;
  return readBox(truth["bbox"]) === undefined ? undefined : true;
}

function labelScores(truth: Fields, answer: Fields | undefined, test: TestConfig): Scores {
  const label = trueLabel(truth);
  if (label === undefined) return {};
  const predicted = answer && predictedLabel(answer, test.confidenceThreshold);
  return {
    label_true: Number(label),
    ...(predicted === undefined ? {} : { label_pred: Number(predicted) }),
  };
}

function predictedLabel(answer: Fields, threshold: number): boolean | undefined {
  const p = toNumber(answer["p_smoke"]);
  if (p !== null && p >= 0 && p <= 1) return p >= threshold;
  return toBoolean(answer["has_smoke"]) ?? undefined;
}

function boxScores(truth: Fields, answer: Fields | undefined, test: TestConfig): Scores {
  const trueBox = readBox(truth["bbox"]);
  const label = trueLabel(truth);
  // Smoke without a box in the truth: nothing to compare a box with, and no proof that there is none.
  if (label === undefined || (label && trueBox === undefined)) return {};
  const isTrue = label && trueBox !== undefined;
  const box = answer && readBox(answer["bbox"]);
  const predicted: Scores = answer === undefined ? {} : { bbox_pred: Number(box !== undefined) };
  if (!isTrue) return { bbox_true: 0, ...predicted };
  const overlap = box === undefined ? 0 : iou(box, trueBox);
  const hit = Number(box !== undefined && overlap >= test.iouThreshold);
  return { bbox_true: 1, ...predicted, bbox_iou: overlap, bbox_hit: hit };
}
