/**
 * A coordinator that does not lead: it hands calls of sai.v1 on to the one that does, where alone assignments and
 * liveness are known, sends agents there, and serves health and metrics of its own.
 */
import { addForwarding } from "../shared/rpc/forward.js";
import { ServiceSet } from "../shared/rpc/services.js";
import type { Clock } from "../shared/runtime/clock.js";
import { SaiError } from "../shared/runtime/errors.js";
import { API_SERVICES } from "./api/services.js";
import type { Role } from "./doors.js";
import { Metrics } from "./metrics.js";
import { addRedirect } from "./sessions/redirect.js";
import { keys } from "./store/keys.js";
import type { StateStore } from "./store/store.js";
import type { LeaderValue } from "./store/values.js";

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
    serving: () => follower.leader !== undefined,
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
  addRedirect(agents, () => follower.leader?.agentAddress);
  return follower;
}

const nobodyLeads = () =>
  new SaiError("unavailable", "no coordinator leads at the moment", {
    hint: "a leader is being found, which takes some seconds; ask again, or look at `sai doctor` if it lasts",
  });
