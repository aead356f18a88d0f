/**
 * One sample, from its ordinal to its record:
 *
 *   item and repetition → pictures by hash → rendered messages → tries under a deadline → scored record
 *
 * 1. Whatever happens to a sample is a status of its record, but for two things that say nothing about it yet, so that
 *    there is no record and the attempt must end: a picture that is in the store and cannot be read (see media.ts), and
 *    the death of the engine's process.
 * 2. Only transient failures are tried again, at most `max_retries` times, each after a longer pause with full jitter
 *    (or as long as the server asked for). A timeout is not: it would cost its full time again. Before each try an engine
 *    with limits is waited for, which counts to no time and towards no deadline.
 * 3. An answer from the response cache is a record like any other, but for its tries, which it has none of, its times,
 *    which are of the lookup, and its cost.
 * 4. Times are of the last try, so that a latency never contains failed ones; `tries` tells of all.
 */

import { LONGEST_PAUSE_MS } from "../../shared/benchmark/deadline.js";
import { cacheKey } from "../../shared/benchmark/identity.js";
import type { Item } from "../../shared/benchmark/item.js";
import { canonicalJson } from "../../shared/benchmark/json.js";
import { judgedItem } from "../../shared/benchmark/judge.js";
import type { GenerationSettings } from "../../shared/benchmark/plan.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { type RenderedMessages, renderMessages } from "../../shared/benchmark/template.js";
import { errorText } from "../../shared/runtime/errors.js";
import type { Random } from "../../shared/runtime/random.js";
import type { InferenceRequest, Turn, TurnEnd } from "../engines/engine.js";
import { cacheable } from "./cache-entry.js";
import { sureModel } from "./cached-job.js";
import { loadMedia } from "./media.js";
import type { SampleContext } from "./sample-context.js";
import { type Finished, recordOf } from "./sample-record.js";
import { failureOf, type TryOutcome, type TryTimes, trySample } from "./sample-try.js";

/**
 * Runs sample `ordinal` of the job. Aborting `signal` ends it with status `cancelled`. Throws only what `readBlob` throws
 * and the EngineError of a death.
 */
export async function runSample(
  ctx: SampleContext,
  ordinal: number,
  signal: AbortSignal,
): Promise<ResultRecord> {
  const about = sampleAt(ctx, ordinal);
  if (signal.aborted) return recordOf(ctx, { ...about, ...NOT_TRIED, outcome: CANCELLED });

  const asked = await requestOf(ctx, about.item, ordinal, about.repetition, about.generation);
  if (!asked.ok) return recordOf(ctx, { ...about, ...NOT_TRIED, outcome: asked.outcome });
  const ran = await tried(ctx, asked.request, signal);
  const answer = ctx.cache && ran.outcome.kind === "answered" ? cacheable(ran.outcome.done) : undefined;
  if (answer) ctx.answers.push({ key: asked.cacheKey, answer });
  return recordOf(ctx, { ...about, ...ran, cacheKey: asked.cacheKey, flags: asked.flags });
}

/** The record of a sample that the response cache answers; undefined when it does not. Throws what `readBlob` throws. */
export async function recallSample(
  ctx: SampleContext,
  cache: NonNullable<SampleContext["cache"]>,
  ordinal: number,
): Promise<ResultRecord | undefined> {
  const about = sampleAt(ctx, ordinal);
  const asked = await requestOf(ctx, about.item, ordinal, about.repetition, about.generation);
  if (!asked.ok) return undefined;
  const answer = await cache.find(asked.cacheKey);
  if (answer === undefined) return undefined;
  const done = { kind: "done" as const, tNs: ctx.clock.nowNs(), refused: false, server: {}, ...answer };
  const outcome: Finished["outcome"] = { kind: "answered", done };
  return recordOf(ctx, {
    ...{ ...about, ...NOT_TRIED, outcome, isRecalled: true },
    ...{ cacheKey: asked.cacheKey, flags: asked.flags },
  });
}

function sampleAt(
  ctx: SampleContext,
  ordinal: number,
): Pick<Finished, "ordinal" | "item" | "repetition" | "generation" | "scheduledNs"> {
  const scheduledNs = ctx.clock.nowNs();
  const item = ctx.items[ordinal % ctx.items.length];
  if (item === undefined) throw new RangeError(`job ${ctx.job.id} has no items`);
  const repetition = Math.floor(ordinal / ctx.items.length);
  return { ordinal, item, repetition, generation: seeded(ctx.job.generation, repetition), scheduledNs };
}

const NOT_TRIED = { cacheKey: "", tries: [], times: undefined, flags: [] };
const CANCELLED: Finished["outcome"] = {
  ...{ kind: "failed", status: "cancelled", class: "cancelled" },
  message: "the attempt was stopped",
};

/** Nobody is asked about an answer that never came. */
const NO_ANSWER: Finished["outcome"] = {
  ...{ kind: "failed", status: "cancelled", class: "no_answer" },
  message: "there is no answer to be judged",
};

/** The seed of repetition r is seed + r, so that repetitions differ and each can be repeated. */
export const seeded = (generation: GenerationSettings, repetition: number): GenerationSettings =>
  generation.seed === undefined ? generation : { ...generation, seed: generation.seed + repetition };

type Asked =
  | { ok: true; request: InferenceRequest; cacheKey: string; flags: string[] }
  | { ok: false; outcome: Finished["outcome"] };

