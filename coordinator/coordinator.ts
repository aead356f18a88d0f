/**
 * The coordinator: composition root. It opens the stores, leads, and serves people (sai.v1), agents (sai.agent.v1) and
 * operators (HTTP) until it is stopped. Whoever loses the leadership without being stopped ends that term, servers
 * included, and tries to lead again at the same addresses with nothing but what the stores hold.
 */
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { openFolderStore } from "../shared/artifacts/folder-store.js";
import type { ArtifactStore } from "../shared/artifacts/store.js";
import { type CallObserver, listen, newServer } from "../shared/rpc/serve.js";
import type { Clock } from "../shared/runtime/clock.js";
import type { Config } from "../shared/runtime/config.js";
import type { Logger } from "../shared/runtime/logger.js";
import type { Random } from "../shared/runtime/random.js";
import { version } from "../shared/runtime/version.js";
import { startOpsServer } from "./api/http.js";
import { addApi } from "./api/services.js";
import { isEnded } from "./campaigns/board.js";
import { type Core, type CoreOptions, startCore } from "./core.js";
import { clusterIdOf, lead } from "./leading.js";
import { Metrics } from "./metrics.js";
import { StreamedResults } from "./results/streamed-results.js";
import { addAgentService, MAX_AGENT_MESSAGE_BYTES } from "./sessions/agent-service.js";
import { BRAKE_LIMITS } from "./sessions/brake-state.js";
import type { GrpcPeer } from "./sessions/peer.js";
import { keys } from "./store/keys.js";
import { openStateStore } from "./store/open.js";
import type { StateStore, StoreAdmin } from "./store/store.js";
import { type Led, serveTerms } from "./terms.js";

export { probeStore, type StoreProbe } from "./store/probe.js";

export interface RunningCoordinator {
  /** host:port of sai.v1. */
  apiAddress: string;
  /** host:port agents dial. */
  agentAddress: string;
  /** host:port of /livez, /readyz, /health and /metrics. */
  httpAddress: string;
  clusterId: string;
  /** Aborts, with the reason, when the coordinator cannot go on: its process is to end and be started anew. */
  failed: AbortSignal;
  /** Ends the sessions and servers, then leadership and the stores. */
  stop(): Promise<void>;
}

export interface CoordinatorParts {
  logger: Logger;
  clock: Clock;
  random: Random;
}

/** Time open streams get to end by themselves. */
const GRACE_MS = 1000;

/** Starts a coordinator. Throws SaiError `config` when a port or folder cannot be had. */
export async function startCoordinator(config: Config, parts: CoordinatorParts): Promise<RunningCoordinator> {
  const { clock, random, logger: log } = parts;
  const artifacts = await openFolderStore(config.artifacts.dir, random);
  const state = await openStateStore(config, { clock, random, log });
  const ending = new AbortController();
  const begin = async (at: Config, signal: AbortSignal) => {
    const term = await startTerm(at, { ...parts, artifacts, state, signal });
    return { ...term, lost: term.core.lost };
  };
  let term: Term & Led;
  try {
    term = await begin(config, state.broken);
  } catch (error) {
    await state.close();
    throw error;
  }
  const { apiAddress, agentAddress, httpAddress, clusterId } = term;
  const ports = fixedPorts(config, term);
  const failed = new AbortController();

  const led = serveTerms(term, (signal) => begin(ports, signal), {
    ...{ ending: ending.signal, broken: state.broken, clock, log },
  }).catch((err: unknown) => {
    if (ending.signal.aborted) return;
    log.fatal({ err }, "the coordinator cannot go on");
    failed.abort(err);
  });
  return {
    ...{ apiAddress, agentAddress, httpAddress, clusterId },
    failed: failed.signal,
    async stop() {
      ending.abort(new Error("the coordinator stops"));
      await led;
      await state.close();
      log.info("coordinator stopped");
    },
  };
}

interface TermParts extends CoordinatorParts {
  artifacts: ArtifactStore;
  state: StateStore & Pick<StoreAdmin, "usage">;
  signal: AbortSignal;
}

interface Term {
  core: Core;
  apiAddress: string;
  agentAddress: string;
  httpAddress: string;
  clusterId: string;
  stop(): Promise<void>;
}

