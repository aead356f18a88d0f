/** Whether a leader's board agrees with itself: counters with states, queues with shards. */
import { type Board, type JobEntry, tallyJob } from "../../coordinator/campaigns/board.js";
import type { ShardKind } from "../../shared/domain/shard.js";

/** What does not add up; undefined if everything does. */
export function boardProblem(board: Board): string | undefined {
  for (const { value, jobs } of board.list()) {
    for (const job of jobs) {
      const problem = jobProblem(job);
      if (problem !== undefined) return `${value.id}/${job.spec.id} ${problem}`;
    }
  }
  return undefined;
}

function jobProblem(job: JobEntry): string | undefined {
  const tally = tallyJob(job);
  for (const [name, n] of Object.entries(tally)) if (n < 0) return `has ${n} ${name}`;
  if (tally.samplesDone > tally.samples) return `has ${tally.samplesDone} of ${tally.samples} samples done`;
  // What has ended is not counted any more.
  if (job.state.kind !== "PLANNED" && job.state.kind !== "RUNNING" && job.state.kind !== "PAUSED")
    return undefined;
  const kinds = new Map<ShardKind, number>();
  let held = 0;
  for (const shard of job.shards) {
    kinds.set(shard.kind, (kinds.get(shard.kind) ?? 0) + 1);
    if ("agent" in shard) held += 1;
  }
  if (job.inFlight !== held) return `counts ${job.inFlight} shards in flight, ${held} are`;
  const pending = kinds.get("PENDING") ?? 0;
  if (job.pending.size !== pending) return `would try ${job.pending.size} shards, ${pending} are pending`;
  for (const [kind, n] of Object.entries(job.counters.kinds))
    if ((kinds.get(kind as ShardKind) ?? 0) !== n) return `counts ${n} shards ${kind}`;
  return undefined;
}
