import { METRIC_IDS, type MetricId } from "../metric-ids.js";

/** What other suites call the metrics. */
const OTHER_NAMES: Readonly<Record<string, MetricId>> = {
  "map@0.5": "map_50",
  "map_0.5": "map_50",
  map50: "map_50",
  f1: "f1_score",
  iou: "bbox_iou",
  mean_iou: "bbox_iou",
  fpr: "false_positive_rate",
  false_alarm_rate: "false_positive_rate",
  sensitivity: "recall",
  true_positive_rate: "recall",
  inference_time: "latency",
  parsing_success_rate: "parse_success_rate",
};

/** The metric of that name; undefined if there is none. */
export function metricNamed(name: string): MetricId | undefined {
  const own = METRIC_IDS.find((id) => id === name);
  const other = name.toLowerCase();
  return own ?? (Object.hasOwn(OTHER_NAMES, other) ? OTHER_NAMES[other] : undefined);
}
