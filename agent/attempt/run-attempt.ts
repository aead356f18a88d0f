/**
 * One attempt, top to bottom: fetch what it needs by hash, load the model, warm up, run and journal each sample, put the
 * records together. Storing them is the spool's business, with the device free for the next attempt.
 *
 * 1. Whatever goes wrong with a sample is a record; only what goes wrong with the attempt itself (inputs, damaged
 *    blobs, model, disk, deadline, the death of the engine's process) makes it fail, with a class that decides about
 *    retries.
 * 2. An artifact store that is away when inputs are fetched is waited for until the deadline. What is complete has no
 *    deadline any more.
 * 3. An attempt that goes on from its journal keeps the records it finds there and runs only what is missing.
 * 4. A model that was just loaded is warmed up with samples of the attempt's own that are no suspects, begun in the
 *    journal like any other: what they kill is charged to them. Other shards' samples may be suspects or poison, which
 *    nobody has told this agent. The last are taken, so that others run before they are measured.
 * 5. Waiting for other attempts (`max_concurrent_requests`, suspects and loads, which run alone), or for a turn at a server
 *    with limits, does not count towards the deadline.
 * 6. What the response cache answers is taken from it before anything is measured, so that the lookups are in no time and
 *    no energy of a sample; only what is left warms up and runs. What was answered goes there when the device is free.
 * 7. A window of a load is one sample here: alone on this agent, whole in the journal or not at all.
 */
import type { ArtifactStore } from "../../shared/artifacts/store.js";
import { LONGEST_PAUSE_MS } from "../../shared/benchmark/deadline.js";
import type { Item } from "../../shared/benchmark/item.js";
import { type JobSpec, ordinalAt } from "../../shared/benchmark/plan.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { fenceText } from "../../shared/domain/fence.js";
import { backoffMs } from "../../shared/runtime/backoff.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Random } from "../../shared/runtime/random.js";
import { EngineError, type EnginePlace } from "../engines/engine.js";
import type { LoadGenerators } from "../load/generators.js";
import { type Assignment, attemptText, type ShardFailure, type Spent } from "./assignment.js";
import { AttemptMeter, type GpuMeters } from "./attempt-meter.js";
import { Deadline } from "./deadline.js";
import type { Inputs } from "./inputs.js";
import type { Intake } from "./intake.js";
import { Journal, type JournalParts, removeJournal } from "./journal.js";
import { readJournal } from "./journals.js";
import type { Borrowed, LoadedModels } from "./loaded-models.js";
import { costOf, recordsFile, type WrittenRecord, written, writtenWindow } from "./records-file.js";
import type { RequestSlots } from "./request-slots.js";
import type { ResponseCache } from "./response-cache.js";
import { AgentStops, type AttemptOutcome, type RunAttempt, type RunDevice, type RunHooks } from "./run.js";
import { recallSample, runSample } from "./run-sample.js";
import { runWindow } from "./run-window.js";
import { type SampleContext, type SampleParts, sampleContext } from "./sample-context.js";
import type { SampleGate } from "./sample-gate.js";
import { whenAvailable } from "./store-patience.js";

export interface AttemptParts {
  nodeId: string;
  inputs: Inputs;
  artifacts: ArtifactStore;
  models: LoadedModels;
  slots: RequestSlots;
  gate: SampleGate;
  /** Absent where the operator wants none. */
  cache?: ResponseCache;
  /** Absent where no load is generated. */
  load?: LoadGenerators;
  /** Absent where nobody looks at GPUs. */
  telemetry?: GpuMeters;
  journals: JournalParts;
  /** Hears of a full disk. */
  intake: Pick<Intake, "trouble">;
  clock: Clock;
  random: Random;
  log: Logger;
}

const LOOKUPS_AT_ONCE = 8;

/** The work of one attempt, while it runs. */
interface Work {
  assignment: Assignment;
  journal: Journal;
  /** By ordinal. */
  records: Map<number, WrittenRecord>;
  /** Begun and without a record. */
  inFlight: Set<number>;
  /** Of samples that ran, for the response cache. */
  answers: SampleContext["answers"];
  suspects: ReadonlySet<number>;
  hooks: RunHooks;
  meter: AttemptMeter;
  log: Logger;
  deadline: Deadline;
  signal: AbortSignal;
}

