/**
 * One window of a load: from the job's items to the records of its requests. The requests are sent by a process of its own
 * (agent/load); here they are put together beforehand and made into records afterwards.
 *
 * 1. Every request that was scheduled has a record: what was not answered is a failure, what had not ended is
 *    `timeout: unfinished`.
 * 2. An item that cannot be asked fails the attempt: a window without some of its requests is another load.
 */
import { ARRIVAL_COLUMN, arrivals } from "../../shared/benchmark/load/arrivals.js";
import { type LoadSpec, levelText, MOST_REQUESTS, ordinalOf } from "../../shared/benchmark/load/load-spec.js";
import { OUTPUT_COLUMN } from "../../shared/benchmark/load/synthetic.js";
import type { LoadWindow, ResultRecord, Status } from "../../shared/benchmark/record.js";
import { rfc3339 } from "../../shared/runtime/clock.js";
import { type ChatAddress, EngineError } from "../engines/engine.js";
import type { LoadGenerators, WindowReport } from "../load/generators.js";
import {
  type BodyParts,
  GENERATOR_PROTOCOL,
  type GeneratorPlan,
  type RequestSeen,
} from "../load/messages.js";
import { requestOf, seeded } from "./run-sample.js";
import type { SampleContext } from "./sample-context.js";
import { recordOf } from "./sample-record.js";
import { answerOf, failureText } from "./window-answer.js";

/** Most bytes of all bodies together: they are handed over in one piece. */
const MOST_BODY_BYTES = 256 * 1024 * 1024;
/** A character that no JSON text holds unescaped, at the place where words of its own may stand. */
const PLACE = "\u0001";
const ESCAPED_PLACE = JSON.stringify(PLACE).slice(1, -1);

export interface RanWindow {
  status: Status;
  records: ResultRecord[];
}

/** Window `window` of the job. Throws EngineError, SaiError, or the signal's reason. */
export async function runWindow(
  ctx: SampleContext,
  generators: LoadGenerators,
  window: number,
  signal: AbortSignal,
): Promise<RanWindow> {
  const { job, prepared } = ctx;
  const load = { ...(job.load ?? noLoad(ctx)) };
  const target = prepared.load;
  if (target === undefined) {
    const message = `engine ${job.model.engine}: there is no server with the OpenAI API to put under load`;
    throw new EngineError("engine", "bad_option", `${message}; use openai, vllm or sglang`);
  }
  if (target.refused !== undefined) throw new EngineError("engine", "bad_option", target.refused);
  const { most = Number.POSITIVE_INFINITY } = target;
  if (load.kind === "concurrency" && load.value > most) {
    const message = `${load.value} requests at once are more than the ${most} of max_concurrent_requests in this agent's configuration`;
    throw new EngineError("engine", "bad_option", message);
  }
  load.maxInflight = Math.min(load.maxInflight, most);
  const name = `load generator of ${ctx.campaign}/${job.id}, ${levelText(load)}`;
  const report = await target.use(signal, async (at, its) => {
    const plan = await planOf(ctx, load, window, at);
    return generators.run(plan, name, its, () => {});
  });
  const records = recordsOf(ctx, window, report);
  return { status: statusOf(records), records };
}

function noLoad({ job }: SampleContext): never {
  throw new RangeError(`job ${job.id} is no load`);
}

async function planOf(
  ctx: SampleContext,
  load: LoadSpec,
  window: number,
  at: ChatAddress,
): Promise<GeneratorPlan> {
  const { job, items } = ctx;
  const trace = items.map(({ vars }) => Number(vars?.[ARRIVAL_COLUMN]));
  const atMs = arrivals(load, window, load.kind === "trace" ? trace : []);
  const open = load.kind !== "concurrency";
  const used = open ? Math.min(items.length, atMs.length) : items.length;
  return {
    v: GENERATOR_PROTOCOL,
    ...{ url: at.url, headers: at.headers },
    bodies: await bodiesOf(ctx, window, at, used),
    ...(load.bustsCache && { bust: ctx.random.id(8) }),
    warmup: job.warmup,
    flow: open
      ? { kind: "open", atMs, maxInflight: load.maxInflight }
      : { kind: "closed", atOnce: load.value },
    ...{ durationMs: load.durationMs, drainMs: load.drainMs, timeoutMs: job.generation.timeoutS * 1000 },
    maxRequests: MOST_REQUESTS,
  };
}

