/** A term: what a coordinator does while it leads, behind the doors it has. */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Artifacts } from "../shared/artifacts/store.js";
import type { CallObserver } from "../shared/rpc/serve.js";
import { ServiceSet } from "../shared/rpc/services.js";
import type { Clock } from "../shared/runtime/clock.js";
import type { Config } from "../shared/runtime/config.js";
import type { Logger } from "../shared/runtime/logger.js";
import type { Random } from "../shared/runtime/random.js";
import { version } from "../shared/runtime/version.js";
import { addApi } from "./api/services.js";
import { isEnded } from "./campaigns/board.js";
import { Sweeper } from "./campaigns/sweep.js";
import { ResponseSweeper } from "./campaigns/sweep-responses.js";
import { type Core, type CoreOptions, every, startCore } from "./core.js";
import type { Role } from "./doors.js";
import { LOOK_MS } from "./index/indexing.js";
import { openIndexing } from "./index/open.js";
import { RecordReader } from "./index/record-reader.js";
import { clusterIdOf } from "./leading.js";
import { Metrics } from "./metrics.js";
import { StreamedResults } from "./results/streamed-results.js";
import { addAgentService } from "./sessions/agent-service.js";
import { BRAKE_LIMITS } from "./sessions/brake-state.js";
import type { GrpcPeer } from "./sessions/peer.js";
import { QUARANTINE_LIMITS } from "./sessions/quarantine-state.js";
import type { FencedStore } from "./store/fenced-store.js";
import { keys } from "./store/keys.js";
import type { StateStore, StoreAdmin } from "./store/store.js";

export interface TermParts {
  /** Under our leadership, which the term gives back at its end. */
  store: FencedStore;
  state: StateStore & Pick<StoreAdmin, "usage">;
  artifacts: Artifacts;
  /** host:port of sai.v1, for people. */
  apiAddress: string;
  clock: Clock;
  random: Random;
  logger: Logger;
}

export interface Term extends Role {
  readonly core: Core;
  readonly clusterId: string;
  /** Aborts when the leadership is to go to another. */
  readonly transferred: AbortSignal;
  /** Says goodbye to the agents, ends open streams and the core, and lets another lead. */
  stop(): Promise<void>;
}

/** So that the answer to whoever asked for a transfer is out before the term ends, ms. */
const ANSWER_MS = 100;
/** How often it is looked whether something in the artifact store can go, ms. */
const SWEEP_MS = 10 * 60_000;
/** Time open streams get to end by themselves. */
const GRACE_MS = 1_000;

