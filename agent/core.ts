/**
 * Everything of an agent that decides something, without gRPC, hardware or a real disk: those are handed in, so that a
 * simulation can own them. An agent takes back what an earlier start left in its journals, holds attempts, grants its
 * devices to them, and keeps a session with a coordinator until it is stopped.
 *
 * 1. Whatever outlives a start is on the disk, below `dir`; an agent whose memory is gone starts again from there.
 * 2. No state is shared between two cores in one process.
 */
import { join } from "node:path";
import type { ArtifactStore } from "../shared/artifacts/store.js";
import type { EngineKind } from "../shared/benchmark/plan.js";
import type { BackoffLimits } from "../shared/runtime/backoff.js";
import type { Clock } from "../shared/runtime/clock.js";
import type { Disk } from "../shared/runtime/disk.js";
import { sha256 } from "../shared/runtime/hash.js";
import type { Logger } from "../shared/runtime/logger.js";
import type { Random } from "../shared/runtime/random.js";
import { attemptText } from "./attempt/assignment.js";
import { Attempts, type RunAttempt } from "./attempt/attempts.js";
import { Inputs } from "./attempt/inputs.js";
import { type JournalSync, readJournals, removeJournal } from "./attempt/journal.js";
import { LoadedModels } from "./attempt/loaded-models.js";
import { RequestSlots } from "./attempt/request-slots.js";
import { attemptRunner } from "./attempt/run-attempt.js";
import { endsWithin } from "./ends-within.js";
import type { Engine } from "./engines/engine.js";
import { DeviceLedger, type LedgerDevice } from "./leases/device-ledger.js";
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
  work: { engines: ReadonlyMap<EngineKind, Engine> } | { run: RunAttempt };
  /** Slots by lane; the ledger grants them. */
  devices: readonly LedgerDevice[];
  /** As the wire has it, and its hash. */
  inventory: SessionParts["inventory"];
  /** How late the event loop was at most since the last question, ms. */
  loopLagMs(): number;
  clock: Clock;
  random: Random;
  log: Logger;
  options: AgentCoreOptions;
}

export interface AgentCoreOptions {
  /** host:port of a coordinator's agent port. */
  coordinatorAddress: string;
  reconnect: BackoffLimits;
  journalSync: JournalSync;
  maxLoadedModels: number;
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

/** Starts an agent's core; it dials by itself. Throws SaiError when its folder cannot be used. */
export async function startAgentCore(parts: AgentCoreParts): Promise<AgentCore> {
  const { id, disk, dir, artifacts, clock, random, log, options } = parts;
  const incarnation = await nextIncarnation(disk, dir);
  const journalDir = join(dir, "journal");
  const ledger = new DeviceLedger(parts.devices);
  const { run, models } = runnerOf(parts, journalDir);
  const session = () => supervisor.session();
  const attempts: Attempts = new Attempts(
    ledger,
    run,
    (fence) => removeJournal(disk, journalDir, fence),
    log,
    {
      started: (fence) => session()?.started(fence),
      finished: (result) => session()?.finished(result),
      failed: (failure) => session()?.failed(failure) ?? false,
      retracted: (fences) => session()?.retracted(fences),
      freed: (lane) => session()?.freed(lane),
    },
  );
  await takeBack(attempts, disk, journalDir, log);

  const identity = new Identity(id, incarnation, (before, now) =>
    log.warn({ before, now }, "this coordinator belongs to another cluster; joining it afresh"),
  );
  const supervisor = new Supervisor({
    dial: parts.dial,
    address: options.coordinatorAddress,
    backoff: options.reconnect,
    session: {
      ...{ identity, attempts, clock, log, version: parts.version },
      inventory: parts.inventory,
      lanes: () => ledger.lanes().map((lane) => ({ lane, slots: ledger.slots(lane) })),
      loadedModels: () => models?.names() ?? [],
      takeLoads: () => models?.takeLoads() ?? [],
      loopLagMs: parts.loopLagMs,
      probe: () => writeProbe(artifacts, id, random),
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
      await attempts.settled(options.drainTimeoutMs, clock);
      session()?.bye("the agent was stopped");
      await inTime("attempts", attempts.close("the agent was stopped"));
      ending.abort(new Error("the agent was stopped"));
      await Promise.all([inTime("session", served), inTime("models", models?.close() ?? Promise.resolve())]);
    },
  };
}

function runnerOf(
  parts: AgentCoreParts,
  journalDir: string,
): { run: RunAttempt; models: LoadedModels | undefined } {
  const { work, id, disk, artifacts, clock, random, log, options } = parts;
  if ("run" in work) return { run: work.run, models: undefined };
  const models = new LoadedModels(work.engines, options.maxLoadedModels, log);
  const run = attemptRunner({
    nodeId: id,
    inputs: new Inputs(artifacts),
    slots: new RequestSlots(),
    journalSync: options.journalSync,
    ...{ artifacts, models, disk, journalDir, clock, random, log },
  });
  return { run, models };
}

/** Finished attempts wait for their answer again; unfinished ones are dropped, the coordinator gives them out anew. */
async function takeBack(attempts: Attempts, disk: Disk, journalDir: string, log: Logger): Promise<void> {
  const found = await readJournals(disk, journalDir);
  for (const { result, assignment } of found.uploaded) attempts.restore(result, assignment);
  for (const name of found.damaged) log.error({ name }, "a journal cannot be read and was moved aside");
  for (const { assignment, begun } of found.unfinished) {
    log.warn(
      { attempt: attemptText(assignment), begun },
      "an attempt was cut short by the end of this agent; dropped",
    );
    await removeJournal(disk, journalDir, assignment.fence);
  }
}

/** A fresh blob that only somebody with the same artifact store can read back. */
async function writeProbe(artifacts: ArtifactStore, id: string, random: Random) {
  const bytes = Buffer.from(random.id(32));
  const key = `probe/${id}/${random.id(16)}`;
  await artifacts.put(key, bytes);
  return { key, sha256: sha256(bytes) };
}
