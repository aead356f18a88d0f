/**
 * The end of a job, when nodes become free for which a plan has nothing: what waits on one node and could run on another at
 * once is taken back, and a shard that takes far longer than the others gets a duplicate. Like plans, both are decided
 * from what stands and change nothing.
 *
 * 1. Only lanes with a free slot that no work is offered to take part.
 * 2. A lane that would have to load the model gets something only when that is sooner than waiting for those that have it,
 *    and worth it by the rule that plans go by.
 * 3. A duplicate goes to another node of the same device class, within its tenant's quota, and not where the shard failed.
 */
import type { Draft } from "./draft.js";
import type { Lane, Pool } from "./lanes.js";
import type { Job } from "./queues.js";
import { USUAL_MS } from "./snapshot.js";

export interface Opening {
  readonly lane: Lane;
  /** Free slots. */
  free: number;
}

/** An attempt on a node. */
export interface Placed {
  job: Job;
  agent: string;
  /** The lane's name. */
  lane: string;
  index: number;
  /** Nodes that failed its shard. */
  failedOn: readonly string[];
}

/** One that runs. */
export interface Straggler extends Placed {
  /** How long it has run, ms. */
  forMs: number;
  /** Three of four shards of the job take at most so long, ms. */
  p75Ms: number;
}

/** More are not looked at in one plan. */
const MOST_OPENINGS = 100;
/** Shards that wait shorter are there before they could be anywhere else, ms. */
const SOON_MS = 250;
/** A load is worth it on a lane that will work on the model for so many times as long. */
const PAYS = 4;
/** Run times that say what is long for a job, and shorter ones are never too long, ms. */
const TIMES = 3;
const LONG_MS = 1000;

/** Lanes with free slots that the plan leaves free (invariant 1). */
export function openings(draft: Draft): Opening[] {
  const found: Opening[] = [];
  for (const pool of draft.standing.pools()) {
    for (const lane of pool.idle.all.lanes) {
      const free = draft.idle(lane);
      if (free <= 0 || pool.queues.queues.some((queue) => draft.offers(queue, lane.agent))) continue;
      found.push({ lane, free });
      if (found.length === MOST_OPENINGS) return found;
    }
  }
  return found;
}

/** Of attempts that have not begun, in the order in which they were given out, those that openings should have. */
export function toTakeBack(draft: Draft, free: readonly Opening[], waiting: readonly Placed[]): Placed[] {
  const surplus = new Map<Lane, number>();
  const taken: Placed[] = [];
  for (const one of [...waiting].reverse()) {
    const holder = laneOf(draft, one);
    const left = holder && (surplus.get(holder) ?? holder.held - holder.slots);
    if (holder === undefined || left === undefined || left <= 0) continue;
    const waitMs = (left / holder.slots) * (one.job.queue.requirement.shardMs ?? USUAL_MS);
    if (waitMs < SOON_MS) continue;
    const opening = openingFor(free, one, (lane) => isSooner(draft, one, lane, waitMs));
    if (opening === undefined) continue;
    opening.free -= 1;
    surplus.set(holder, left - 1);
    taken.push(one);
  }
  return taken;
}

/** Which of the attempts that run too long get a duplicate, and where (invariant 3). */
export function toDuplicate(
  draft: Draft,
  free: readonly Opening[],
  running: readonly Straggler[],
): { of: Straggler; lane: Lane }[] {
  const { maxWaitMs, loadMs = maxWaitMs / 4 } = draft.standing.options;
  const quotas = new Map<string, number>();
  const made: { of: Straggler; lane: Lane }[] = [];
  for (const one of [...running].sort((a, b) => b.forMs / b.p75Ms - a.forMs / a.p75Ms)) {
    const { tenant } = one.job.queue.campaign;
    const quota = quotas.get(tenant) ?? draft.quotaLeft(tenant);
    const holder = laneOf(draft, one);
    const lateMs = one.forMs - longMs(one.p75Ms);
    if (holder === undefined || quota <= 0 || lateMs <= 0) continue;
    const { affinity } = one.job.queue.requirement;
    const opening = openingFor(free, one, (lane) => {
      if (classOf(draft, lane) !== classOf(draft, holder)) return false;
      return draft.isWarm(lane, affinity) || lateMs > loadMs;
    });
    if (opening === undefined) continue;
    opening.free -= 1;
    quotas.set(tenant, quota - 1);
    made.push({ of: one, lane: opening.lane });
  }
  return made;
}

/** Run times above it are too long where three of four shards take at most `p75Ms`. */
export const longMs = (p75Ms: number): number => Math.max(LONG_MS, 2 * p75Ms);

/** The time that three of four stay within, ms; undefined before enough is known. */
export function p75Of(times: readonly number[]): number | undefined {
  if (times.length < TIMES) return undefined;
  return [...times].sort((a, b) => a - b)[Math.ceil(times.length * 0.75) - 1];
}

/** Invariant 2. */
function isSooner(draft: Draft, { job }: Placed, lane: Lane, waitMs: number): boolean {
  const { affinity, pools, shardMs } = job.queue.requirement;
  if (draft.isWarm(lane, affinity)) return true;
  const { maxWaitMs, loadMs = maxWaitMs / 4 } = draft.standing.options;
  if (waitMs <= loadMs) return false;
  if (shardMs === undefined) return true;
  const on = pools.reduce((sum, pool) => sum + draft.slotsOn(pool, affinity), 0);
  return shardMs / (on + lane.slots) >= PAYS * loadMs;
}

/** An opening on another node, where the job can run; those that need no load first. */
function openingFor(
  free: readonly Opening[],
  { job, agent, failedOn }: Placed,
  suits: (lane: Lane) => boolean,
): Opening | undefined {
  const { affinity, pools } = job.queue.requirement;
  const may = free.filter(({ lane, free: slots }) => {
    if (slots <= 0 || lane.agent === agent || failedOn.includes(lane.agent)) return false;
    return (pools as readonly Pool[]).includes(lane.pool) && suits(lane);
  });
  return may.find(({ lane }) => affinity === "" || lane.warm.includes(affinity)) ?? may[0];
}

const laneOf = ({ standing }: Draft, { agent, lane }: Placed): Lane | undefined =>
  standing.agents.get(agent)?.lanes.find(({ pool }) => pool.kind === lane);

const classOf = ({ standing }: Draft, { agent, pool }: Lane): string | undefined =>
  standing.agents.get(agent)?.class.capability.lanes.find(({ lane }) => lane === pool.kind)?.deviceClass;
