/** What the scheduler sees and what it answers: immutable on both sides, so that deciding is a pure function. */
import type { EngineKind } from "../../shared/benchmark/plan.js";
import type { AgentKind } from "../../shared/domain/agent.js";
import type { IndexRange } from "./ranges.js";

export interface Snapshot {
  agents: readonly AgentSnapshot[];
  /** Jobs with pending shards; others may be left out. */
  jobs: readonly JobSnapshot[];
  /** A model that waited this long may push another off a lane; about four reload times. */
  maxWaitMs: number;
}

export interface AgentSnapshot {
  id: string;
  state: AgentKind;
  cordoned: boolean;
  lanes: readonly LaneSnapshot[];
  engines: readonly EngineSnapshot[];
  /** ENGINE:MODEL, as its last heartbeat said. */
  loadedModels: readonly string[];
}

export interface LaneSnapshot {
  /** A device kind such as cpu. */
  lane: string;
  /** Attempts the agent would take now: offered and not yet used. */
  credits: number;
  /** Class of its devices, such as `cpu` or `nvidia-h200`. */
  deviceClass: string;
  /** ENGINE:MODEL of the last attempt sent to it. */
  lastModel?: string;
}

export interface EngineSnapshot {
  kind: EngineKind;
  /** Names it can serve; empty if it cannot say, and then it is given the benefit of the doubt. */
  models: readonly string[];
  /** Why it cannot be used; absent if it can. */
  unavailable?: string;
}

export interface JobSnapshot {
  campaign: string;
  job: string;
  /** The campaign's; higher goes first. */
  priority: number;
  /** The campaign's, wall ms; older goes first. */
  createdMs: number;
  engine: EngineKind;
  /** The engine's name for the model. */
  model: string;
  /** The suite says which server to ask, so what the agent's own one offers does not matter. */
  namesServer?: boolean;
  /** Whether changing to this model costs a load; false for remote servers and engines without weights. */
  modelLoads: boolean;
  /** Lanes it may use, best first. */
  lanes: readonly string[];
  /** Only devices of this class; for jobs whose times are compared. */
  deviceClass?: string;
  /** Create revision of its gate; absent until it is open. */
  gate?: bigint;
  /** Shards never tried, ascending and disjoint. */
  pending: readonly IndexRange[];
  /** Shards to be tried again; they go before the others. */
  retries: readonly { index: number; failedOn: readonly string[] }[];
  /** Attempts of it on agents now. */
  inFlight: number;
  /** Monotonic ms: when it was last given to an agent, or could first have been. */
  waitingSinceMs: number;
}

export interface Schedule {
  assignments: Assignment[];
  /** Jobs with shards left, and why nobody has them. */
  waiting: { campaign: string; job: string; reason: string }[];
}

export interface Assignment {
  campaign: string;
  job: string;
  shardIndex: number;
  agent: string;
  lane: string;
}

/** ENGINE:MODEL, the name affinity goes by. */
export const modelKey = (job: { engine: EngineKind; model: string }): string => `${job.engine}:${job.model}`;