async function bodiesOf(
  ctx: SampleContext,
  window: number,
  at: ChatAddress,
  used: number,
): Promise<BodyParts[]> {
  const { job, items } = ctx;
  const generation = seeded(job.generation, window);
  const bodies: BodyParts[] = [];
  let bytes = 0;
  for (const item of items.slice(0, Math.max(1, used))) {
    const asked = await requestOf(ctx, item, ordinalOf(window, bodies.length), window, generation);
    if (!asked.ok) {
      const why = asked.outcome.kind === "failed" ? asked.outcome.message : "";
      throw new EngineError("engine", "bad_option", `item ${item.id} cannot be asked: ${why}`);
    }
    const { request } = asked;
    const own =
      request.system === undefined ? { user: PLACE + request.user } : { system: PLACE + request.system };
    const text = JSON.stringify(at.body({ ...request, ...own }, outputTokensOf(item.vars?.[OUTPUT_COLUMN])));
    const place = text.indexOf(ESCAPED_PLACE);
    bodies.push({ head: text.slice(0, place), tail: text.slice(place + ESCAPED_PLACE.length) });
    bytes += text.length;
    if (bytes <= MOST_BODY_BYTES) continue;
    const message = `the requests of ${items.length} items are over ${MOST_BODY_BYTES} bytes together; take fewer items (sample), or smaller pictures (max_image_size)`;
    throw new EngineError("engine", "bad_option", message);
  }
  return bodies;
}

const outputTokensOf = (value: unknown): number | undefined => {
  const n = Number(value);
  return value !== undefined && Number.isSafeInteger(n) && n > 0 ? n : undefined;
};

function recordsOf(ctx: SampleContext, window: number, report: WindowReport): ResultRecord[] {
  const records = report.requests.map((seen) => recordOfRequest(ctx, window, seen));
  const [first, ...rest] = records;
  if (first === undefined) throw new EngineError("engine", "no_requests", "no request was due in the window");
  const about: LoadWindow = {
    began_at: rfc3339(report.beganWallMs),
    ...{ ms: report.ms, drained_ms: report.drainedMs, requests: records.length },
    ...{ peak_inflight: report.peakInflight, loop_lag_p99_ms: report.loopLagP99Ms },
  };
  return [{ ...first, load_window: about }, ...rest];
}

function recordOfRequest(ctx: SampleContext, window: number, seen: RequestSeen): ResultRecord {
  const itemIndex = seen.n % ctx.items.length;
  const item = ctx.items[itemIndex];
  if (item === undefined) throw new RangeError(`job ${ctx.job.id} has no items`);
  const { failure } = seen;
  const outcome =
    failure === undefined
      ? ({ kind: "answered", done: answerOf(seen, ctx.job.model.model) } as const)
      : ({ kind: "failed", ...failureText(failure, ctx.job) } as const);
  const { sentNs, endNs } = seen;
  const times = {
    ...{ start: sentNs ?? seen.scheduledNs, end: endNs, chunks: seen.chunks },
    ...(sentNs !== undefined && { sent: sentNs }),
    ...(seen.firstByteNs !== undefined && { firstByte: seen.firstByteNs }),
    ...(seen.firstTokenNs !== undefined && { firstToken: seen.firstTokenNs }),
    ...(seen.firstOutputNs !== undefined && { firstOutput: seen.firstOutputNs }),
    ...(seen.lastTokenNs !== undefined && { lastToken: seen.lastTokenNs }),
  };
  return recordOf(ctx, {
    ...{ ordinal: ordinalOf(window, seen.n), itemIndex, item, repetition: window },
    generation: seeded(ctx.job.generation, window),
    cacheKey: "",
    ...{ scheduledNs: seen.scheduledNs, times, outcome, flags: [] },
    tries:
      sentNs === undefined
        ? []
        : [{ t_ns: sentNs, status: outcome.kind === "answered" ? "ok" : outcome.class }],
  });
}

/** What the coordinator counts the window as: a failure when nothing at all was answered. */
function statusOf(records: readonly ResultRecord[]): Status {
  const answered = records.find(({ status }) => status === "ok" || status === "refused");
  return answered === undefined ? (records[0]?.status ?? "engine_error") : "ok";
}