export const attemptRunner =
  (parts: AttemptParts): RunAttempt =>
  async (assignment, device, hooks, signal, resumes) => {
    const log = parts.log.child({ attempt: attemptText(assignment) });
    // One controller for both ends: AbortSignal.any costs as much as a fifth of a sample.
    const end = new AbortController();
    const onAbort = () => end.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    const deadline = new Deadline(parts.clock, assignment.deadlineMs, () => {
      const message = `the attempt took longer than ${assignment.deadlineMs} ms`;
      end.abort(new SaiError("deadline_exceeded", message));
    });
    const startMs = parts.clock.nowMs();
    const spent = (): Spent => spentOn(device, parts.clock.nowMs() - startMs, work);
    const meter = new AttemptMeter(parts.telemetry?.lease(device.place));
    let work: Work | undefined;
    try {
      work = await begin(parts, assignment, resumes, { hooks, meter, log, deadline, signal: end.signal });
      if (work.records.size < assignment.shard.count) await runSamples(parts, work, device);
      deadline.cancel();
      meter.close();
      const took = spent();
      // Only storing is left: the next attempt may have the device meanwhile.
      hooks.released();
      await parts.cache?.keep(work.answers.splice(0));
      await work.journal.flush();
      await work.journal.close();
      const { result, bytes } = recordsFile(assignment, [...work.records.values()], took.gpuSeconds);
      return result.uri === "" ? { kind: "result", result } : { kind: "complete", result, bytes };
    } catch (error) {
      if (signal.aborted) return await stopped(work, signal.reason);
      const why = end.signal.aborted ? end.signal.reason : error;
      const failure = { ...failureOf(assignment, why, work), spent: spent() };
      log.warn({ class: failure.class, err: error }, "attempt failed");
      await noteFailure(parts, work, failure, error);
      return { kind: "failed", failure };
    } finally {
      // What was answered before it failed.
      void parts.cache?.keep(work?.answers ?? []);
      meter.close();
      deadline.cancel();
      signal.removeEventListener("abort", onAbort);
    }
  };

/** What an attempt took that has its device for so long. */
function spentOn({ place, gpuShare = 1 }: RunDevice, heldMs: number, work: Work | undefined): Spent {
  return {
    usd: costOf(work?.records.values() ?? []),
    gpuSeconds: (heldMs / 1000) * place.gpus.length * gpuShare,
  };
}

async function begin(
  { journals }: AttemptParts,
  assignment: Assignment,
  resumes: boolean,
  more: Pick<Work, "hooks" | "meter" | "log" | "deadline" | "signal">,
): Promise<Work> {
  const { fence } = assignment;
  const found = resumes ? await readJournal(journals.disk, journals.dir, fence) : undefined;
  const journal = found ? await Journal.resume(journals, fence) : await Journal.create(journals, assignment);
  const records = new Map(found?.records.map((record) => [record.ordinal, record]));
  const deaths = found?.deaths.map(({ ordinal }) => ordinal) ?? [];
  const suspects = new Set([...assignment.suspects, ...deaths]);
  if (found) {
    more.log.info(
      { records: records.size, suspects: [...suspects] },
      "an attempt goes on where this agent's end cut it short",
    );
  }
  return { assignment, journal, records, inFlight: new Set(), answers: [], suspects, ...more };
}