/** Recovers what the stores hold. Throws when that cannot be; leadership is given back then. */
export async function startTerm(config: Config, parts: TermParts): Promise<Term> {
  const { store, state, artifacts, clock, random, logger: log } = parts;
  const options = config.coordinator;
  const metrics = new Metrics({ clock });
  let results: StreamedResults | undefined;
  let clusterId: string;
  let core: Core;
  try {
    clusterId = await clusterIdOf(state, store, clock, randomUUID);
    core = await startCore({
      ...{ store, state, clusterId, artifacts, metrics, clock, random, log },
      results: (board) => {
        results = new StreamedResults(board, artifacts);
        return results;
      },
      readFile: (path) => readFile(path),
      usage: () => state.usage(),
      options: coreOptions(config),
    });
  } catch (error) {
    metrics.close();
    await store.resign().catch((err: unknown) => log.debug({ err }, "leadership could not be given back"));
    throw error;
  }

  const streamed = results as StreamedResults; // startCore made it
  const index = openIndexing(config, { ...parts, metrics, results: streamed, board: core.board, clusterId });
  const stopIndexing = every(clock, LOOK_MS, () => index.look());
  const stopping = new AbortController();
  const calls: CallObserver = {
    failed: (method, err) => log.error({ method, err }, "a call failed unexpectedly"),
    ended: (method, status, seconds) => metrics.observeRpc({ method, status }, seconds),
    drainMs: options.slowPeerTimeoutMs,
    stopping: stopping.signal,
  };
  const { fleet, board } = core;
  const transfer = new AbortController();
  const api = new ServiceSet();
  addApi(api, {
    ...{
      term: core,
      artifacts,
      calls,
      index,
      records: new RecordReader(core.board, streamed),
      about: { version, store: config.store.kind },
    },
    address: () => parts.apiAddress,
    storeUsage: () => state.usage(),
    transfer(reason) {
      log.warn({ reason }, "the leadership goes to another, as it was asked to");
      clock.after(ANSWER_MS, () => transfer.abort());
    },
  });
  const agents = new ServiceSet();
  const limits = {
    maxMessages: options.outboxMaxMessages,
    maxBytes: options.outboxMaxBytes,
    drainMs: options.slowPeerTimeoutMs,
  };
  const open = new Set<GrpcPeer>();
  addAgentService(agents, core, limits, clock, open);
  const sweeper = new Sweeper({ artifacts, state, board, clock, log });
  const sweeping = AbortSignal.any([core.lost, stopping.signal]);
  const { resultCacheTtlMs: ttlMs, resultCacheQuotaBytes: maxBytes } = config.performance;
  const responses = new ResponseSweeper({ artifacts, ttlMs, maxBytes, clock, log });
  const stopSweeping = every(clock, SWEEP_MS, () => {
    void sweeper.round(sweeping);
    void responses.round(sweeping);
  });
  return {
    ...{ api, agents, metrics, core, clusterId, transferred: transfer.signal },
    checks: {
      store: async () => void (await state.get(keys.cluster.key)),
      leadership: () => {
        if (store.remainingMs(clock.nowMs()) <= 0) throw new Error("another coordinator leads");
      },
    },
    serving: () => !core.lost.aborted,
    summary: () => ({
      leads: true,
      nodes: fleet.list().length,
      nodesReady: fleet.list().filter((node) => node.state.kind === "READY").length,
      campaignsActive: board.list().filter((entry) => !isEnded(entry.value.state)).length,
    }),
    async stop() {
      stopping.abort();
      stopSweeping();
      stopIndexing();
      const why = transfer.signal.aborted ? "gives the leadership to another" : "stops, or leads no more";
      await farewell(open, `the coordinator ${why}`, clock);
      await core.stop();
      await index.stop();
      await results?.close();
      await store.resign().catch((err: unknown) => log.debug({ err }, "leadership could not be given back"));
      metrics.close();
    },
  };
}

/** Says goodbye to every agent, and hangs up on those that stay. */
async function farewell(open: ReadonlySet<GrpcPeer>, reason: string, clock: Clock): Promise<void> {
  const goodbye = { address: "", retryAfterMs: GRACE_MS, reason };
  for (const peer of open) peer.send({ $case: "goodbye", value: goodbye });
  const endMs = clock.nowMs() + GRACE_MS;
  while (open.size > 0 && clock.nowMs() < endMs) await clock.sleep(10);
  for (const peer of [...open]) peer.close();
}

const coreOptions = (config: Config): CoreOptions => {
  const { heartbeatIntervalMs, suspectAfterIntervals, lostAfterIntervals, ...c } = config.coordinator;
  return {
    heartbeatIntervalMs,
    suspectAfterMs: heartbeatIntervalMs * suspectAfterIntervals,
    lostAfterMs: heartbeatIntervalMs * lostAfterIntervals,
    acceptDeadlineMs: c.acceptDeadlineMs,
    commitIntervalMs: c.commitIntervalMs,
    idempotencyTtlMs: c.idempotencyTtlMs,
    recoveryHoldMs: c.recoveryHoldMs,
    quarantine: QUARANTINE_LIMITS,
    brake: { ...BRAKE_LIMITS, holdMs: c.brakeHoldMs },
    datasetsDir: config.storage.datasetsDir,
    tenants: new Map(Object.entries(c.tenants)),
  };
};
