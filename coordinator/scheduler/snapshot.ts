/**
 * What the scheduler sees and what it answers. Deciding reads the one and makes the other, so that it is a pure
 * function of the snapshot and the time.
 */
import type { EngineKind } from "../../shared/benchmark/plan.js";
import type { AgentKind } from "../../shared/domain/agent.js";
import type { ReadonlyPending } from "./pending.js";

/** The tenant of campaigns that name none. */
export const DEFAULT_TENANT = "default";

export interface Snapshot {
  agents: readonly AgentSnapshot[];
  /** Jobs with pending shards or attempts on agents; others may be left out. */
  jobs: readonly JobSnapshot[];
  options: SchedulerOptions;
}

export interface SchedulerOptions {
  /** A campaign that got nothing for this long takes a lane over from another; about four loads of a model. */
  maxWaitMs: number;
  /** How long loading a model takes; default a quarter of `maxWaitMs`. */
  loadMs?: number;
  /** Work that got nothing for this long goes first whatever its priority; default five times `maxWaitMs`. */
  starvedAfterMs?: number;
  /** Shards that one plan gives out at most, so that making and applying it takes a bounded time; default any number. */
  mostShards?: number;
  /** Share of each tenant beside the others; 1 where none is named. */
  tenantWeights?: ReadonlyMap<string, number>;
  /** Attempts a tenant may have on nodes at once; without one as many as there is room for. */
  tenantLimits?: ReadonlyMap<string, number>;
}

export interface AgentSnapshot {
  id: string;
  state: AgentKind;
  cordoned: boolean;
  /** Failures cling to it. */
  quarantined?: boolean;
  capability: Capability;
  /** One for each lane of its capability. */
  lanes: readonly LaneSnapshot[];
  /** ENGINE:MODEL, as its last heartbeat said. */
  loadedModels: readonly string[];
}

/** What an agent could run, whatever it does now. Agents may share one object; it is cheaper then. */
export interface Capability {
  engines: readonly EngineSnapshot[];
  lanes: readonly LaneCapability[];
}

export interface LaneCapability {
  /** A device kind such as cpu, or remote. */
  lane: string;
  /** Attempts it runs at once, at least 1. */
  slots: number;
  /** Class of its devices, such as `cpu` or `nvidia-h200`. */
  deviceClass: string;
}

export interface EngineSnapshot {
  /** An EngineKind, or what `managedKind` makes of one. */
  kind: string;
  /** Names it can serve; empty if it cannot say, and then it is given the benefit of the doubt. */
  models: readonly string[];
  /** Why it cannot be used; absent if it can. */
  unavailable?: string;
}

export interface LaneSnapshot {
  lane: string;
  /** Attempts the agent would take now: offered and not yet used. */
  credits: number;
  /** Attempts it was given that have not ended, by campaign. */
  held: ReadonlyMap<string, number>;
  /** How long those are thought to take in all, ms; `USUAL_MS` each where it is not said. */
  heldMs?: ReadonlyMap<string, number>;
  /** ENGINE:MODEL of the last attempt sent to it, for models that are loaded. */
  lastModel?: string;
  /** Monotonic ms since when `lastModel` is that. */
  modelSinceMs?: number;
  /** Monotonic ms when it last served work that had starved. */
  rescuedMs?: number;
}

export interface JobSnapshot {
  tenant: string;
  campaign: string;
  job: string;
  /** The campaign's; higher goes first within its tenant. */
  priority: number;
  /** The campaign's, wall ms; older goes first. */
  createdMs: number;
  engine: EngineKind;
  /** The engine's name for the model. */
  model: string;
  /** The suite says which server to ask, so what the agent's own one offers does not matter. */
  namesServer?: boolean;
  /** On a server that the agent starts, of an engine that can also ask those of others. */
  managed?: boolean;
  /** A model that is not there is fetched, so what is there does not matter. */
  fetches?: boolean;
  /** Whether changing to this model costs a load; false for remote servers and engines without weights. */
  modelLoads: boolean;
  /** Lanes it may use. */
  lanes: readonly string[];
  /** Only devices of this class; for jobs whose times are compared. */
  deviceClass?: string;
  /** Create revision of its gate; absent until it is open. */
  gate?: bigint;
  /** After a restart: it waits until the known nodes have reconnected. */
  held?: boolean;
  /** Its campaign is paused. */
  paused?: boolean;
  /** Its campaign's budget leaves no room for another shard of it, or none before what runs has ended. */
  overBudget?: boolean;
  /** It runs alone in its campaign, and jobs before it have not ended. */
  after?: boolean;
  pending: ReadonlyPending;
  /** Attempts of it on nodes now, of whatever state; 0 where it is not said. */
  inFlight?: number;
  /** Shards that ran, and how long all of them together took, ms; absent before the first. */
  ran?: { shards: number; ms: number };
  /** Monotonic ms: when it was last given to an agent, or could first have been. */
  waitingSinceMs: number;
}

export interface Schedule {
  assignments: Assignment[];
  /** Jobs with shards left, and why nobody has them. */
  waiting: JobWaiting[];
}

/** Shards first … first + count − 1 of a job. */
export interface Assignment {
  campaign: string;
  job: string;
  first: number;
  count: number;
  agent: string;
  lane: string;
  why: AssignmentReason;
}

export type AssignmentReason =
  /** Needs no model, or one that costs nothing to change to. */
  | "no_load"
  /** The lane stays on its model. */
  | "stays"
  /** The agent has the model loaded. */
  | "loaded"
  /** The lane had no work for its model; the model is loaded. */
  | "loads"
  /** The lane had work for its model, but this campaign was due; the model is loaded. */
  | "takes_over"
  /** It had waited too long. */
  | "starved"
  /** A second attempt of a shard that takes far longer than the others. */
  | "duplicate";

export interface JobWaiting {
  campaign: string;
  job: string;
  code: WaitingCode;
  /** For people. */
  message: string;
  /** Nodes that could not take it, by reason. */
  nodes: NodesWaiting[];
}

export type WaitingCode =
  | "gate_closed"
  | "held_back"
  | "after_others"
  | "budget"
  | "paused"
  | "retry_later"
  | "quota"
  | "no_nodes"
  | "no_feasible_node"
  | "failed_there"
  | "saves_a_load"
  | "next"
  | "busy";

export interface NodesWaiting {
  code: NodeCode;
  /** What is so of each of them, such as `is cordoned`. */
  message: string;
  /** The first few, by id. */
  nodes: string[];
  count: number;
}

export type NodeCode =
  | "not_ready"
  | "cordoned"
  | "quarantined"
  | "no_engine"
  | "engine_unavailable"
  | "model_not_served"
  | "no_device"
  | "other_device_class"
  | "failed_there"
  | "other_model"
  | "next"
  | "busy";

/** How long a shard is thought to take before anything is known, ms: shard size aims at this. */
export const USUAL_MS = 30_000;

/** ENGINE:MODEL, the name affinity goes by. */
export const modelKey = (job: { engine: EngineKind; model: string }): string => `${job.engine}:${job.model}`;