/** Suspects first and alone, then what else has no record yet. */
async function runSamples(parts: AttemptParts, work: Work, device: RunDevice): Promise<void> {
  const { assignment, records, suspects, signal, hooks } = work;
  const { shard, planSha256 } = assignment;
  const fetched = <T>(ask: () => Promise<T>) => whenAvailable({ ...parts, log: work.log }, signal, ask);
  const job = await fetched(() => parts.inputs.job(planSha256, shard.job));
  const items = await fetched(() => parts.inputs.items(job));
  const judged = job.judge
    ? await fetched(() => parts.inputs.answers(shard.campaign, job, ordinalsOf(job, shard)))
    : undefined;
  const model = await borrowPatiently(parts, job, device.place, signal);
  try {
    const readBlob = (hash: string) => fetched(() => parts.inputs.blob(hash));
    const waiting = <T>(what: () => Promise<T>) => work.deadline.standingStill(what); // invariant 5
    const ctx = contextOf(parts, assignment, job, items, model, device, {
      ...{ readBlob, waiting },
      ...(judged && { judged }),
    });
    work.answers = ctx.answers;
    const isMissing = (ordinal: number) => !records.has(ordinal);
    await recall(ctx, work, ordinalsOf(job, shard).filter(isMissing));
    const missing = ordinalsOf(job, shard).filter(isMissing);
    const usual = missing.filter((ordinal) => !suspects.has(ordinal));
    // A load generator warms up itself.
    if (model.fresh && job.load === undefined) await warmUp(parts, ctx, work, usual);
    if (missing.length > 0) work.meter.begin(missing.length, model.fresh ? model.prepared.loadNs : 0);
    hooks.started();
    hooks.progressed(records.size);
    for (const ordinal of missing) if (suspects.has(ordinal)) await runOne(parts, ctx, work, ordinal);
    for (const ordinal of usual) await runOne(parts, ctx, work, ordinal);
  } finally {
    model.giveBack();
  }
}

/** Takes from the response cache what it has of the samples (invariant 6). */
async function recall(ctx: SampleContext, work: Work, ordinals: readonly number[]): Promise<void> {
  const { cache } = ctx;
  if (cache === undefined) return;
  const { journal, records, signal, deadline } = work;
  const left = [...ordinals];
  const look = async () => {
    for (let ordinal = left.shift(); ordinal !== undefined; ordinal = left.shift()) {
      signal.throwIfAborted();
      const found = await recallSample(ctx, cache, ordinal);
      if (found === undefined) continue;
      const record = written(found);
      journal.record(record);
      records.set(ordinal, record);
    }
  };
  await deadline.standingStill(() => Promise.all(Array.from({ length: LOOKUPS_AT_ONCE }, look)));
}

async function runOne(parts: AttemptParts, ctx: SampleContext, work: Work, ordinal: number): Promise<void> {
  const { journal, records } = work;
  const took = (record: WrittenRecord) => {
    journal.record(record);
    records.set(ordinal, record);
  };
  if (ctx.job.load) await runLoad(parts, ctx, work, ordinal, took);
  else await ranOnce(parts, ctx, work, ordinal, (ran) => took(written(work.meter.took(ran))));
  work.hooks.progressed(records.size);
}

/** One window of a load, while nothing else runs on this agent: it would be measured, too. */
async function runLoad(
  parts: AttemptParts,
  ctx: SampleContext,
  work: Work,
  ordinal: number,
  took: (window: WrittenRecord) => void,
): Promise<void> {
  const { signal, meter } = work;
  const { load } = parts;
  if (load === undefined) throw new SaiError("failed_precondition", "this agent generates no load");
  await letIn(parts, work, ordinal, true, async () => {
    const { status, records } = await runWindow(ctx, load, ordinal, signal);
    signal.throwIfAborted();
    took(writtenWindow(ordinal, status, meter.tookWindow(records)));
  });
}

/** Runs a sample once it is let in, with its begin in the journal; `ended` notes there what came of it. */
async function ranOnce(
  parts: AttemptParts,
  ctx: SampleContext,
  work: Work,
  ordinal: number,
  ended: (ran: ResultRecord) => void,
): Promise<void> {
  const { signal, suspects, assignment, deadline, meter } = work;
  const { campaign, job } = assignment.shard;
  const limit = ctx.job.generation.maxConcurrentRequests;
  signal.throwIfAborted();
  const run = () =>
    letIn(parts, work, ordinal, suspects.has(ordinal), async () => {
      const measured = meter.sample();
      const ran = measured(await runSample(ctx, ordinal, signal));
      signal.throwIfAborted();
      ended(ran);
    });
  if (limit === undefined) return run();
  deadline.pause(); // invariant 5
  await parts.slots.with(`${campaign}/${job}`, limit, signal, () => {
    deadline.goOn();
    return run();
  });
}

/** Only what is let in begins: a sample that waits behind a suspect has nothing to do with its death. */
async function letIn(
  { gate }: AttemptParts,
  { journal, inFlight, signal, deadline }: Work,
  ordinal: number,
  alone: boolean,
  run: () => Promise<void>,
): Promise<void> {
  deadline.pause(); // invariant 5
  await gate.with(alone, signal, async () => {
    deadline.goOn();
    await journal.begin(ordinal);
    inFlight.add(ordinal);
    await run();
    inFlight.delete(ordinal);
  });
}

