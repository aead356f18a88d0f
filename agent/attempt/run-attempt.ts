/**
 * One attempt, top to bottom: fetch what it needs by hash, load the model, warm up, run and journal each sample, store
 * the records, and say where they are.
 *
 * 1. Whatever goes wrong with a sample is a record; only what goes wrong with the attempt itself (inputs, damaged
 *    blobs, model, disk, deadline) makes it fail, with a class that decides about retries.
 * 2. An artifact store that is away is waited for until the deadline, wherever it is needed. An attempt whose time runs
 *    out over that fails, finished samples included, and its shard is run anew.
 */
import { type ArtifactStore, recordsKey } from "../../shared/artifacts/store.js";
import type { Item } from "../../shared/benchmark/item.js";
import { type JobSpec, ordinalAt } from "../../shared/benchmark/plan.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { fenceText } from "../../shared/domain/fence.js";
import { backoffMs } from "../../shared/runtime/backoff.js";
import type { Clock } from "../../shared/runtime/clock.js";
import type { Disk } from "../../shared/runtime/disk.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Random } from "../../shared/runtime/random.js";
import { EngineError } from "../engines/engine.js";
import type { Assignment, ShardFailure, ShardResult } from "./assignment.js";
import { attemptText } from "./assignment.js";
import type { RunAttempt } from "./attempts.js";
import type { Inputs } from "./inputs.js";
import { Journal } from "./journal.js";
import type { Borrowed, LoadedModels } from "./loaded-models.js";
import type { RequestSlots } from "./request-slots.js";
import { runSample } from "./run-sample.js";
import { type SampleContext, sampleContext } from "./sample-context.js";
import { whenAvailable } from "./store-patience.js";

export interface AttemptParts {
  nodeId: string;
  inputs: Inputs;
  artifacts: ArtifactStore;
  models: LoadedModels;
  slots: RequestSlots;
  disk: Disk;
  journalDir: string;
  journalSync: { ms: number; records: number };
  clock: Clock;
  random: Random;
  log: Logger;
}

const INLINE_BYTES = 1024;

export const attemptRunner =
  (parts: AttemptParts): RunAttempt =>
  async (assignment, device, hooks, signal) => {
    const log = parts.log.child({ attempt: attemptText(assignment) });
    const deadline = new AbortController();
    const cancelDeadline = parts.clock.after(assignment.deadlineMs, () =>
      deadline.abort(
        new SaiError("deadline_exceeded", `the attempt took longer than ${assignment.deadlineMs} ms`),
      ),
    );
    const both = AbortSignal.any([signal, deadline.signal]);
    let journal: Journal | undefined;
    try {
      const { disk, journalDir, journalSync, clock } = parts;
      journal = await Journal.create(disk, journalDir, assignment, clock, journalSync);
      const fetched = <T>(ask: () => Promise<T>) => whenAvailable({ ...parts, log }, both, ask);
      const job = await fetched(() => parts.inputs.job(assignment.planSha256, assignment.shard.job));
      const items = await fetched(() => parts.inputs.items(job));
      const model = await borrowPatiently(parts, job, both);
      let records: ResultRecord[];
      try {
        const readBlob = (hash: string) => fetched(() => parts.inputs.blob(hash));
        const ctx = contextOf(parts, assignment, job, items, model, device.lane, readBlob);
        await warmUp(ctx, model, assignment, both);
        hooks.started();
        records = await runSamples(parts, ctx, assignment, journal, hooks.progressed, both);
      } finally {
        model.giveBack();
      }
      // Only storing is left: the next attempt may have the device meanwhile.
      hooks.released();
      await journal.flush();
      const { result, bytes } = resultOf(assignment, records);
      if (result.uri !== "") await fetched(() => parts.artifacts.put(result.uri, bytes));
      await journal.uploaded(result);
      await journal.close();
      return { kind: "result", result };
    } catch (error) {
      await journal?.remove();
      if (signal.aborted) return { kind: "cancelled" };
      const failure = failureOf(assignment, both.aborted ? both.reason : error);
      log.warn({ class: failure.class, err: error }, "attempt failed");
      return { kind: "failed", failure };
    } finally {
      cancelDeadline();
    }
  };

