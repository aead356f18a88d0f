/**
 * Everything of an agent that decides something, without gRPC, hardware or a real disk: those are handed in, so that a
 * simulation can own them. An agent takes back what an earlier start left in its journals, holds attempts, grants its
 * devices to them, and keeps a session with a coordinator until it is stopped.
 *
 * 1. Whatever outlives a start is on the disk, below `dir`; an agent whose memory is gone starts again from there.
 * 2. No state is shared between two cores in one process.
 * 3. On a full disk an agent starts all the same and says so, but nothing begins before its start is counted there.
 */
import { join } from "node:path";
import type { ArtifactStore } from "../shared/artifacts/store.js";
import type { EngineKind } from "../shared/benchmark/plan.js";
import type { Fence } from "../shared/domain/fence.js";
import type { BackoffLimits } from "../shared/runtime/backoff.js";
import type { Clock } from "../shared/runtime/clock.js";
import { type Disk, isDiskFull } from "../shared/runtime/disk.js";
import { errorText } from "../shared/runtime/errors.js";
import { sha256 } from "../shared/runtime/hash.js";
import type { Logger } from "../shared/runtime/logger.js";
import type { Random } from "../shared/runtime/random.js";
import { BlobCache } from "./artifacts/blob-cache.js";
import { attemptText } from "./attempt/assignment.js";
import type { GpuMeters } from "./attempt/attempt-meter.js";
import { type AttemptListener, Attempts, type RunAttempt } from "./attempt/attempts.js";
import { Inputs } from "./attempt/inputs.js";
import { Intake } from "./attempt/intake.js";
import { type JournalParts, type JournalSync, removeJournal } from "./attempt/journal.js";
import { readJournals } from "./attempt/journals.js";
import { LoadedModels } from "./attempt/loaded-models.js";
import type { Replayed } from "./attempt/replay.js";
import { RequestSlots } from "./attempt/request-slots.js";
import { ResponseCache } from "./attempt/response-cache.js";
import { attemptRunner } from "./attempt/run-attempt.js";
import { SampleGate } from "./attempt/sample-gate.js";
import { Spool } from "./attempt/spool.js";
import { endsWithin } from "./ends-within.js";
import type { Engine } from "./engines/engine.js";
import type { GpuStates } from "./hardware/nvidia/told-gpus.js";
import { DeviceLedger, type LedgerDevice } from "./leases/device-ledger.js";
import type { GpuLeases } from "./leases/gpu-leases.js";
import { GpuPlaces } from "./leases/gpu-places.js";
import { toldStates } from "./leases/told-leases.js";
import type { LoadGenerators } from "./load/generators.js";
import { Identity } from "./session/identity.js";
import { nextIncarnation } from "./session/incarnation.js";
import type { Dial } from "./session/link.js";
import type { Session, SessionParts } from "./session/session.js";
import { Supervisor } from "./session/supervisor.js";

export interface AgentCoreParts {
  /** Unique in the fleet. */
  id: string;
  /** Of this program; told to the coordinator. */
  version: string;
  disk: Disk;
  /** Folder of this agent alone: identity, incarnation, journals. */
  dir: string;
  artifacts: ArtifactStore;
  dial: Dial;
  /** What runs attempts: engines, or something in their place that needs none. */
  work: { engines: ReadonlyMap<EngineKind, Engine>; load?: LoadGenerators } | { run: RunAttempt };
  /** Slots by lane; the ledger grants them. */
  devices: readonly LedgerDevice[];
  /** As the wire has it, and its hash. */
  inventory: SessionParts["inventory"];
  /** Absent where nobody looks for GPUs. */
  gpus?: {
    /** What they do, as seen last. */
    states(): GpuStates | undefined;
    leases: GpuLeases;
    telemetry?: GpuMeters;
    /** How long a model stays loaded on GPUs that nobody asks for; how long an attempt waits for some; ms. */
    idleMs: number;
    waitMs: number;
  };
  /** How late the event loop was at most since the last question, ms. */
  loopLagMs(): number;
  clock: Clock;
  random: Random;
  log: Logger;
  options: AgentCoreOptions;
}

export interface AgentCoreOptions {
  /** host:port of a coordinator's agent port, or several with commas between them. */
  coordinatorAddress: string;
  reconnect: BackoffLimits;
  journalSync: JournalSync;
  maxLoadedModels: number;
  /** Most bytes of results that wait for the artifact store or their answer; beyond it no work is taken. */
  spoolQuotaBytes: number;
  /** Most bytes of inputs that are kept on the disk for later attempts; absent or 0: none are. */
  cacheBytes?: number;
  /** How long answers in the response cache count, ms; absent: none are taken from it, and none kept. */
  responseTtlMs?: number;
  /** At the stop running attempts get this long, ms. */
  drainTimeoutMs: number;
}