async function startTerm(config: Config, parts: TermParts): Promise<Term> {
  const { artifacts, state, clock, random, logger: log } = parts;
  const options = config.coordinator;
  const store = await lead(
    state,
    { replica: options.host, address: options.host },
    { clock, random, log },
    parts.signal,
  );
  // What is open when a later step fails must not keep the process or its ports.
  const undo: (() => unknown)[] = [() => store.resign()];
  const begun = <T>(step: Promise<T>): Promise<T> =>
    step.catch(async (error: unknown) => {
      for (const close of undo.reverse()) await close();
      throw error;
    });
  const metrics = new Metrics({ clock });
  undo.push(() => metrics.close());
  const clusterId = await begun(clusterIdOf(state, store, clock, randomUUID));
  let results: StreamedResults | undefined;
  const core = await begun(
    startCore({
      ...{ store, state, clusterId, artifacts, metrics, clock, random, log },
      results: (board) => {
        results = new StreamedResults(board, artifacts);
        return results;
      },
      readFile: (path) => readFile(path),
      usage: () => state.usage(),
      options: coreOptions(config),
    }),
  );
  undo.push(() => core.stop());

  const stopping = new AbortController();
  const calls: CallObserver = {
    failed: (method, err) => log.error({ method, err }, "a call failed unexpectedly"),
    ended: (method, status, seconds) => metrics.observeRpc({ method, status }, seconds),
    drainMs: options.slowPeerTimeoutMs,
    stopping: stopping.signal,
  };
  const { fleet, board } = core;
  const api = newServer();
  let apiAddress = "";
  addApi(api, {
    ...{ term: core, artifacts, calls, about: { version, store: config.store.kind } },
    address: () => apiAddress,
    storeUsage: () => state.usage(),
    serving: () => !core.lost.aborted,
  });
  const agents = newServer(MAX_AGENT_MESSAGE_BYTES);
  const open = new Set<GrpcPeer>();
  addAgentService(
    agents,
    core,
    {
      maxMessages: options.outboxMaxMessages,
      maxBytes: options.outboxMaxBytes,
      drainMs: options.slowPeerTimeoutMs,
    },
    clock,
    open,
  );
  const apiServer = await begun(listen(api, options.host, options.grpcPort, "coordinator.grpc_port"));
  undo.push(() => apiServer.stop(0));
  apiAddress = apiServer.address;
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
      summary: () => ({
        nodes: fleet.list().length,
        nodesReady: fleet.list().filter((node) => node.state.kind === "READY").length,
        campaignsActive: board.list().filter((entry) => !isEnded(entry.value.state)).length,
      }),
    }),
  );
  const addresses = {
    apiAddress: apiServer.address,
    agentAddress: agentServer.address,
    httpAddress: ops.address,
  };
  log.info({ ...addresses, clusterId, epoch: String(core.epoch) }, "coordinator started");
  return {
    core,
    ...addresses,
    clusterId,
    async stop() {
      for (const peer of open) {
        peer.send({
          $case: "goodbye",
          value: { address: "", retryAfterMs: GRACE_MS, reason: "the coordinator stops" },
        });
      }
      stopping.abort();
      await Promise.all([agentServer.stop(GRACE_MS), apiServer.stop(GRACE_MS), ops.close()]);
      await core.stop();
      await results?.close();
      await store.resign().catch((err: unknown) => log.debug({ err }, "leadership could not be given back"));
      metrics.close();
    },
  };
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
    brake: { ...BRAKE_LIMITS, holdMs: c.brakeHoldMs },
    datasetsDir: config.storage.datasetsDir,
  };
};

/** The configuration with the ports that were found free, so that a later term is where the first one was. */
function fixedPorts(config: Config, { apiAddress, agentAddress, httpAddress }: Term): Config {
  const port = (address: string) => ({
    value: Number(address.slice(address.lastIndexOf(":") + 1)),
    explicit: true,
  });
  const coordinator = {
    ...config.coordinator,
    grpcPort: port(apiAddress),
    agentPort: port(agentAddress),
    httpPort: port(httpAddress),
  };
  return { ...config, coordinator };
}
