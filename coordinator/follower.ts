/**
 * A coordinator that does not lead: it hands calls of sai.v1 on to the one that does, where alone assignments and
 * liveness are known, sends agents there, and serves health and metrics of its own.
 */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import {
  type AgentMessage,
  AgentServiceService,
  type CoordinatorMessage,
} from "../shared/gen/sai/agent/v1/session.js";
import { addForwarding } from "../shared/rpc/forward.js";
import { ServiceSet } from "../shared/rpc/services.js";
import type { Clock } from "../shared/runtime/clock.js";
import { SaiError } from "../shared/runtime/errors.js";
import { API_SERVICES, addReflectionAndHealth } from "./api/services.js";
import type { Role } from "./doors.js";
import { Metrics } from "./metrics.js";
import { keys } from "./store/keys.js";
import type { StateStore } from "./store/store.js";
import type { LeaderValue } from "./store/values.js";

const RETRY_MS = 1_000;

export interface Follower extends Role {
  /** Who leads, as this coordinator last saw; undefined while nobody does. */
  leader: LeaderValue | undefined;
  /** Ends what it hands on. */
  stop(): void;
}

export function startFollower({ state, clock }: { state: StateStore; clock: Clock }): Follower {
  const metrics = new Metrics({ clock });
  const stopping = new AbortController();
  const api = new ServiceSet();
  const agents = new ServiceSet();
  const follower: Follower = {
    ...{ api, agents, metrics, leader: undefined },
    checks: {
      store: async () => void (await state.get(keys.cluster.key)),
      leadership: () => {
        if (follower.leader === undefined) throw new Error("no coordinator leads");
      },
    },
    summary: () => ({ leads: false, leader: follower.leader?.address ?? "" }),
    stop() {
      stopping.abort();
      close();
      metrics.close();
    },
  };
  const close = addForwarding(api, API_SERVICES, {
    address: () => follower.leader?.address,
    unknown: nobodyLeads,
    stopping: stopping.signal,
  });
  addReflectionAndHealth(api, () => follower.leader !== undefined);
  agents.addService(AgentServiceService, {
    session(stream: ServerDuplexStream<AgentMessage, CoordinatorMessage>) {
      stream.on("error", () => undefined);
      stream.on("data", () => undefined); // what it says is for the leader
      const { leader } = follower;
      const address = leader?.agentAddress ?? "";
      const reason = leader === undefined ? "no coordinator leads" : `the coordinator at ${address} leads`;
      const goodbye = { address, retryAfterMs: leader === undefined ? RETRY_MS : 0, reason };
      stream.write({ clusterId: "", epoch: 0n, body: { $case: "goodbye", value: goodbye } });
      stream.end();
    },
  });
  return follower;
}

const nobodyLeads = () =>
  new SaiError("unavailable", "no coordinator leads at the moment", {
    hint: "a leader is being found, which takes some seconds; ask again, or look at `sai doctor` if it lasts",
  });
