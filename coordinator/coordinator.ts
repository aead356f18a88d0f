/**
 * The coordinator: composition root. It claims leadership in the state store, opens the artifact store, and serves
 * people (sai.v1), agents (sai.agent.v1) and operators (HTTP) until it is stopped.
 */
import { randomUUID } from "node:crypto";
import { openFolderStore } from "../shared/artifacts/folder-store.js";
import type { AvailableModels } from "../shared/benchmark/models.js";
import type { EngineKind } from "../shared/benchmark/plan.js";
import { type CallObserver, listen, newServer } from "../shared/rpc/serve.js";
import type { Clock } from "../shared/runtime/clock.js";
import type { Config } from "../shared/runtime/config.js";
import { SaiError } from "../shared/runtime/errors.js";
import type { Logger } from "../shared/runtime/logger.js";
import type { Random } from "../shared/runtime/random.js";
import { version } from "../shared/runtime/version.js";
import { startOpsServer } from "./api/http.js";
import { addApi } from "./api/services.js";
import { Board, isEnded } from "./campaigns/board.js";
import { CommitQueue } from "./campaigns/commit-queue.js";
import { expireAttempt, shardEvent } from "./campaigns/complete-attempt.js";
import { type AgentsPort, type CampaignParts, write } from "./campaigns/parts.js";
import { EventLog } from "./events.js";
import { Metrics } from "./metrics.js";
import { StreamedResults } from "./results/streamed-results.js";
import { Scheduling } from "./scheduling.js";
import { addAgentService } from "./sessions/agent-service.js";
import { Fleet, type NodeEntry } from "./sessions/fleet.js";
import type { GrpcPeer } from "./sessions/peer.js";
import { FencedStore, put } from "./store/fenced-store.js";
import { decode, keys } from "./store/keys.js";
import { type MemoryStore, openMemoryStore } from "./store/memory-store.js";

export interface RunningCoordinator {
  /** host:port of sai.v1. */
  apiAddress: string;
  /** host:port agents dial. */
  agentAddress: string;
  /** host:port of /livez, /readyz, /health and /metrics. */
  httpAddress: string;
  clusterId: string;
  /** Ends the sessions and servers, then leadership and the stores. */
  stop(): Promise<void>;
}

export interface CoordinatorParts {
  logger: Logger;
  clock: Clock;
  random: Random;
}

const LEADER_TTL_MS = 6000;
/** About four loads of a middling model. */
const MAX_WAIT_MS = 120_000;
const GRACE_MS = 1000;

/** Starts a coordinator. Throws SaiError `config` when a port or folder cannot be had. */
export async function startCoordinator(config: Config, parts: CoordinatorParts): Promise<RunningCoordinator> {
  const { clock, random, logger: log } = parts;
  const options = config.coordinator;
  const artifacts = await openFolderStore(config.artifacts.dir, random);
  const state = openMemoryStore({ clock });
  const store = await lead(state, options.host, clock, random);
  const clusterId = await cluster(state, store, clock);
  const events = new EventLog(clock);
  const metrics = new Metrics({ clock });
  const board = new Board();
  const results = new StreamedResults(board, artifacts);

  const fleet: Fleet = new Fleet(clock, events, log, silenceTimers(config), {
    lost: (node) => {
      metrics.forgetNode(node.id);
      for (const { shard, fence } of [...node.attempts.values()]) {
        // What has not begun costs no attempt; what is uploaded is being committed.
        const unstarted = { kind: "give_back" as const, fence, reason: `${node.id} is lost` };
        if (shardEvent(campaigns, shard, unstarted) !== undefined) continue;
        if (board.shard(shard)?.kind === "UPLOADED") continue;
        expireAttempt(campaigns, shard, node.id, fence).catch(logError);
      }
    },
    wake: () => scheduling.wake(),
  });
  const campaigns: CampaignParts = {
    ...{ board, store, state, artifacts, results, events, metrics, clock, random, log },
    commits: new CommitQueue(store, clock, options.commitIntervalMs, metrics, log),
    datasetsDir: config.storage.datasetsDir,
    idempotencyTtlMs: options.idempotencyTtlMs,
    agents: agentsPort(fleet),
    wake: () => scheduling.wake(),
  };
  const scheduling: Scheduling = new Scheduling({
    ...{ board, fleet, clock, log, metrics },
    epoch: store.epoch,
    acceptDeadlineMs: options.acceptDeadlineMs,
    maxWaitMs: MAX_WAIT_MS,
    giveBack: (shard, fence) => {
      shardEvent(campaigns, shard, { kind: "give_back", fence, reason: "not accepted in time" });
    },
  });

  const calls: CallObserver = {
    failed: (method, err) => log.error({ method, err }, "a call failed unexpectedly"),
    ended: (method, status, seconds) => metrics.observeRpc({ method, status }, seconds),
  };
  const logError = (err: unknown) => log.error({ err }, "unexpected");
  const api = newServer();
  const about = { version, clusterId, epoch: store.epoch, store: config.store.kind, startMs: clock.wallMs() };
  addApi(api, { campaigns, fleet, artifacts, about, serving: () => !store.lost.aborted, calls });
  const agents = newServer();
  const open = new Set<GrpcPeer>();
  addAgentService(
    agents,
    {
      campaigns,
      board,
      fleet,
      artifacts,
      heartbeatIntervalMs: options.heartbeatIntervalMs,
      lostAfterMs: silenceTimers(config).lostAfterMs,
      log,
    },
    () => ({ clusterId, epoch: store.epoch }),
    { maxMessages: options.outboxMaxMessages, drainMs: options.slowPeerTimeoutMs },
    clock,
    open,
  );

  // What is open when a later step fails must not keep the process or its ports.
  const undo: (() => unknown)[] = [() => metrics.close(), () => state.close(), () => store.resign()];
  const begun = <T>(step: Promise<T>): Promise<T> =>
    step.catch(async (error: unknown) => {
      for (const close of undo.reverse()) await close();
      throw error;
    });
  const apiServer = await begun(listen(api, options.host, options.grpcPort, "coordinator.grpc_port"));
  undo.push(() => apiServer.stop(0));
  const agentServer = await begun(listen(agents, options.host, options.agentPort, "coordinator.agent_port"));
  undo.push(() => agentServer.stop(0));
  const ops = await begun(
    startOpsServer({
      host: options.host,
      port: options.httpPort,
      version,
      clock,
      logger: log,
      metrics: config.performance.enableMetricsCollection ? metrics : undefined,
      checks: {
        store: async () => void (await state.get(keys.cluster.key)),
        leadership: () => {
          if (store.remainingMs(clock.nowMs()) <= 0) throw new Error("another coordinator leads");
        },
      },
      summary: () => fleetSummary(board, fleet),
    }),
  );
  const stopTicking = every(clock, options.heartbeatIntervalMs / 4, () => {
    fleet.lookForSilence();
    scheduling.sweep();
    showGauges(metrics, board, fleet);
  });
  const addresses = {
    apiAddress: apiServer.address,
    agentAddress: agentServer.address,
    httpAddress: ops.address,
  };
  log.info({ ...addresses, clusterId, epoch: String(store.epoch) }, "coordinator started");

  return {
    ...addresses,
    clusterId,
    async stop() {
      stopTicking();
      scheduling.stop();
      for (const peer of open) {
        peer.send({
          $case: "goodbye",
          value: { address: "", retryAfterMs: GRACE_MS, reason: "the coordinator stops" },
        });
      }
      await Promise.all([agentServer.stop(GRACE_MS), apiServer.stop(GRACE_MS), ops.close()]);
      await campaigns.commits.drained();
      await results.close();
      await store.resign();
      await state.close();
      metrics.close();
      log.info("coordinator stopped");
    },
  };
}

