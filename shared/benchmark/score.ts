/**
 * One sample's scores, computed beside the model, so that the record carries them and no truth has to travel.
 *
 * 1. Truth parts and wrong values stand on failed samples too: the caller passes an undefined output for them, and
 *    the aggregates count them as wrong. An unparsed answer is scored the same way.
 * 2. A score is absent only where the item has no truth for it, never because the answer is bad.
 * 3. Whether the prompt asks for the field at all is the aggregate's question (n/a), not the sample's.
 */
import { compileMetric, customScore } from "./custom-metric.js";
import type { Item } from "./item.js";
import type { Json } from "./json.js";
import { verdictOf } from "./judge.js";
import { parseOutput } from "./parse.js";
import type { Fields } from "./parse-fields.js";
import type { JobSpec } from "./plan.js";
import type { ParseMode } from "./record.js";
import { type Detection, detections } from "./scoring/detections.js";
import type { Scores } from "./scoring/scores.js";
import { smokeScores } from "./scoring/smoke.js";
import { targetScores } from "./scoring/target.js";
import { visionScores } from "./scoring/vision.js";

export interface SampleScore {
  /** unscored: there was no output to look at. */
  status: "ok" | "parse_error" | "unscored";
  parsed?: Json;
  parseMode?: ParseMode;
  scores: Scores;
  detections?: Detection[];
  error?: { class: string; message: string };
}

/** Scores of one output, or of its absence. Never throws. */
export function scoreSample(job: ScoredJob, item: Item, output: string | undefined): SampleScore {
  if (job.judge) return verdictOf({ ...job, judge: job.judge }, output);
  if (output === undefined) return { status: "unscored", ...judged(job, item, undefined, undefined) };
  const parsed = parseOutput(job.prompt, output);
  if (!parsed.ok) {
    return {
      status: "parse_error",
      ...judged(job, item, undefined, output),
      error: { class: "parse_error", message: parsed.reason },
    };
  }
  const { fields, mode } = parsed;
  return { status: "ok", parsed: fields, parseMode: mode, ...judged(job, item, fields, output) };
}

/** The part of a job that scoring looks at. */
export type ScoredJob = Pick<JobSpec, "prompt" | "test" | "metrics" | "judge">;

function judged(
  job: ScoredJob,
  item: Item,
  answer: Fields | undefined,
  output: string | undefined,
): Pick<SampleScore, "scores" | "detections"> {
  const truth = isFields(item.truth) ? item.truth : {};
  const scores: Scores = {
    ...smokeScores(truth, answer, job.test),
    ...visionScores(truth, answer),
    ...(item.target === undefined ? {} : targetScores(job.prompt, item.target, answer, output)),
  };
  for (const { id, custom } of job.metrics) {
    const own = custom && compileMetric(custom).score(item, answer, output, scores);
    if (own !== undefined) scores[customScore(id)] = own;
  }
  const wanted = job.metrics.some(({ id }) => id === "map_50");
  const found = wanted ? detections(truth, answer) : undefined;
  return { scores, ...(found === undefined ? {} : { detections: found }) };
}

function isFields(value: Json | undefined): value is Fields {
  return value !== null && value !== undefined && typeof value === "object" && !Array.isArray(value);
}