/** Loading may meet a server that is starting or busy: transient failures are tried again like a sample's. */
async function borrowPatiently(parts: AttemptParts, job: JobSpec, signal: AbortSignal): Promise<Borrowed> {
  const { maxRetries, retryDelayS } = job.generation;
  for (let failures = 0; ; failures += 1) {
    try {
      return await parts.models.borrow(job, signal);
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind !== "transient" || failures >= maxRetries)
        throw error;
      const waitMs = backoffMs(failures, { baseMs: retryDelayS * 1000, capMs: 60_000 }, parts.random);
      await parts.clock.sleep(Math.max(waitMs, error.retryAfterMs ?? 0), signal);
    }
  }
}

function contextOf(
  parts: AttemptParts,
  { shard, fence }: Assignment,
  job: JobSpec,
  items: Item[],
  { prepared }: Borrowed,
  deviceClass: string,
  readBlob: SampleContext["readBlob"],
): SampleContext {
  return sampleContext({
    campaign: shard.campaign,
    job,
    items,
    prepared,
    shard: shard.index,
    attempt: fenceText(fence),
    node: { id: parts.nodeId, device_class: deviceClass, gpu_uuids: [] },
    clock: parts.clock,
    random: parts.random,
    sha256,
    readBlob,
  });
}

/** Warm-up samples are taken from outside the shard where there are others, and thrown away. */
async function warmUp(
  ctx: SampleContext,
  model: Borrowed,
  { shard }: Assignment,
  signal: AbortSignal,
): Promise<void> {
  if (!model.fresh) return;
  for (let i = 0; i < ctx.job.warmup; i += 1) {
    signal.throwIfAborted();
    const position = (shard.first + shard.count + i) % ctx.job.samples;
    await runSample(ctx, ordinalAt(ctx.job, position), signal);
  }
}

async function runSamples(
  parts: AttemptParts,
  ctx: SampleContext,
  { shard }: Assignment,
  journal: Journal,
  progressed: (done: number) => void,
  signal: AbortSignal,
): Promise<ResultRecord[]> {
  const records: ResultRecord[] = [];
  const limit = ctx.job.generation.maxConcurrentRequests;
  for (let position = shard.first; position < shard.first + shard.count; position += 1) {
    signal.throwIfAborted();
    const ordinal = ordinalAt(ctx.job, position);
    await journal.begin(ordinal);
    const record = await parts.slots.with(`${shard.campaign}/${shard.job}`, limit, signal, () =>
      runSample(ctx, ordinal, signal),
    );
    signal.throwIfAborted();
    journal.record(record);
    records.push(record);
    progressed(records.length);
  }
  return records;
}

/** What the coordinator is told, and the records file: inline if it is small, else to be stored at the result's uri. */
function resultOf(
  { fence, shard, gate }: Assignment,
  records: ResultRecord[],
): { result: ShardResult; bytes: Buffer } {
  const bytes = Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  const counts: { [status: string]: number } = {};
  for (const { status } of records) counts[status] = (counts[status] ?? 0) + 1;
  const about = { fence, shard, gate, sha256: sha256(bytes), sizeBytes: bytes.byteLength, counts };
  if (bytes.byteLength <= INLINE_BYTES) return { result: { ...about, uri: "", inline: bytes }, bytes };
  const uri = recordsKey(shard.campaign, shard.job, shard.index, fenceText(fence));
  return { result: { ...about, uri, inline: undefined }, bytes };
}

function failureOf({ fence, shard }: Assignment, error: unknown): ShardFailure {
  const message = errorText(error);
  if (!(error instanceof EngineError)) {
    return { fence, shard, class: "infra", cause: error instanceof SaiError ? error.code : "", message };
  }
  const { kind, class: cause } = error;
  const retry = kind === "oom" ? "resource" : cause === "bad_option" ? "config" : "infra";
  return { fence, shard, class: retry, cause, message };
}
