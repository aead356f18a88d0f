/**
 * `compat: sai-legacy`: the numbers that SAI-Benchmark itself prints for a suite, errors included, for those who have to
 * hold results of before against results of now. Nothing of it enters any other number.
 *
 * What it does there, and does here on purpose (core/test_suite.py and core/metrics_registry.py of that project):
 *
 *  1. Each metric is computed over one sample at a time and then averaged: precision, recall and F1 of one sample are
 *     1 for a true positive and 0 for everything else, a true negative included (TP 2, FP 1, FN 1, TN 1 give 0.40).
 *  2. Samples that failed, or whose answer is not parsed, have no metrics and leave all denominators.
 *  3. An answer of the JSON prompts is parsed only if it is JSON from end to end; prose or a fence around it discards it.
 *  4. `has_smoke` is read by that name alone; the prompts that answer otherwise (wildfire_confidence,
 *     detailed_sequence_analysis) are never positive. No threshold is applied.
 *  5. bbox_iou is over all samples, smoke-free ones at 0; bbox_precision is 0 where nothing was called positive, and
 *     its threshold is 0.5 whatever the suite says.
 *  6. Answers carry neither times nor prices nor errors: latency, throughput and cost are 0, parse_success_rate is 1,
 *     error_rate 0.
 *  7. Models, prompts and datasets are pooled into one number. The mean latency has failed samples and failed tries.
 */
import type { Fields } from "./parse-fields.js";
import type { PromptSpec } from "./plan.js";
import { isAnswered, type ResultRecord } from "./record.js";
import type { Legacy, LegacyMetric } from "./summary.js";

/** What is kept of a record for it. */
export interface LegacySample {
  answered: boolean;
  /** Undefined where the answer came from the cache. */
  latencyMs: number | undefined;
  /** Undefined where the original has no metrics: failed, not parsed, no truth. */
  values: { readonly [metric: string]: number } | undefined;
}

export function legacySampleOf(record: ResultRecord, prompt: PromptSpec): LegacySample {
  const { t_ns: times, tries } = record;
  return {
    answered: isAnswered(record.status),
    latencyMs: record.cached ? undefined : (times.done - (tries[0]?.t_ns ?? times.sent)) / 1e6,
    values: valuesOf(record, prompt),
  };
}

function valuesOf(record: ResultRecord, prompt: PromptSpec): LegacySample["values"] {
  const answer = parsedThere(record, prompt);
  if (answer === undefined || !hasTruth(record)) return undefined;
  const said = prompt.fields["has_smoke"];
  const smoke = said === undefined || said === "has_smoke" ? (answer["has_smoke"] ?? false) : false;
  const truth = record.scores["label_true"] === 1;
  const positive = isTruthy(smoke);
  const hit = positive && truth ? 1 : 0;
  const overlap = record.scores["bbox_iou"] ?? 0;
  return {
    accuracy: Number(equals(smoke, truth)),
    precision: hit,
    recall: hit,
    f1_score: hit,
    latency: 0,
    throughput: 0,
    cost: 0,
    bbox_iou: overlap,
    bbox_precision: hit === 1 && overlap >= 0.5 ? 1 : 0,
    parse_success_rate: Number(!isTruthy(answer["error"])),
    error_rate: Number(isTruthy(answer["error"])),
  };
}

/** The answer if the original would have had it; it takes an empty one for none. */
function parsedThere(record: ResultRecord, prompt: PromptSpec): Fields | undefined {
  const { parsed, parse_mode: mode } = record;
  if (record.status !== "ok" || parsed === null || typeof parsed !== "object" || Array.isArray(parsed)) {
    return undefined;
  }
  const readable = prompt.output === "lines" || (prompt.output === "json" && mode === "direct");
  return readable && Object.keys(parsed).length > 0 ? parsed : undefined;
}

const TARGET_SCORES = new Set(["exact_match", "contains", "cer", "anls"]);

/** Truth of a picture; target texts are not known there. */
const hasTruth = ({ scores }: ResultRecord): boolean =>
  Object.keys(scores).some((name) => !TARGET_SCORES.has(name) && !name.startsWith("custom."));

/** As Python has it. */
function isTruthy(value: Fields[string] | undefined): boolean {
  if (value !== null && typeof value === "object") return Object.keys(value).length > 0;
  return Boolean(value);
}

/** A text is never equal to a boolean there; 0 and 1 are. */
function equals(value: Fields[string], truth: boolean): boolean {
  return typeof value === "number" ? value === Number(truth) : value === truth;
}

const WARNING =
  "These are SAI-Benchmark's own numbers with its known errors (compat: sai-legacy): all models, prompts and datasets " +
  "in one, failed and unparsed samples left out, precision, recall and F1 averaged over single samples. They judge no " +
  "model; compare them with old results of SAI-Benchmark alone.";

/** `metrics` as the suite asks for them. */
export function legacySummary(samples: readonly LegacySample[], metrics: readonly string[]): Legacy {
  const tests = samples.length;
  const latencies = samples.map((sample) => sample.latencyMs).filter((ms) => ms !== undefined);
  return {
    warning: WARNING,
    tests,
    successful: samples.filter((sample) => sample.answered).length,
    meanLatencyMs: latencies.length === 0 ? 0 : mean(latencies),
    metrics: metrics.map((id) => legacyMetric(id, samples)),
  };
}

function legacyMetric(id: string, samples: readonly LegacySample[]): LegacyMetric {
  const all = samples.flatMap(({ values }) => (values === undefined ? [] : [values]));
  const values = all
    .map((own) => (Object.hasOwn(own, id) ? own[id] : undefined))
    .filter((value) => value !== undefined);
  if (values.length > 0) {
    const value = mean(values);
    const std = Math.sqrt(mean(values.map((v) => (v - value) ** 2)));
    return { id, value, std, n: values.length, reason: "" };
  }
  const reason = all.length === 0 ? "no sample that the original would have counted" : "not reproduced";
  return { id, n: 0, reason };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
