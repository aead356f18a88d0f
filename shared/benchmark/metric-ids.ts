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
