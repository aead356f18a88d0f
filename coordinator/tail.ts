/**
 * Looks at jobs that come to their end for what scheduler/tail.ts decides about: attempts that wait although a node is
 * free, and attempts that run far longer than the others of their job. Each shard is taken back once and duplicated once
 * at most under one leader.
 *
 * Costs nothing while no lane is free without work; then as much as the fleet holds attempts, a few times a second.
 */
import type { Fence } from "../shared/domain/fence.js";
import { sameFence } from "../shared/domain/fence.js";
import type { Board, JobEntry, ShardKey } from "./campaigns/board.js";
import { isTimed, maySample } from "./job-needs.js";
import type { Draft } from "./scheduler/draft.js";
import type { Job } from "./scheduler/queues.js";
import {
  longMs,
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

/** A job is at its end when so much of it is done. */
const DONE_SHARE = 0.9;

export function planTail(draft: Draft, board: Board, fleet: Fleet, nowMs: number): TailPlan {
  const plan: TailPlan = { takeBack: [], duplicates: [] };
  const free = openings(draft);
  if (free.length === 0) return plan;
  const pools = new Set(free.map(({ lane }) => lane.pool));
  const ending = new Map<JobEntry, { job: Job; p75Ms: number | undefined }>();
  for (const job of draft.standing.running()) {
    const entry = board.job(job.snapshot.campaign, job.snapshot.job);
    if (entry?.state.kind !== "RUNNING" || !job.queue.requirement.pools.some((pool) => pools.has(pool)))
      continue;
    const p75Ms = mayDuplicate(entry) ? p75Of(entry.times) : undefined;
    const { ASSIGNED, ACCEPTED } = entry.counters.kinds;
    if (ASSIGNED + ACCEPTED > 0 || p75Ms !== undefined) ending.set(entry, { job, p75Ms });
  }
  if (ending.size === 0) return plan;
  const { waiting, running } = collect(board, fleet, ending, nowMs);
  const fences = new Map<string, Fence[]>();
  for (const { agent, entry, index, fence } of toTakeBack(draft, free, waiting) as Waiting[]) {
    entry.takenBack.add(index);
    fences.set(agent, [...(fences.get(agent) ?? []), fence]);
  }
  for (const [agent, some] of fences) plan.takeBack.push({ agent, fences: some });
  for (const { of, lane } of toDuplicate(draft, free, running)) {
    const { shard, entry, forMs } = of as Running;
    plan.duplicates.push({ shard, entry, forMs, agent: lane.agent, lane: lane.pool.kind });
  }
  return plan;
}

/** Duplicates must not change what comes out: neither times that are compared, nor which of several answers counts. */
function mayDuplicate({ spec, done, shards, counters }: JobEntry): boolean {
  if (counters.kinds.RUNNING === 0 || done.size < DONE_SHARE * shards.length) return false;
  return !isTimed(spec) && !maySample(spec);
}

function collect(
  board: Board,
  fleet: Fleet,
  ending: ReadonlyMap<JobEntry, { job: Job; p75Ms: number | undefined }>,
  nowMs: number,
): { waiting: Waiting[]; running: Running[] } {
  const waiting: Waiting[] = [];
  const running: Running[] = [];
  for (const { id: agent, attempts } of fleet.list()) {
    for (const { shard, fence, lane } of attempts.values()) {
      const entry = board.job(shard.campaign, shard.job);
      const state = entry?.shards[shard.index];
      const of = entry && ending.get(entry);
      if (!of || !state || !("agent" in state) || !sameFence(state.fence, fence)) continue;
      const { job, p75Ms } = of;
      const placed = { job, agent, lane, index: shard.index, failedOn: state.failedOn };
      if (state.kind === "ASSIGNED" || state.kind === "ACCEPTED") {
        if (!entry.takenBack.has(shard.index)) waiting.push({ ...placed, entry, fence });
      } else if (state.kind === "RUNNING" && p75Ms !== undefined && !entry.duplicated.has(shard.index)) {
        const forMs = nowMs - state.sinceMs;
        if (forMs > longMs(p75Ms)) running.push({ ...placed, entry, shard, forMs, p75Ms });
      }
    }
  }
  return { waiting, running };
}
