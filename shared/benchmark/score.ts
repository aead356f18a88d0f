/**
 * One sample's scores, computed beside the model, so that the record carries them and no truth has to travel.
 *
 * 1. Truth parts and wrong values stand on failed samples too: the caller passes an undefined output for them, and
 *    the aggregates count them as wrong. An unparsed answer is scored the same way.
 * 2. A score is absent only where the item has no truth for it, never because the answer is bad.
 * 3. Whether the prompt asks for the field at all is the aggregate's question (n/a), not the sample's.
 */
import type { Item } from "./item.js";
import type { Json } from "./json.js";
import { parseOutput } from "./parse.js";
import type { Fields } from "./parse-fields.js";
import type { JobSpec } from "./plan.js";
import type { ParseMode } from "./record.js";
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
  error?: { class: string; message: string };
}

/** Scores of one output, or of its absence. Never throws. */
export function scoreSample(job: ScoredJob, item: Item, output: string | undefined): SampleScore {
  if (output === undefined) return { status: "unscored", scores: allScores(job, item, undefined, undefined) };
  const parsed = parseOutput(job.prompt, output);
  if (!parsed.ok) {
    return {
      status: "parse_error",
      scores: allScores(job, item, undefined, output),
      error: { class: "parse_error", message: parsed.reason },
    };
  }
  const { fields, mode } = parsed;
  return { status: "ok", parsed: fields, parseMode: mode, scores: allScores(job, item, fields, output) };
}

/** The part of a job that scoring looks at. */
export type ScoredJob = Pick<JobSpec, "prompt" | "test">;

function allScores(
  job: ScoredJob,
  item: Item,
  answer: Fields | undefined,
  output: string | undefined,
): Scores {
  const truth = isFields(item.truth) ? item.truth : {};
  return {
    ...smokeScores(truth, answer, job.test),
    ...visionScores(truth, answer),
    ...(item.target === undefined ? {} : targetScores(job.prompt, item.target, answer, output)),
  };
}

function isFields(value: Json | undefined): value is Fields {
  return value !== null && value !== undefined && typeof value === "object" && !Array.isArray(value);
}