export interface AgentCore {
  readonly incarnation: bigint;
  readonly attempts: Attempts;
  /** The session there is now, if any. */
  session(): Session | undefined;
  /** What the engines could serve has changed. */
  inventoryChanged(): void;
  /**
   * Lets attempts finish within the drain timeout, says goodbye, stops the rest. What does not stop within 3 s more is
   * named in the log and left behind. Results that no one acknowledged stay in the journals.
   */
  stop(): Promise<void>;
}

/** Longest time for each of two things at the stop, after the drain: attempts, then session and models; ms. */
const STOP_MS = 1500;
/** Longest wait for the coordinator's answers to what has finished, at the stop, ms. */
const ANSWERS_MS = 1000;
/** Longest time for the artifact store to take a probe, ms. */
const PROBE_MS = 10_000;

/** Starts an agent's core; it dials by itself. Throws SaiError when its folder cannot be used. */
export async function startAgentCore(parts: AgentCoreParts): Promise<AgentCore> {
  const { id, disk, dir, clock, random, log, options } = parts;
  const { incarnation, note } = await nextIncarnation(disk, dir);
  const full = await note().then(
    () => undefined,
    (error: unknown) => {
      if (!isDiskFull(error)) throw error;
      return error;
    },
  );
  const identity = await Identity.open(disk, dir, id, incarnation);
  const journals: JournalParts = {
    dir: join(dir, "journal"),
    sync: options.journalSync,
    origin: () => ({ cluster: identity.clusterId, incarnation }),
    ...{ disk, clock },
  };
  const ledger = new DeviceLedger(parts.devices);
  const cache = options.cacheBytes
    ? new BlobCache(disk, join(dir, "cache"), options.cacheBytes, log)
    : undefined;
  const intake = new Intake({
    ...{ disk, dir: journals.dir, quotaBytes: options.spoolQuotaBytes, clock, log },
    ...(cache && { makeRoom: () => cache.clear() }),
  });
  if (full !== undefined) intake.trouble(full, note); // invariant 3
  const { run, models } = runnerOf(parts, journals, intake, cache);
  const spool: Spool = new Spool(
    { artifacts: parts.artifacts, journals, clock, random, log },
    {
      stored: (fence) => attempts.stored(fence),
      lost: (fence, reason) => attempts.lost(fence, reason),
    },
  );
  let supervisor: Supervisor | undefined;
  const session = () => supervisor?.session();
  const listener: AttemptListener = {
    started: (fence) => session()?.started(fence),
    progressed: () => session()?.progressed(),
    finished: (result) => session()?.finished(result),
    failed: (failure) => session()?.failed(failure),
    retracted: (fences) => session()?.retracted(fences),
    roomChanged: () => session()?.roomChanged(),
  };
  // Whoever brings its own runner keeps no journals.
  const dropJournal = async (fence: Fence) => {
    if (models) await removeJournal(journals, fence);
  };
  const places =
    parts.gpus && placesOf(parts.gpus, models, { clock, log, random }, () => attempts.gpusChanged());
  const attempts: Attempts = new Attempts({
    ...{ ledger, run, dropJournal, spool, intake, clock, log, listener },
    ...(places && { gpus: places, gpuWaitMs: parts.gpus?.waitMs ?? 0 }),
  });
  intake.changed = () => attempts.intakeChanged();
  for (const found of await readJournals(disk, journals.dir, identity.clusterId, log)) {
    sayFound(found, log);
    attempts.restore(found);
  }

  supervisor = new Supervisor({
    dial: parts.dial,
    addresses: options.coordinatorAddress.split(","),
    backoff: options.reconnect,
    session: {
      ...{ identity, attempts, clock, random, log, version: parts.version },
      inventory: parts.inventory,
      lanes: () => attempts.lanes(),
      notOffering: () => intake.reason(),
      trouble: (error) => intake.trouble(error),
      loadedModels: () => models?.names() ?? [],
      takeLoads: () => models?.takeLoads() ?? [],
      loopLagMs: parts.loopLagMs,
      ...gpuNewsOf(parts.gpus, places, attempts),
      probe: probes(parts),
    },
    ...{ clock, random, log },
  });
  const inTime = (what: string, ended: Promise<void>) =>
    endsWithin(STOP_MS, ended, clock, (reason) => log.warn({ what, reason }, "left behind at the stop"));
  const ending = new AbortController();
  const served = supervisor.run(ending.signal);
  log.info({ coordinator: options.coordinatorAddress, incarnation: String(incarnation) }, "agent started");

  return {
    incarnation,
    attempts,
    session,
    inventoryChanged: () => session()?.inventoryChanged(),
    async stop() {
      attempts.drain();
      await attempts.settled(options.drainTimeoutMs);
      await session()?.answered(ANSWERS_MS);
      session()?.bye("the agent was stopped");
      await inTime("attempts", attempts.close("the agent was stopped"));
      spool.close();
      intake.stop();
      await inTime("GPU leases", places?.close() ?? Promise.resolve());
      // What is not seen to be free by now is the next start's.
      await inTime("looking at GPUs", parts.gpus?.leases.close() ?? Promise.resolve());
      ending.abort(new Error("the agent was stopped"));
      await Promise.all([inTime("session", served), inTime("models", models?.close() ?? Promise.resolve())]);
    },
  };
}

