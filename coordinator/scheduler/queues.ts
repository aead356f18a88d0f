/**
 * Work as the scheduler chooses among it: a queue for each campaign and requirement (what a node must have), its jobs
 * in plan order. Choosing costs by queues, not by jobs or shards.
 */
import type { Feasible, Needs } from "./feasible.js";
import type { AgentClass, Pool } from "./lanes.js";
import { type JobSnapshot, modelKey, type WaitingCode } from "./snapshot.js";

/** What some jobs ask of a node, and who has it. */
export class Requirement {
  readonly needs: Needs;
  /** ENGINE:MODEL. */
  readonly model: string;
  /** The model to stay on; `""` when changing to it costs nothing. */
  readonly affinity: string;
  readonly matches = new Map<AgentClass, Feasible>();
  /** Where it can run, by key. */
  pools: readonly Pool[] = [];
  /** By campaign. */
  readonly queues = new Map<string, Queue>();
  /** Shards to be given out. */
  ready = 0;
  /** Shards that ran, and the sum of their times, µs. */
  readonly ran = { shards: 0, us: 0 };

  constructor(
    readonly key: string,
    job: JobSnapshot,
  ) {
    this.needs = job;
    this.model = modelKey(job);
    this.affinity = job.modelLoads ? this.model : "";
  }

  /** How long a shard takes, ms; undefined before any ran. */
  get shardMs(): number | undefined {
    return this.ran.shards === 0 ? undefined : this.ran.us / 1000 / this.ran.shards;
  }

  /** Agents that could run it and take work. */
  get feasibleAgents(): number {
    let sum = 0;
    for (const [{ able }, match] of this.matches) if (match.ok) sum += able;
    return sum;
  }
}

export const requirementKey = (job: JobSnapshot): string => {
  const { engine, model, modelLoads, lanes, deviceClass, namesServer, managed, fetches } = job;
  const offered = [namesServer ?? false, managed ?? false, fetches ?? false];
  return JSON.stringify([engine, model, modelLoads, lanes, deviceClass ?? null, ...offered]);
};

export interface Campaign {
  readonly id: string;
  readonly tenant: string;
  readonly priority: number;
  readonly createdMs: number;
  /** Its jobs in the snapshot. */
  jobs: number;
  readonly queues: Set<Queue>;
  /** Attempts of it on nodes. */
  attempts: number;
  /** Its shards to be given out. */
  ready: number;
  /** Its shards that ran, and the sum of their times, µs. */
  readonly ran: { shards: number; us: number };
}

export interface Job {
  snapshot: JobSnapshot;
  readonly queue: Queue;
  /** Shards to be given out; 0 while it is not offered. */
  ready: number;
}

export class Queue {
  /** All of its jobs in the snapshot. */
  readonly all = new Set<Job>();
  /** Those with shards to be given out, in plan order. */
  readonly jobs: Job[] = [];
  ready = 0;
  /** When any of its jobs was last served: a job behind another of its kind does not wait for a model. */
  sinceMs = Number.NEGATIVE_INFINITY;

  constructor(
    readonly campaign: Campaign,
    readonly requirement: Requirement,
  ) {}

  /** Brings in what a job has ready now. */
  offer(job: Job, ready: number): void {
    if (job.ready === 0 && ready > 0) this.jobs.splice(this.at(job), 0, job);
    if (job.ready > 0 && ready === 0) this.jobs.splice(this.at(job), 1);
    this.ready += ready - job.ready;
    this.requirement.ready += ready - job.ready;
    this.campaign.ready += ready - job.ready;
    job.ready = ready;
  }

  /** Looks again at when its jobs were served. */
  lookAtTimes(): void {
    this.sinceMs = Number.NEGATIVE_INFINITY;
    for (const { snapshot } of this.all) this.sinceMs = Math.max(this.sinceMs, snapshot.waitingSinceMs);
  }

  private at(job: Job): number {
    const { jobs } = this;
    let [low, high] = [0, jobs.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((jobs[middle]?.snapshot.job ?? "") < job.snapshot.job) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** When a campaign was last served where a queue of it could run, as far as its other jobs tell. */
export function servedMs({ campaign, requirement: { pools } }: Queue): number {
  let ms = Number.NEGATIVE_INFINITY;
  for (const { sinceMs, requirement } of campaign.queues)
    if (
      sinceMs > ms &&
      (requirement.pools === pools || requirement.pools.every((pool) => pools.includes(pool)))
    )
      ms = sinceMs;
  return ms;
}

/** Never 0 for different queues. */
export function byName(a: Queue, b: Queue): number {
  if (a.campaign.id !== b.campaign.id) return a.campaign.id < b.campaign.id ? -1 : 1;
  if (a.requirement.key !== b.requirement.key) return a.requirement.key < b.requirement.key ? -1 : 1;
  return 0;
}

/** Why a job is not offered to anybody; undefined if it is. */
export function blocked(job: JobSnapshot): { code: WaitingCode; message: string } | undefined {
  if (job.paused) return { code: "paused", message: "its campaign is paused" };
  if (job.gate === undefined) return { code: "gate_closed", message: "its gate is not open yet" };
  if (job.held) return { code: "held_back", message: "held until known nodes have reconnected" };
  if (job.overBudget)
    return { code: "budget", message: "its campaign's budget leaves no room for more than what runs" };
  if (job.after)
    return { code: "after_others", message: "a load runs alone in its campaign: others go first" };
  return undefined;
}
