/**
 * Looks at jobs that come to their end for what scheduler/tail.ts decides about: attempts that wait although a node is
 * free, and attempts that run far longer than the others of their job. Each shard is taken back once and duplicated once
 * at most under one leader.
 *
 * Costs nothing while no lane is free without work; then a bounded number of lanes and attempts, however many there are, and
 * a glance at each job that runs. What was not looked at has its turn the next time.
 */
import { type Fence, fenceText, sameFence } from "../shared/domain/fence.js";
import type { Board, JobEntry, ShardKey } from "./campaigns/board.js";
import { isTimed, maySample } from "./job-needs.js";
import type { Draft } from "./scheduler/draft.js";
import type { Lane } from "./scheduler/lanes.js";
import type { Job } from "./scheduler/queues.js";
import {
  type Look,
  longMs,
  type Opening,
  openings,
  type Placed,
  p75Of,
  type Straggler,
  toDuplicate,
  toTakeBack,
} from "./scheduler/tail.js";
import type { Fleet } from "./sessions/fleet.js";

interface Waiting extends Placed {
  entry: JobEntry;
  fence: Fence;
}

interface Running extends Straggler {
  entry: JobEntry;
  shard: ShardKey;
}

/** What is to be done. */
export interface TailPlan {
  takeBack: { agent: string; fences: Fence[] }[];
  duplicates: { shard: ShardKey; entry: JobEntry; agent: string; lane: string; forMs: number }[];
}

/** Where a look ended, for the next to go on. */
export interface TailLook extends Look {
  /** How manieth of the jobs that run was looked at last. */
  job: number;
}

/** Lanes, attempts and openings that one look may compare. */
export const MOST_COMPARED = 4000;
/** Attempts that run too long, more than there are openings for. */
const MOST_STRAGGLERS = 200;
/** A job is at its end when so much of it is done. */
const DONE_SHARE = 0.9;

export const newTailLook = (): TailLook => ({ left: 0, after: undefined, job: 0 });

/** Goes on where `look` says that the last one ended. */
export function planTail(draft: Draft, board: Board, fleet: Fleet, nowMs: number, look: TailLook): TailPlan {
  const plan: TailPlan = { takeBack: [], duplicates: [] };
  const free = openings(draft);
  if (free.length === 0) return plan;
  look.left = MOST_COMPARED;
  const fences = new Map<string, Fence[]>();
  const waitingOn = (lane: Lane) => waiting(draft, board, fleet, look, lane);
  for (const { agent, entry, index, fence } of toTakeBack(draft, free, look, waitingOn)) {
    entry.takenBack.add(index);
    const some = fences.get(agent) ?? [];
    fences.set(agent, some);
    some.push(fence);
  }
  for (const [agent, some] of fences) plan.takeBack.push({ agent, fences: some });
  if (free.length === 0) return plan;
  for (const { of, lane } of toDuplicate(draft, free, stragglers(draft, board, fleet, nowMs, look, free))) {
    const { shard, entry, forMs } = of as Running;
    plan.duplicates.push({ shard, entry, forMs, agent: lane.agent, lane: lane.pool.kind });
  }
  return plan;
}

/** Attempts that a lane has and has not begun, the last first. */
function* waiting(draft: Draft, board: Board, fleet: Fleet, look: Look, lane: Lane): Generator<Waiting> {
  const attempts = [...(fleet.node(lane.agent)?.attempts.values() ?? [])];
  look.left -= attempts.length;
  for (const { shard, fence, lane: own } of attempts.reverse()) {
    if (own !== lane.pool.kind) continue;
    const { campaign, job: id, index } = shard;
    const entry = board.job(campaign, id);
    const state = entry?.shards[index];
    if (entry?.state.kind !== "RUNNING" || entry.takenBack.has(index)) continue;
    if (state?.kind !== "ASSIGNED" && state?.kind !== "ACCEPTED") continue;
    const job = draft.standing.job(campaign, id);
    if (job === undefined || !sameFence(state.fence, fence)) continue;
    yield { ...{ job, agent: lane.agent, lane: own, index, failedOn: state.failedOn }, entry, fence };
  }
}

/** Of jobs at their end that openings could run, the attempts that run too long. */
function stragglers(
  draft: Draft,
  board: Board,
  fleet: Fleet,
  nowMs: number,
  look: TailLook,
  free: readonly Opening[],
): Running[] {
  const pools = new Set(free.map(({ lane }) => lane.pool));
  const jobs = [...draft.standing.running()];
  const found: Running[] = [];
  for (let i = 0; i < jobs.length && found.length < MOST_STRAGGLERS; i++) {
    look.job = (look.job + 1) % jobs.length;
    const job = jobs[look.job] as Job;
    if (!job.queue.requirement.pools.some((pool) => pools.has(pool))) continue;
    const { campaign, job: id } = job.snapshot;
    const entry = board.job(campaign, id);
    if (entry?.state.kind === "RUNNING" && mayDuplicate(entry)) overdue(fleet, job, entry, nowMs, found);
  }
  return found;
}

/** Adds a job's attempts that run too long and have no duplicate yet; costs as many as there are. */
function overdue(fleet: Fleet, job: Job, entry: JobEntry, nowMs: number, found: Running[]): void {
  const { campaign, job: id } = job.snapshot;
  let p75Ms: number | undefined;
  for (const index of entry.begun) {
    const state = entry.shards[index];
    if (state?.kind !== "RUNNING" || found.length === MOST_STRAGGLERS) return;
    const forMs = nowMs - state.sinceMs;
    if (forMs <= longMs(p75Ms ?? 0)) return; // those after it began later
    p75Ms ??= p75Of(entry.times);
    if (p75Ms === undefined || forMs <= longMs(p75Ms)) return;
    const { agent, fence, failedOn } = state;
    const lane = fleet.node(agent)?.attempts.get(fenceText(fence))?.lane;
    if (lane === undefined || entry.duplicated.has(index)) continue;
    const shard = { campaign, job: id, index };
    found.push({ ...{ job, agent, lane, index, failedOn, forMs, p75Ms }, entry, shard });
  }
}

/** Duplicates must not change what comes out: neither times that are compared, nor which of several answers counts. */
function mayDuplicate({ spec, begun, done, shards }: JobEntry): boolean {
  if (begun.size === 0 || done.size < DONE_SHARE * shards.length) return false;
  return !isTimed(spec) && !maySample(spec);
}