function runnerOf(
  parts: AgentCoreParts,
  journals: JournalParts,
  intake: Intake,
  cache: BlobCache | undefined,
): { run: RunAttempt; models: LoadedModels | undefined } {
  const { work, id, artifacts, clock, random, log, options } = parts;
  if ("run" in work) return { run: work.run, models: undefined };
  const models = new LoadedModels(work.engines, options.maxLoadedModels, log);
  const run = attemptRunner({
    nodeId: id,
    inputs: new Inputs(artifacts, cache),
    slots: new RequestSlots(),
    gate: new SampleGate(),
    ...{ artifacts, models, journals, intake, clock, random, log },
    ...(work.load && { load: work.load }),
    ...(options.responseTtlMs !== undefined && {
      cache: new ResponseCache(artifacts, options.responseTtlMs, { clock, log }),
    }),
    ...(parts.gpus?.telemetry && { telemetry: parts.gpus.telemetry }),
  });
  return { run, models };
}

function placesOf(
  { leases, idleMs }: NonNullable<AgentCoreParts["gpus"]>,
  models: LoadedModels | undefined,
  { clock, log, random }: Pick<AgentCoreParts, "clock" | "log" | "random">,
  changed: () => void,
): GpuPlaces {
  leases.changed = changed;
  return new GpuPlaces({
    ...{ leases, idleMs, clock, log, changed },
    unload: async (lease) => models?.unloadLease(lease),
    newId: () => `l-${random.id(12)}`,
  });
}

/** What heartbeats tell of GPUs. */
function gpuNewsOf(
  gpus: AgentCoreParts["gpus"],
  places: GpuPlaces | undefined,
  attempts: Attempts,
): Pick<SessionParts, "gpuStates" | "takeGpuEvents"> {
  if (gpus === undefined || places === undefined)
    return { gpuStates: () => undefined, takeGpuEvents: () => [] };
  const workOf = (attempt: string) => attempts.list().find(({ name }) => name === attempt)?.assignment.shard;
  return {
    gpuStates: () => toldStates(gpus.states(), places.told(), workOf, (gpu) => gpus.leases.slicesOf(gpu)),
    takeGpuEvents: () =>
      gpus.leases.news.take().map(({ kind, message, attempt }) => {
        const { campaign = "", job = "" } = workOf(attempt) ?? {};
        return { kind, message, campaign, job };
      }),
  };
}

function sayFound({ assignment, records, deaths, end }: Replayed, log: Logger): void {
  const about = { attempt: attemptText(assignment), records: records.length };
  if (end.kind !== "unfinished") {
    log.info({ ...about, is: end.kind }, "an attempt of an earlier start waits for its answer");
    return;
  }
  const begun = deaths.map(({ ordinal }) => ordinal);
  log.warn(
    { ...about, begun },
    "an attempt was cut short by the end of this agent; it waits for the coordinator",
  );
}

/**
 * Writes probes: each is a fresh blob that only somebody with the same artifact store can read back; undefined when the
 * store takes none. The coordinator removes what it has read. Of those that nobody read the last is there at most.
 */
function probes({ artifacts, id, clock, random, log }: AgentCoreParts): SessionParts["probe"] {
  let last: string | undefined;
  const write = async (key: string, bytes: Buffer): Promise<true> => {
    if (last !== undefined) await artifacts.remove(last);
    last = key;
    await artifacts.put(key, bytes);
    return true;
  };
  return async () => {
    const bytes = Buffer.from(random.id(32));
    const key = `probe/${id}/${random.id(16)}`;
    const late = new AbortController();
    const put = write(key, bytes);
    put.catch(() => {});
    try {
      const inTime = await Promise.race([put, clock.sleep(PROBE_MS, late.signal).then(() => false)]);
      if (inTime) return { key, sha256: sha256(bytes) };
      log.warn("the artifact store does not answer; saying Hello without a probe of it");
    } catch (error) {
      log.warn({ reason: errorText(error) }, "the artifact store takes no probe; saying Hello without one");
    } finally {
      late.abort(new Error("answered"));
    }
    return undefined;
  };
}
