/**
 * The three places where a coordinator is found: sai.v1 for people, sai.agent.v1 for agents, HTTP for operators. They
 * are bound once and stay; what is behind them changes with the coordinator's role (see follower.ts and term.ts).
 */
import type { Json } from "../shared/benchmark/json.js";
import { type Listening, listen, newServer } from "../shared/rpc/serve.js";
import { replaceServices, type ServiceSet } from "../shared/rpc/services.js";
import type { Clock } from "../shared/runtime/clock.js";
import type { Config } from "../shared/runtime/config.js";
import type { Logger } from "../shared/runtime/logger.js";
import { version } from "../shared/runtime/version.js";
import { startOpsServer } from "./api/http.js";
import type { ReadyCheck } from "./api/ready.js";
import { addReflectionAndHealth } from "./api/services.js";
import type { Metrics } from "./metrics.js";
import { MAX_AGENT_MESSAGE_BYTES } from "./sessions/agent-service.js";

/** What is behind the doors for a while. */
export interface Role {
  readonly api: ServiceSet;
  readonly agents: ServiceSet;
  readonly metrics: Metrics;
  readonly checks: { readonly [name: string]: ReadyCheck };
  /** Whether calls of sai.v1 are answered now, here or at the leader's. */
  serving(): boolean;
  summary(): { [name: string]: Json };
}

export interface Addresses {
  /** host:port of sai.v1. */
  apiAddress: string;
  /** host:port agents dial. */
  agentAddress: string;
  /** host:port of /livez, /readyz, /health and /metrics. */
  httpAddress: string;
}

export interface Doors extends Addresses {
  /** Puts a role behind the doors, in the place of the one before. */
  open(role: Role): void;
  /** Refuses new calls, gives running ones `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** Binds them, with `first` behind. Throws SaiError `config` naming the key of a port that cannot be had. */
export async function openDoors(
  config: Config,
  first: Role,
  { clock, logger }: { clock: Clock; logger: Logger },
): Promise<Doors> {
  const { host, grpcPort, agentPort, httpPort } = config.coordinator;
  let role = first;
  const api = newServer();
  const agents = newServer(MAX_AGENT_MESSAGE_BYTES);
  addReflectionAndHealth(api, () => role.serving());
  replaceServices(api, undefined, first.api);
  replaceServices(agents, undefined, first.agents);
  const opened: Listening[] = [];
  try {
    opened.push(await listen(api, host, grpcPort, "coordinator.grpc_port"));
    opened.push(await listen(agents, host, agentPort, "coordinator.agent_port"));
    const ops = await startOpsServer({
      ...{ host, port: httpPort, version, clock, logger },
      metrics: config.performance.enableMetricsCollection ? () => role.metrics : undefined,
      checks: () => role.checks,
      summary: () => role.summary(),
    });
    const [{ address: apiAddress } = NOWHERE, { address: agentAddress } = NOWHERE] = opened;
    return {
      ...{ apiAddress, agentAddress, httpAddress: ops.address },
      open(next) {
        replaceServices(api, role.api, next.api);
        replaceServices(agents, role.agents, next.agents);
        role = next;
      },
      async close(graceMs) {
        await Promise.all([...opened.map((server) => server.stop(graceMs)), ops.close()]);
      },
    };
  } catch (error) {
    for (const server of opened) await server.stop(0);
    throw error;
  }
}

const NOWHERE = { address: "" };
