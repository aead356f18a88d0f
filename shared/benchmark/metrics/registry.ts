/**
 * Every metric: its unit, its direction, how it is read. `quality` metrics judge answers and are reported twice
 * (failures as wrong, and answered only), compared between models and ranked; the others are about the run itself.
 */
import { METRIC_IDS, type MetricId } from "../metric-ids.js";
import { f1, falsePositiveRate, labelAccuracy, precision, recall, specificity } from "./binary.js";
import type { Reading } from "./reading.js";
import {
  bboxIou,
  bboxPrecision,
  bboxRecall,
  errorRate,
  latency,
  meanOf,
  parseSuccess,
  resolutionConsistency,
} from "./readings.js";
import type { Sample } from "./sample.js";

export interface MetricDefinition {
  /** ratio, ms, per_s, usd; of metrics of a suite's own any text. */
  unit: string;
  higherIsBetter: boolean;
  what: MetricKind;
}

/**
 * quality: the first reading that applies to the cell is taken; rate and time: one reading, no comparisons;
 * detection, throughput and cost: see their files.
 */
export type MetricKind =
  | { kind: "quality"; readings: readonly Reading[] }
  | { kind: "rate" | "time"; reading: Reading }
  | { kind: "detection" | "throughput" | "cost" };

const quality = (...readings: Reading[]): MetricDefinition => {
  return { unit: "ratio", higherIsBetter: true, what: { kind: "quality", readings } };
};
const lowerIsBetter = (metric: MetricDefinition): MetricDefinition => ({ ...metric, higherIsBetter: false });
const seen = (id: MetricId, truth: string, fields: string[], proportion = false): MetricDefinition => {
  const reading = meanOf(id, [fields], `no item has a truth for it (${truth})`, proportion);
  return quality(proportion ? { ...reading, passes: true } : reading);
};
const NO_TARGET = "no item has a target";
const vote = (sample: Sample): string | undefined => sample.answer;
const exactMatch: Reading = { ...meanOf("exact_match", [["answer"]], NO_TARGET, true), passes: true, vote };

/** accuracy is that of the label; where there is no label, the share of answers that match their target. */
export const METRICS: { readonly [id in MetricId]: MetricDefinition } = {
  accuracy: quality(labelAccuracy, exactMatch),
  precision: quality(precision),
  recall: quality(recall),
  f1_score: quality(f1),
  specificity: quality(specificity),
  false_positive_rate: lowerIsBetter(quality(falsePositiveRate)),
  latency: { unit: "ms", higherIsBetter: false, what: { kind: "time", reading: latency } },
  throughput: { unit: "per_s", higherIsBetter: true, what: { kind: "throughput" } },
  cost: { unit: "usd", higherIsBetter: false, what: { kind: "cost" } },
  bbox_iou: quality(bboxIou),
  bbox_precision: quality(bboxPrecision),
  bbox_recall: quality(bboxRecall),
  map_50: {
    unit: "ratio",
    higherIsBetter: true,
    what: { kind: "detection" },
  },
  parse_success_rate: { unit: "ratio", higherIsBetter: true, what: { kind: "rate", reading: parseSuccess } },
  error_rate: { unit: "ratio", higherIsBetter: false, what: { kind: "rate", reading: errorRate } },
  object_detection_accuracy: seen("object_detection_accuracy", "objects", ["objects"]),
  counting_accuracy: seen("counting_accuracy", "total_objects", ["total_objects"]),
  color_accuracy: seen("color_accuracy", "colors", ["colors"]),
  material_recognition_accuracy: seen("material_recognition_accuracy", "materials", ["materials"]),
  spatial_accuracy: seen("spatial_accuracy", "spatial_relationships", [
    "spatial_relationships",
    "relationships",
  ]),
  text_recognition_accuracy: seen("text_recognition_accuracy", "text_visible", ["text_found"], true),
  comprehensive_score: quality(
    meanOf(
      "comprehensive_score",
      [
        ["objects"],
        ["total_objects"],
        ["colors"],
        ["materials"],
        ["spatial_relationships", "relationships"],
        ["text_found"],
      ],
      "no item has the truth for all six parts",
    ),
  ),
  resolution_consistency: quality(resolutionConsistency),
  exact_match: quality(exactMatch),
  contains: quality({ ...meanOf("contains", [], NO_TARGET, true), passes: true }),
  cer: lowerIsBetter(
    quality({ ...meanOf("cer", [["answer"]], "no item has a target that is not empty"), vote }),
  ),
  anls: quality({ ...meanOf("anls", [["answer"]], NO_TARGET), vote }),
};

const KNOWN: ReadonlySet<string> = new Set(METRIC_IDS);

export function isMetric(id: string): id is MetricId {
  return KNOWN.has(id);
}
