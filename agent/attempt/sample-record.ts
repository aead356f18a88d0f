/** The record of one finished sample, put together from what was asked, what came back and what it is worth. */
import { pairKey, recordId, targetSha } from "../../shared/benchmark/identity.js";
import type { Item } from "../../shared/benchmark/item.js";
import type { GenerationSettings } from "../../shared/benchmark/plan.js";
import { costUsd } from "../../shared/benchmark/prices.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { type SampleScore, scoreSample } from "../../shared/benchmark/score.js";
import type { EngineDone } from "../engines/engine.js";
import type { SampleContext } from "./sample-context.js";
import type { TryTimes } from "./sample-try.js";

/** Most of an answer that a record keeps, in UTF-8 bytes; longer ones are flagged `output_capped`. */
const MAX_OUTPUT_BYTES = 64 * 1024;
/** Share of cached input tokens above which a prefix cache has changed what was measured. */
const PREFIX_CACHE_SHARE = 0.1;

export interface Finished {
  ordinal: number;
  /** Of its item, where the ordinal does not say. */
  itemIndex?: number;
  item: Item;
  repetition: number;
  generation: GenerationSettings;
  /** "" when the sample failed before there was a request. */
  cacheKey: string;
  scheduledNs: number;
  tries: ResultRecord["tries"];
  /** Of the last try; undefined when none was made. */
  times: TryTimes | undefined;
  outcome:
    | { kind: "answered"; done: EngineDone }
    | {
        kind: "failed";
        status: "engine_error" | "timeout" | "oom" | "cancelled";
        class: string;
        message: string;
      };
  flags: readonly string[];
  /** The answer came from the response cache. */
  isRecalled?: true;
}

export function recordOf(ctx: SampleContext, finished: Finished): ResultRecord {
  const { job, prepared, sha256 } = ctx;
  const { item, ordinal, repetition, outcome } = finished;
  const { identity } = prepared;
  const base = ctx.pairKeys[(finished.itemIndex ?? ordinal) % ctx.items.length] ?? "";
  const quant = identity.quant ?? job.model.quant;
  return {
    v: 1,
    record_id: recordId(job.retry?.campaign ?? ctx.campaign, job.id, ordinal, sha256),
    cache_key: finished.cacheKey,
    pair_key: pairKey(base, repetition, sha256),
    campaign: ctx.campaign,
    job: job.id,
    shard: ctx.shard,
    attempt: ctx.attempt,
    ordinal,
    repetition,
    item_id: item.id,
    cluster_id: item.cluster ?? item.id,
    ...(item.level === undefined ? {} : { level: item.level }),
    ...(item.group === undefined ? {} : { group: item.group }),
    prompt: { id: job.prompt.id, version: job.prompt.version, sha256: job.prompt.sha256 },
    model: {
      id: job.model.id,
      ...(identity.digest === undefined ? {} : { digest: identity.digest }),
      ...(quant === undefined ? {} : { quant }),
    },
    engine: { kind: job.model.engine, version: identity.version, args: identity.args },
    node: ctx.node,
    gen: finished.generation,
    cached: finished.isRecalled === true,
    tries: finished.tries,
    t_ns: timesOf(finished, ctx.clock.nowNs()),
    chunks: finished.times?.chunks ?? 0,
    target_sha: targetSha(item, sha256),
    ...(outcome.kind === "answered"
      ? answered(ctx, finished, outcome.done)
      : failed(ctx, item, outcome, finished.flags)),
  };
}

type Verdict = Pick<
  ResultRecord,
  | "status"
  | "finish"
  | "error"
  | "output"
  | "parsed"
  | "parse_mode"
  | "scores"
  | "detections"
  | "tokens"
  | "server"
  | "cost_usd"
  | "cost_avoided_usd"
  | "price_source"
  | "flags"
>;

function answered(
  ctx: SampleContext,
  { item, flags: extra, isRecalled }: Finished,
  done: EngineDone,
): Verdict {
  const isLoad = ctx.job.load !== undefined;
  // A load asks how fast answers come; nobody reads them.
  const score: SampleScore = isLoad
    ? { status: "ok", scores: {} }
    : scoreSample(ctx.job, item, done.refused ? undefined : done.text);
  const status = statusOf(score, done.refused);
  const keep = !isLoad && (status !== "ok" || ctx.job.test.includeRawResponses);
  const output = capped(done.text);
  const { price } = ctx.prepared;
  const cost = costUsd(price?.price ?? ctx.job.model.price, done.tokens);
  const flags = [...ctx.flags, ...extra, ...done.flags];
  // A load's answers are to be as long as the suite says.
  if (done.finish === "length" && !isLoad) flags.push("truncated");
  if (keep && output.capped) flags.push("output_capped");
  if (
    !isRecalled &&
    (done.tokens.cached ?? 0) > PREFIX_CACHE_SHARE * (done.tokens.in ?? Number.POSITIVE_INFINITY)
  ) {
    flags.push("prefix_cache");
  }
  return {
    status,
    finish: done.finish,
    ...(status === "refused" ? { error: { class: "refused", message: "the model refused to answer" } } : {}),
    ...(status === "parse_error" && score.error ? { error: score.error } : {}),
    ...(keep ? { output: output.text } : {}),
    ...(score.parsed === undefined ? {} : { parsed: score.parsed }),
    ...(score.parseMode === undefined ? {} : { parse_mode: score.parseMode }),
    scores: score.scores,
    ...(score.detections === undefined ? {} : { detections: score.detections }),
    tokens: done.tokens,
    server: done.server,
    ...(cost !== undefined && (isRecalled ? { cost_usd: 0, cost_avoided_usd: cost } : { cost_usd: cost })),
    ...(cost === undefined ? {} : { price_source: price?.source ?? "suite" }),
    flags: [...new Set(flags)],
  };
}

function failed(
  ctx: SampleContext,
  item: Item,
  outcome: Extract<Finished["outcome"], { kind: "failed" }>,
  extra: readonly string[],
): Verdict {
  const { scores, detections } = scoreSample(ctx.job, item, undefined);
  return {
    status: outcome.status,
    finish: "error",
    error: { class: outcome.class, message: outcome.message },
    // What is true stands in the record all the same, so that failures can be counted as wrong.
    scores: ctx.job.load ? {} : scores,
    ...(detections === undefined ? {} : { detections }),
    tokens: { source: "none" },
    server: {},
    flags: [...new Set([...ctx.flags, ...extra])],
  };
}

const statusOf = (score: SampleScore, refused: boolean): "ok" | "parse_error" | "refused" =>
  refused ? "refused" : score.status === "parse_error" ? "parse_error" : "ok";

function timesOf({ scheduledNs, times }: Finished, nowNs: number): ResultRecord["t_ns"] {
  if (times === undefined) return { scheduled: scheduledNs, sent: scheduledNs, done: nowNs };
  return {
    scheduled: scheduledNs,
    sent: times.sent ?? times.start,
    ...(times.firstByte === undefined ? {} : { first_byte: times.firstByte }),
    ...(times.firstToken === undefined ? {} : { first_token: times.firstToken }),
    ...(times.firstOutput === undefined ? {} : { first_output: times.firstOutput }),
    ...(times.lastToken === undefined ? {} : { last_token: times.lastToken }),
    done: times.end,
  };
}

/** At most 64 KiB of UTF-8, cut between characters. */
function capped(text: string): { text: string; capped: boolean } {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= MAX_OUTPUT_BYTES) return { text, capped: false };
  let end = MAX_OUTPUT_BYTES;
  // 10xxxxxx continues a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return { text: bytes.subarray(0, end).toString("utf8"), capped: true };
}