/** Claims leadership; with a store of our own nobody else can hold it. */
async function lead(state: MemoryStore, host: string, clock: Clock, random: Random): Promise<FencedStore> {
  const self = { replica: host, nonce: random.id(20), address: host };
  const answer = await FencedStore.acquire(state, self, { ttlMs: LEADER_TTL_MS, clock });
  if (answer.kind === "acquired") return answer.store;
  throw new SaiError(
    "failed_precondition",
    `another coordinator leads at ${answer.leader?.address ?? "an unknown place"}`,
  );
}

/** The cluster's id, made with the store's first write. */
async function cluster(state: MemoryStore, store: FencedStore, clock: Clock): Promise<string> {
  const { kv } = await state.get(keys.cluster.key);
  if (kv) return decode(keys.cluster.codec, kv).id;
  const id = randomUUID();
  await write({ store, clock }, { ops: [put(keys.cluster, { id, createdMs: clock.wallMs() })] });
  return id;
}

const silenceTimers = ({ coordinator: c }: Config) => ({
  suspectAfterMs: c.heartbeatIntervalMs * c.suspectAfterIntervals,
  lostAfterMs: c.heartbeatIntervalMs * c.lostAfterIntervals,
});

const agentsPort = (fleet: Fleet): AgentsPort => ({
  stop(agent, fence, reason) {
    const value = { fences: [fence], graceMs: GRACE_MS, reason };
    fleet.node(agent)?.peer?.send({ $case: "cancel", value });
  },
  ended: (agent, fence) => fleet.ended(agent, fence),
  available() {
    const nodes = fleet.list().filter((node) => node.inventory !== undefined && node.state.kind === "READY");
    return nodes.length === 0 ? undefined : availableModels(nodes);
  },
});

function availableModels(nodes: NodeEntry[]): AvailableModels[] {
  const models = new Map<EngineKind, Set<string>>();
  for (const engine of nodes.flatMap((node) => node.inventory?.engines ?? [])) {
    if (engine.unavailable !== "") continue;
    const kind = engine.kind as EngineKind;
    models.set(kind, new Set([...(models.get(kind) ?? []), ...engine.models]));
  }
  return [...models].map(([engine, names]) => ({ engine, models: [...names].sort() }));
}

function fleetSummary(board: Board, fleet: Fleet) {
  const nodes = fleet.list();
  return {
    nodes: nodes.length,
    nodesReady: nodes.filter((node) => node.state.kind === "READY").length,
    campaignsActive: board.list().filter((entry) => !isEnded(entry.value.state)).length,
  };
}

function showGauges(metrics: Metrics, board: Board, fleet: Fleet): void {
  const campaigns = board.list();
  const open = campaigns.filter((entry) => !isEnded(entry.value.state));
  metrics.setNodes(count(fleet.list().map((node) => node.state.kind)));
  metrics.setCampaigns(count(campaigns.map((entry) => entry.value.state.kind)));
  metrics.setShards(
    count(open.flatMap((entry) => entry.jobs.flatMap((job) => job.shards.map((s) => s.kind)))),
  );
}

function count(kinds: string[]): { [kind: string]: number } {
  const counts: { [kind: string]: number } = {};
  for (const kind of kinds) counts[kind.toLowerCase()] = (counts[kind.toLowerCase()] ?? 0) + 1;
  return counts;
}

function every(clock: Clock, ms: number, run: () => void): () => void {
  let cancel = () => {};
  const again = () => {
    cancel = clock.after(ms, () => {
      run();
      again();
    });
  };
  again();
  return () => cancel();
}
