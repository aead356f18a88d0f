/** Agents and jobs for tests, with what a test does not care about filled in. */
import { PendingShards } from "./pending.js";
import { type IndexRange, IndexSet } from "./ranges.js";
import type { AgentSnapshot, Capability, JobSnapshot } from "./snapshot.js";

export interface LaneText {
  lane: string;
  credits: number;
  deviceClass: string;
  lastModel?: string;
}
export type AgentMore = Partial<Omit<AgentSnapshot, "lanes" | "capability">> & {
  lanes?: LaneText[];
  engines?: Capability["engines"];
  held?: ReadonlyMap<string, number>;
};
/** A ready agent with one CPU slot, two credits and an Ollama that can serve everything. */
export const agent = (id: string, more: AgentMore = {}): AgentSnapshot => {
  const {
    lanes = [{ lane: "cpu", credits: 2, deviceClass: "cpu" }],
    engines = [{ kind: "ollama", models: [] }],
    held = new Map(),
    ...rest
  } = more;
  return {
    id,
    state: "READY",
    cordoned: false,
    capability: {
      engines,
      lanes: lanes.map(({ lane, deviceClass }) => ({ lane, deviceClass, slots: 1 })),
    },
    lanes: lanes.map(({ deviceClass: _, ...lane }) => ({ ...lane, held })),
    loadedModels: [],
    ...rest,
  };
};
export type Retry = { index: number; failedOn: readonly string[] };
export type JobMore = Partial<Omit<JobSnapshot, "pending">> & { pending?: IndexRange[]; retries?: Retry[] };
/** A job of ten shards of model `a` that any such agent can run. */
export const job = (campaign: string, id: string, more: JobMore = {}): JobSnapshot => {
  const { pending = [{ from: 0, to: 10 }], retries = [], ...rest } = more;
  const shards = new PendingShards(IndexSet.of(pending));
  for (const { index, failedOn } of retries) shards.addFailed(index, failedOn, 0);
  shards.ripen(0);
  return {
    tenant: "t",
    campaign,
    job: id,
    priority: 0,
    createdMs: 0,
    engine: "ollama",
    model: "a",
    modelLoads: true,
    lanes: ["cpu"],
    gate: 7n,
    pending: shards,
    waitingSinceMs: 0,
    ...rest,
  };
};
