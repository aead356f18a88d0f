/**
 * The names of the metrics a suite may ask for: the 19 of the SAI suite format and the ones added here. What they mean
 * stands in `metrics/`; this list is apart so that reading a suite needs no metric code.
 */
export const METRIC_IDS = [
  "accuracy",
  "precision",
  "recall",
  "f1_score",
  "latency",
  "throughput",
  "cost",
  "bbox_iou",
  "bbox_precision",
  "parse_success_rate",
  "error_rate",
  "object_detection_accuracy",
  "counting_accuracy",
  "color_accuracy",
  "spatial_accuracy",
  "text_recognition_accuracy",
  "material_recognition_accuracy",
  "comprehensive_score",
  "resolution_consistency",
  "bbox_recall",
  "specificity",
  "false_positive_rate",
  "map_50",
  "exact_match",
  "contains",
  "cer",
  "anls",
] as const;
export type MetricId = (typeof METRIC_IDS)[number];

/** What can be read as right or wrong of one sample, whatever the answer: pass@k is for these. */
export const PASSES: readonly MetricId[] = [
  "accuracy",
  "recall",
  "exact_match",
  "contains",
  "bbox_recall",
  "text_recognition_accuracy",
];

/** What is about a label or an answer that repetitions can agree on: a majority is for these. */
export const VOTES: readonly MetricId[] = [
  "accuracy",
  "precision",
  "recall",
  "f1_score",
  "specificity",
  "false_positive_rate",
  "exact_match",
  "cer",
  "anls",
];

const REDUCED = /^(.+)\.(mean|majority|pass@([1-9]\d{0,3}))$/;

/** `exact_match.pass@5` is exact_match by pass@5; a name without a reducer is itself, as with `.mean`. */
export function parseMetricName(name: string): { of: string; by: "mean" | "majority" | "pass"; k?: number } {
  const [, of, rule, k] = REDUCED.exec(name) ?? [];
  if (of === undefined) return { of: name, by: "mean" };
  if (k !== undefined) return { of, by: "pass", k: Number(k) };
  return { of, by: rule === "majority" ? "majority" : "mean" };
}
