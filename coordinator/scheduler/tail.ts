/**
 * The end of a job, when nodes become free for which a plan has nothing: what waits on one node and could run on another at
 * once is taken back, and a shard that takes far longer than the others gets a duplicate. Like plans, both are decided
 * from what stands and change nothing.
 *
 * 1. Only lanes with a free slot that no work is offered to take part.
 * 2. A lane that would have to load the model gets something only when that is sooner than waiting for those that have it,
 *    and worth it by the rule that plans go by.
 * 3. A duplicate goes to another node of the same device class, within its tenant's quota, and not where the shard failed.
 * 4. A look costs what is moved and what is looked at in vain, which is bounded: the next goes on where it ended. How much
 *    the fleet holds makes no difference.
 */
import type { Draft } from "./draft.js";
import type { Lane, Pool } from "./lanes.js";
import type { Job } from "./queues.js";
import { USUAL_MS } from "./snapshot.js";
import type { Standing } from "./standing.js";

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

/** What a look may cost, and where it begins (invariant 4). */
export interface Look {
  /** Lanes and attempts that may still be looked at, and openings compared with them. */
  left: number;
  /** The last lane that was looked at. */
  after: Lane | undefined;
}

/** More are not filled in one look. */
const MOST_OPENINGS = 100;
/** Shards that wait shorter are there before they could be anywhere else, ms. */
const SOON_MS = 250;
/** A load is worth it on a lane that will work on the model for so many times as long. */
const PAYS = 4;
/** Run times that say what is long for a job, and shorter ones are never too long, ms. */
const TIMES = 3;
const LONG_MS = 1000;

/** Lanes with free slots that the plan leaves free (invariant 1); none while it is full, as another is to follow. */
export function openings(draft: Draft): Opening[] {
  const found: Opening[] = [];
  if (draft.full) return found;
  for (const pool of draft.standing.pools()) {
    const { lanes } = pool.idle.all;
    const queues = lanes.length === 0 ? [] : pool.queues.queues.filter((queue) => draft.open(queue) > 0);
    if (queues.some((queue) => draft.offersAll(queue))) continue;
    for (const lane of lanes) {
      const free = draft.idle(lane);
      if (free <= 0 || queues.some((queue) => draft.offers(queue, lane.agent))) continue;
      found.push({ lane, free });
      if (found.length === MOST_OPENINGS) return found;
    }
  }
  return found;
}

/**
 * Attempts that have not begun and that openings should have; those are filled. `waitingOn` names the ones of a lane that
 * may be moved, the last first. Ends when all is filled, or `look` has nothing left (invariant 4).
 */
export function toTakeBack<T extends Placed>(
  draft: Draft,
  free: Opening[],
  look: Look,
  waitingOn: (lane: Lane) => Iterable<T>,
): T[] {
  const taken: T[] = [];
  const longest = longestFor(draft, free);
  for (const lane of lanesBehind(draft.standing, look.after)) {
    if (free.length === 0 || look.left <= 0) break;
    look.after = lane;
    look.left -= 1;
    let left = lane.held - lane.slots;
    const waitMs = (shardMs: number) => (left / lane.slots) * shardMs;
    let longestMs = 0;
    for (const campaign of lane.now.held.keys()) longestMs = Math.max(longestMs, longest(campaign));
    if (waitMs(longestMs) < SOON_MS) continue;
    const nowhere = new Set<Job>();
    for (const one of waitingOn(lane)) {
      if (left <= 0 || free.length === 0 || look.left <= 0) break;
      look.left -= 1;
      const ms = waitMs(one.job.queue.requirement.shardMs ?? USUAL_MS);
      if (nowhere.has(one.job) || ms < SOON_MS) continue;
      look.left -= free.length;
      const opening = openingFor(free, one, (other) => isSooner(draft, one, other, ms));
      if (opening === undefined) {
        if (one.failedOn.length === 0) nowhere.add(one.job);
        continue;
      }
      fill(free, opening);
      left -= 1;
      taken.push(one);
    }
  }
  return taken;
}

/** The longest time of a campaign's shards that openings could run, ms; 0 without any. */
function longestFor(draft: Draft, free: readonly Opening[]): (campaign: string) => number {
  const pools = new Set(free.map(({ lane }) => lane.pool));
  const known = new Map<string, number>();
  return (campaign) => {
    let ms = known.get(campaign);
    if (ms !== undefined) return ms;
    ms = 0;
    for (const { requirement } of draft.standing.campaigns.get(campaign)?.queues ?? [])
      if (requirement.pools.some((pool) => pools.has(pool)))
        ms = Math.max(ms, requirement.shardMs ?? USUAL_MS);
    known.set(campaign, ms);
    return ms;
  };
}

/** All lanes with attempts that wait for a slot, in turn: first those after one, last that one. */
function* lanesBehind(standing: Standing, after: Lane | undefined): Generator<Lane> {
  const pools = [...standing.pools()];
  const at = after === undefined ? 0 : Math.max(0, pools.indexOf(after.pool));
  const first = pools[at]?.behind;
  const split = after === undefined ? 0 : (first?.upTo(after.agent) ?? 0);
  yield* first?.lanes.slice(split) ?? [];
  for (let i = 1; i < pools.length; i++) yield* pools[(at + i) % pools.length]?.behind.lanes ?? [];
  yield* first?.lanes.slice(0, split) ?? [];
}

/** Which of the attempts that run too long get a duplicate, and where (invariant 3). */
export function toDuplicate(
  draft: Draft,
  free: Opening[],
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
    fill(free, opening);
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
  let cold: Opening | undefined;
  for (const opening of free) {
    const { lane } = opening;
    const warm = affinity === "" || lane.warm.includes(affinity);
    if ((cold && !warm) || lane.agent === agent || failedOn.includes(lane.agent)) continue;
    if (!(pools as readonly Pool[]).includes(lane.pool) || !suits(lane)) continue;
    if (warm) return opening;
    cold = opening;
  }
  return cold;
}

/** Takes a slot of an opening; one without is none. */
function fill(free: Opening[], opening: Opening): void {
  opening.free -= 1;
  if (opening.free <= 0) free.splice(free.indexOf(opening), 1);
}

const laneOf = ({ standing }: Draft, { agent, lane }: Placed): Lane | undefined =>
  standing.agents.get(agent)?.lanes.find(({ pool }) => pool.kind === lane);

const classOf = ({ standing }: Draft, { agent, pool }: Lane): string | undefined =>
  standing.agents.get(agent)?.class.capability.lanes.find(({ lane }) => lane === pool.kind)?.deviceClass;