/** What is asked for an item, with its pictures; or why it cannot be asked. */
export async function requestOf(
  ctx: SampleContext,
  item: Item,
  ordinal: number,
  repetition: number,
  generation: GenerationSettings,
): Promise<Asked> {
  const { job, prepared } = ctx;
  const answer = ctx.judged?.get(ordinal);
  if (job.judge && answer === undefined) return { ok: false, outcome: NO_ANSWER };
  const shown = answer === undefined ? item : judgedItem(item, answer);
  const media = await loadMedia(shown.media, generation.maxImageSize, ctx.readBlob, ctx.sha256);
  if (!media.ok) return { ok: false, outcome: engineError(media.class, media.message) };
  let messages: RenderedMessages;
  try {
    messages = renderMessages(job.prompt, shown);
  } catch (error) {
    return {
      ok: false,
      outcome: engineError("template_error", `prompt ${job.prompt.id}: ${errorText(error)}`),
    };
  }
  const target = item.target ?? (item.truth === undefined ? undefined : canonicalJson(item.truth));
  return {
    ok: true,
    request: {
      ...messages,
      images: media.images.map(({ name, mime, bytes }) => ({ name, mime, bytes })),
      ...{ generation, options: job.engineOptions, ordinal, repetition },
      ...(target === undefined ? {} : { target }),
    },
    cacheKey: cacheKey(
      {
        ...messages,
        mediaSha256: media.images.map((image) => image.sha256),
        modelDigest: sureModel(job.model, prepared.identity) ?? job.model.model,
        model: job.model,
        engine: job.model.engine,
        engineVersion: prepared.identity.version,
        engineArgs: prepared.identity.args,
        options: job.engineOptions,
        deviceClass: ctx.node.device_class,
        generation,
        ...(generation.seed === undefined ? {} : { seed: generation.seed }),
        repetition,
        ...(job.model.engine === "simulated" && { simulated: { ordinal, target: target ?? null } }),
      },
      ctx.sha256,
    ),
    flags: media.images.some((image) => image.scaled) ? ["images_scaled"] : [],
  };
}

const engineError = (className: string, message: string): Finished["outcome"] => ({
  ...{ kind: "failed", status: "engine_error" },
  ...{ class: className, message },
});

/** Tries until there is an answer, a failure that stays, or no try left. */
async function tried(
  ctx: SampleContext,
  request: InferenceRequest,
  signal: AbortSignal,
): Promise<Pick<Finished, "tries" | "times" | "outcome">> {
  const { maxRetries, retryDelayS } = request.generation;
  const tries: Finished["tries"] = [];
  let times: TryTimes | undefined;
  for (let retry = 0; ; retry++) {
    try {
      await ctx.pace(signal);
    } catch {
      return { tries, times, outcome: CANCELLED };
    }
    const ran = await tryInTurn(ctx, request, signal);
    times = ran.times ?? times;
    const { outcome } = ran;
    if (ran.times) tries.push({ t_ns: ran.times.sent ?? ran.times.start, status: wordFor(outcome) });
    if (outcome.kind === "answered") return { tries, times, outcome };
    if (outcome.kind === "cancelled") return { tries, times, outcome: CANCELLED };
    if (!outcome.transient || retry >= maxRetries) {
      const after = retry === 0 ? "" : ` (try ${retry + 1} of ${maxRetries + 1})`;
      return { tries, times, outcome: { ...outcome, message: outcome.message + after } };
    }
    try {
      await ctx.clock.sleep(pauseMs(retry, retryDelayS, outcome.retryAfterMs, ctx.random), signal);
    } catch {
      return { tries, times, outcome: CANCELLED };
    }
  }
}

/** A try, once the engine lets it in; without times when it does not. */
async function tryInTurn(
  ctx: SampleContext,
  request: InferenceRequest,
  signal: AbortSignal,
): Promise<{ outcome: TryOutcome; times: TryTimes | undefined }> {
  const { prepared, clock } = ctx;
  let turn: Turn | undefined;
  try {
    turn = await ctx.waiting(async () => prepared.admit?.(request, signal));
  } catch (error) {
    if (signal.aborted) return { outcome: { kind: "cancelled" }, times: undefined };
    return { outcome: failureOf(error), times: undefined };
  }
  let ran: Awaited<ReturnType<typeof trySample>> | undefined;
  try {
    ran = await trySample(prepared, request, clock, signal);
    return ran;
  } finally {
    turn?.end(turnEnd(ran));
  }
}

/** Of an engine that died in the middle (no `ran`) nobody knows what it sent. */
function turnEnd(ran: { outcome: TryOutcome; times: TryTimes } | undefined): TurnEnd {
  if (ran === undefined) return { sent: true };
  const { outcome, times } = ran;
  return {
    sent: times.sent !== undefined,
    begun: times.firstByte !== undefined,
    ...(outcome.kind === "answered" && { done: outcome.done }),
    ...(outcome.kind === "failed" && { failure: outcome.class }),
    ...(outcome.kind === "failed" &&
      outcome.retryAfterMs !== undefined && { retryAfterMs: outcome.retryAfterMs }),
  };
}

const wordFor = (outcome: TryOutcome): string =>
  outcome.kind === "answered" ? "ok" : outcome.kind === "failed" ? outcome.class : "cancelled";

/** Full jitter: uniform below a ceiling that doubles with every retry; never less than the server asked for. */
function pauseMs(retry: number, delayS: number, retryAfterMs: number | undefined, random: Random): number {
  const jittered = random.next() * delayS * 1000 * 2 ** retry;
  return Math.min(LONGEST_PAUSE_MS, Math.max(jittered, retryAfterMs ?? 0));
}