const ordinalsOf = (job: JobSpec, { first, count }: Assignment["shard"]): number[] =>
  Array.from({ length: count }, (_, i) => ordinalAt(job, first + i));

/** Loading may meet a server that is starting or busy: transient failures are tried again like a sample's. */
async function borrowPatiently(
  parts: AttemptParts,
  job: JobSpec,
  place: EnginePlace,
  signal: AbortSignal,
): Promise<Borrowed> {
  const { maxRetries, retryDelayS } = job.generation;
  for (let failures = 0; ; failures += 1) {
    try {
      return await parts.models.borrow(job, place, signal);
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind !== "transient" || failures >= maxRetries)
        throw error;
      const limits = { baseMs: retryDelayS * 1000, capMs: LONGEST_PAUSE_MS };
      const waitMs = Math.max(backoffMs(failures, limits, parts.random), error.retryAfterMs ?? 0);
      await parts.clock.sleep(Math.min(LONGEST_PAUSE_MS, waitMs), signal);
    }
  }
}

function contextOf(
  parts: AttemptParts,
  { shard, fence }: Assignment,
  job: JobSpec,
  items: Item[],
  { prepared }: Borrowed,
  { deviceClass, place, gpuShare }: RunDevice,
  hooks: Pick<SampleParts, "readBlob" | "waiting" | "judged">,
): SampleContext {
  return sampleContext({
    campaign: shard.campaign,
    job,
    items,
    prepared,
    shard: shard.index,
    attempt: fenceText(fence),
    node: {
      ...{ id: parts.nodeId, device_class: deviceClass, gpu_uuids: [...place.gpus] },
      ...(gpuShare === undefined ? {} : { gpu_share: gpuShare }),
    },
    clock: parts.clock,
    random: parts.random,
    sha256,
    ...(parts.cache && { cache: parts.cache }),
    ...hooks,
  });
}

/** Runs some of `usual`, from its end, and throws away what comes of it (invariant 4); none where all are suspects. */
async function warmUp(
  parts: AttemptParts,
  ctx: SampleContext,
  work: Work,
  usual: readonly number[],
): Promise<void> {
  for (let i = 0; i < ctx.job.warmup; i += 1) {
    const ordinal = usual.at(-1 - (i % usual.length));
    if (ordinal === undefined) return;
    await ranOnce(parts, { ...ctx, cache: undefined }, work, ordinal, () => work.journal.warmed(ordinal));
  }
}

/** Whoever cancelled removes the journal; an agent that stops leaves it to its next start. */
async function stopped(work: Work | undefined, reason: unknown): Promise<AttemptOutcome> {
  if (reason instanceof AgentStops) await work?.journal.paused().catch(() => {});
  await work?.journal.close();
  return { kind: "cancelled" };
}

/** A failure that is on the disk is told even if this agent dies now; on a full one only its removal helps. */
async function noteFailure(
  { intake, journals }: AttemptParts,
  work: Work | undefined,
  failure: ShardFailure,
  error: unknown,
): Promise<void> {
  intake.trouble(error);
  try {
    await work?.journal.failed(failure);
    await work?.journal.close();
  } catch (noted) {
    intake.trouble(noted);
    await work?.journal.close();
    await removeJournal(journals, failure.fence).catch(() => {});
  }
}

function failureOf({ fence, shard }: Assignment, error: unknown, work: Work | undefined): ShardFailure {
  const about = { fence, shard, message: errorText(error), items: [] };
  if (!(error instanceof EngineError)) {
    return { ...about, class: "infra", cause: error instanceof SaiError ? error.code : "" };
  }
  const { kind, class: cause } = error;
  // A server that was gone before it was asked says nothing of who asks.
  const isOfSamples = kind === "death" && cause !== "server_gone";
  if (isOfSamples && work !== undefined && work.inFlight.size > 0) {
    return { ...about, class: "poison", cause, items: [...work.inFlight].sort((a, b) => a - b) };
  }
  const retry = kind === "oom" ? "resource" : cause === "bad_option" ? "config" : "infra";
  return { ...about, class: retry, cause };
}
