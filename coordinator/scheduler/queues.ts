/**
 * Pending shards, grouped as the scheduler chooses among them: one queue for each campaign and requirement (model,
 * lanes, device class), its jobs in plan order. Choosing costs by queues, not by jobs or shards.
 */
import { feasible, mayRetryOn } from "./feasible.js";
import { type AgentSnapshot, type JobSnapshot, modelKey, type WaitingCode } from "./snapshot.js";

/** A campaign's share within one call: fewer attempts in flight go first. */
export interface Share {
  inFlight: number;
}

export interface Requirement {
  readonly model: string;
  readonly modelLoads: boolean;
  /** Lanes by agent that can run it. */
  readonly lanesByAgent: ReadonlyMap<string, readonly string[]>;
  readonly feasibleAgents: readonly string[];
  /** Why the others cannot. */
  readonly reasons: readonly string[];
}

/** What is left of one job. */
class Remaining {
  readonly job: JobSnapshot;
  readonly #retries: { index: number; failedOn: readonly string[] }[] = [];
  #range = 0;
  #next: number;

  constructor(job: JobSnapshot) {
    this.job = job;
    for (const { failedOn, shards } of job.pending.retries) {
      for (const { from, to } of shards.ranges) {
        for (let index = from; index < to; index++) this.#retries.push({ index, failedOn });
      }
    }
    this.#next = job.pending.untried.ranges[0]?.from ?? 0;
  }

  get empty(): boolean {
    return this.#retries.length === 0 && this.#range >= this.job.pending.untried.ranges.length;
  }

  take(agent: string, feasibleAgents: readonly string[]): number | undefined {
    const at = this.#retries.findIndex((r) => mayRetryOn(agent, r.failedOn, feasibleAgents));
    if (at >= 0) return this.#retries.splice(at, 1)[0]?.index;
    const range = this.job.pending.untried.ranges[this.#range];
    if (!range) return undefined;
    const index = this.#next++;
    if (this.#next >= range.to) {
      this.#range++;
      this.#next = this.job.pending.untried.ranges[this.#range]?.from ?? 0;
    }
    return index;
  }
}

export class Queue {
  readonly campaign: string;
  readonly priority: number;
  readonly createdMs: number;
  readonly requirement: Requirement;
  readonly share: Share;
  /** When any of its jobs was last served: a job behind another of its kind does not wait for a model. */
  waitingSinceMs: number;
  #jobs: Remaining[] = [];
  /** Agents that can take nothing more from it; that only grows within a call. */
  readonly #exhausted = new Set<string>();

  constructor(job: JobSnapshot, requirement: Requirement, share: Share) {
    this.campaign = job.campaign;
    this.priority = job.priority;
    this.createdMs = job.createdMs;
    this.requirement = requirement;
    this.share = share;
    this.waitingSinceMs = job.waitingSinceMs;
  }

  add(job: JobSnapshot): void {
    this.#jobs.push(new Remaining(job));
    this.waitingSinceMs = Math.max(this.waitingSinceMs, job.waitingSinceMs);
  }

  /** Whether `take` on this lane may still find something. */
  offers(agent: string, lane: string): boolean {
    if (this.#jobs.length === 0 || this.#exhausted.has(agent)) return false;
    return this.requirement.lanesByAgent.get(agent)?.includes(lane) ?? false;
  }

  take(agent: string): { job: JobSnapshot; index: number } | undefined {
    for (const remaining of this.#jobs) {
      const index = remaining.take(agent, this.requirement.feasibleAgents);
      if (index === undefined) continue;
      if (remaining.empty) this.#jobs = this.#jobs.filter((r) => r !== remaining);
      return { job: remaining.job, index };
    }
    this.#exhausted.add(agent);
    return undefined;
  }

  /** Jobs that still have shards. */
  left(): JobSnapshot[] {
    return this.#jobs.map((r) => r.job);
  }
}

/** Queues by priority, then age; jobs whose gate is not open are left out. */
export function makeQueues(agents: readonly AgentSnapshot[], jobs: readonly JobSnapshot[]): Queue[] {
  const inFlight = (campaign: string) =>
    agents.reduce((sum, a) => sum + a.lanes.reduce((n, l) => n + (l.held.get(campaign) ?? 0), 0), 0);
  const requirements = new Map<string, Requirement>();
  const shares = new Map<string, Share>();
  const queues = new Map<string, Queue>();
  for (const job of [...jobs].sort((a, b) => order(a.campaign, b.campaign) || order(a.job, b.job))) {
    const share = shares.get(job.campaign) ?? { inFlight: inFlight(job.campaign) };
    shares.set(job.campaign, share);
    if (blocked(job) !== undefined || job.pending.ready === 0) continue;
    const { engine, model, modelLoads, lanes, deviceClass, namesServer } = job;
    const name = JSON.stringify([
      engine,
      model,
      modelLoads,
      lanes,
      deviceClass ?? null,
      namesServer ?? false,
    ]);
    const requirement = requirements.get(name) ?? requirementOf(agents, job);
    requirements.set(name, requirement);
    const queue = queues.get(job.campaign + name) ?? new Queue(job, requirement, share);
    queues.set(job.campaign + name, queue);
    queue.add(job);
  }
  return [...queues.values()].sort(
    (a, b) => b.priority - a.priority || a.createdMs - b.createdMs || order(a.campaign, b.campaign),
  );
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function requirementOf(agents: readonly AgentSnapshot[], job: JobSnapshot): Requirement {
  const lanesByAgent = new Map<string, readonly string[]>();
  const reasons: string[] = [];
  for (const agent of agents) {
    const answer = feasible(agent, job);
    if (answer.ok) lanesByAgent.set(agent.id, answer.lanes);
    else reasons.push(answer.reason);
  }
  const feasibleAgents = [...lanesByAgent.keys()];
  return { model: modelKey(job), modelLoads: job.modelLoads, lanesByAgent, feasibleAgents, reasons };
}

/** Why a job is not offered to anybody; undefined if it is. */
export function blocked(job: JobSnapshot): { code: WaitingCode; message: string } | undefined {
  if (job.paused) return { code: "paused", message: "its campaign is paused" };
  if (job.gate === undefined) return { code: "gate_closed", message: "its gate is not open yet" };
  if (job.held) return { code: "held_back", message: "held until known nodes have reconnected" };
  if (job.pending.ready === 0 && job.pending.waiting > 0)
    return {
      code: "retry_later",
      message: "its shards failed and wait a little before they are tried again",
    };
  return undefined;
}
