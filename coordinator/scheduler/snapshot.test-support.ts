/** Agents and jobs for tests, with what a test does not care about filled in. */
import { PendingShards } from "./pending.js";
import { type IndexRange, IndexSet } from "./ranges.js";
import type { AgentSnapshot, Assignment, Capability, JobSnapshot, LaneSnapshot } from "./snapshot.js";

type LaneMore = Partial<Omit<LaneSnapshot, "lane" | "held">> & {
  lane: string;
  slots?: number;
  deviceClass?: string;
  held?: { [campaign: string]: number };
};
export type AgentMore = Partial<Omit<AgentSnapshot, "lanes" | "capability">> & {
  lanes?: LaneMore[];
  engines?: Capability["engines"];
};

/** A ready agent with one free CPU slot, two credits and an Ollama that can serve everything. */
export function agent(id: string, more: AgentMore = {}): AgentSnapshot {
  const { lanes = [{ lane: "cpu" }], engines = [{ kind: "ollama", models: [] }], ...rest } = more;
  return {
    id,
    state: "READY",
    cordoned: false,
    capability: {
      engines,
      lanes: lanes.map(({ lane, slots = 1, deviceClass = lane }) => ({ lane, slots, deviceClass })),
    },
    lanes: lanes.map(({ slots: _, deviceClass: __, held = {}, ...lane }) => {
      return { credits: 2, ...lane, held: new Map(Object.entries(held).filter(([, n]) => n > 0)) };
    }),
    loadedModels: [],
    ...rest,
  };
}

export type JobMore = Partial<Omit<JobSnapshot, "pending">> & {
  /** Never tried; a number means the first so many. */
  pending?: number | IndexRange[];
  retries?: { index: number; failedOn: readonly string[] }[];
  /** Failed and not due yet. */
  later?: number[];
};

/** A job of ten shards of model `a` that any such agent can run. */
export function job(campaign: string, id: string, more: JobMore = {}): JobSnapshot {
  const { pending = 10, retries = [], later = [], ...rest } = more;
  const shards = new PendingShards(
    typeof pending === "number" ? IndexSet.first(pending) : IndexSet.of(pending),
  );
  for (const { index, failedOn } of retries) shards.addFailed(index, failedOn, 0);
  shards.ripen(0);
  for (const index of later) shards.addFailed(index, ["n1"], 1);
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
}

/** Each shard of a plan as `NODE:CAMPAIGN/JOB#INDEX`. */
export const listed = (assignments: readonly Assignment[]): string[] =>
  assignments.flatMap(({ agent: node, campaign, job: id, first, count }) =>
    Array.from({ length: count }, (_, i) => `${node}:${campaign}/${id}#${first + i}`),
  );
