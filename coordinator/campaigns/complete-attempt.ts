/**
 * What becomes of attempts: results are committed (the first one wins), failures are counted and retried or given up.
 *
 * 1. An agent is told COMMITTED or NOTED only of what is durable; a store that is away delays the answer and fails
 *    nothing.
 * 2. An attempt fails once, however often it says so, and whoever says it again is answered when the first word is durable.
 */
import { recordsKey } from "../../shared/artifacts/store.js";
import type { Spent } from "../../shared/benchmark/budget.js";
import { isStatus } from "../../shared/benchmark/record.js";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import type { ShardEvent } from "../../shared/domain/shard.js";
import { sha256 as hashOf } from "../../shared/runtime/hash.js";
import type { DoneValue } from "../store/values.js";
import { type Board, type JobEntry, rangeOf, type ShardKey } from "./board.js";
import { attemptKey } from "./board-job.js";
import { tooMany, type Verdict } from "./commit-queue.js";
import type { CampaignParts } from "./parts.js";
import { failByDeath, lateDeath } from "./poison.js";
import { type AttemptFailure, applyEffects, limitsOf, shardEnded, shardEvent } from "./shard-steps.js";

export { type AttemptFailure, shardEvent } from "./shard-steps.js";

/** An attempt's result, as the session converts it. */
export interface AttemptResult {
  agent: string;
  fence: Fence;
  shard: ShardKey;
  gate: bigint;
  uri: string;
  sha256: string;
  sizeBytes: number;
  counts: { [status: string]: number };
  /** The records file itself, instead of `uri`. */
  inline?: Uint8Array;
  /** What it took; absent for nothing. */
  spent?: Spent;
}

/**
 * Commits a result; the verdict goes back to the agent. Rejects when there is no verdict yet (we do not lead any more, or
 * too much waits): nothing has changed then, and the agent, which keeps the result, sends it again.
 */
export async function completeAttempt(parts: CampaignParts, result: AttemptResult): Promise<Verdict> {
  const { shard, fence, agent } = result;
  const job = parts.board.job(shard.campaign, shard.job);
  if (job?.shards[shard.index] === undefined || job.gate === 0n || job.gate !== result.gate) return "CLOSED";
  const name = fenceText(fence);
  const known = job.done.get(shard.index);
  if (known !== undefined) {
    return known.kind === "result" && known.fence === name ? "COMMITTED" : "SUPERSEDED";
  }
  const problem = resultProblem(job, result, name);
  if (problem !== undefined) {
    parts.log.warn({ agent, ...shard, fence: name, problem }, "a result cannot be true; dropped");
    const message = `its result cannot be true: ${problem}`;
    await failAttempt(parts, shard, { agent, fence, class: "infra", message });
    return "CLOSED";
  }
  if (parts.commits.full) throw tooMany(parts.commits.waiting);
  const { uri, sha256, sizeBytes, counts, inline, spent } = result;
  const value: DoneValue = { kind: "result", fence: name, agent, uri, sha256, sizeBytes, counts };
  if (inline !== undefined) value.inline = inline;
  if (spent !== undefined) value.spent = spent;
  shardEvent(parts, shard, { kind: "upload", fence });
  const verdict = await parts.commits.commit(shard, result.gate, value);
  if (verdict === "COMMITTED") shardEnded(parts, shard, value, { kind: "commit", fence });
  return verdict;
}

/** What an agent's word about its result contradicts; undefined if it may be true. */
function resultProblem(job: JobEntry, result: AttemptResult, fence: string): string | undefined {
  const { shard, counts, inline } = result;
  if (!/^[0-9a-f]{64}$/.test(result.sha256)) return "its sha256 is none";
  if (inline === undefined) {
    const expected = recordsKey(shard.campaign, shard.job, shard.index, fence);
    if (result.uri !== expected) return `its records are at ${result.uri.slice(0, 200)}`;
  } else if (hashOf(inline) !== result.sha256) return "its records do not have the hash it gives";
  let records = 0;
  for (const status in counts) {
    if (!isStatus(status)) return `${JSON.stringify(status.slice(0, 40))} is no status`;
    records += counts[status] ?? 0;
  }
  const samples = rangeOf(job, shard.index).count;
  return records === samples ? undefined : `it has ${records} records for ${samples} samples`;
}

/**
 * Counts a failure and retries the shard elsewhere or gives it up; resolves when that is durable, with whether it counts:
 * once, however often it is told, and not when a sample is named for it.
 */
export async function failAttempt(
  parts: CampaignParts,
  shard: ShardKey,
  failure: AttemptFailure,
): Promise<boolean> {
  const { fence, message, items = [] } = failure;
  if (toldFailure(parts.board, shard, fence) !== undefined) await lateFailure(parts, shard, failure);
  return failOnce(parts, shard, fence, async (job) => {
    if (failure.class === "poison" && items.length > 0) return failByDeath(parts, job, shard, failure, items);
    // A death with nothing in flight says nothing about any sample.
    const of = failure.class === "poison" ? "infra" : failure.class;
    const event: ShardEvent = { kind: "fail", fence, class: of, message, limits: limitsOf(job) };
    await applyEffects(parts, job, shard, failure, shardEvent(parts, shard, event));
  });
}

/** A failure of an attempt that is over for us: no shard moves; resolves when its agent may forget it. */
export async function lateFailure(
  parts: CampaignParts,
  shard: ShardKey,
  failure: AttemptFailure,
): Promise<void> {
  await toldFailure(parts.board, shard, failure.fence);
  const { class: of, items = [] } = failure;
  // What killed the engine is evidence all the same.
  if (of === "poison" && items.length > 0) await lateDeath(parts, shard, failure, items);
}

/** The agent that held it does not come back; resolves when that is durable. */
export async function expireAttempt(
  parts: CampaignParts,
  shard: ShardKey,
  agent: string,
  fence: Fence,
): Promise<void> {
  await failOnce(parts, shard, fence, async (job) => {
    shardEvent(parts, shard, { kind: "orphan", fence });
    const expired = shardEvent(parts, shard, { kind: "expire", fence, limits: limitsOf(job) });
    await applyEffects(parts, job, shard, { agent, cause: "node_lost" }, expired);
  });
}

/**
 * Invariant 2. One that was counted and went on all the same (its agent was lost, or a leader that knows only the record
 * took it for running) goes elsewhere at no further cost.
 */
async function failOnce(
  parts: CampaignParts,
  shard: ShardKey,
  fence: Fence,
  fail: (job: JobEntry) => Promise<void>,
): Promise<boolean> {
  const job = parts.board.job(shard.campaign, shard.job);
  if (job === undefined) return false;
  const told = toldFailure(parts.board, shard, fence);
  if (told !== undefined) {
    await told;
    shardEvent(parts, shard, {
      kind: "withdraw",
      fence,
      reason: "its failure counts already",
      notify: false,
    });
    return false;
  }
  const name = attemptKey(shard.index, fence);
  const durable = fail(job);
  job.failing.set(name, durable);
  try {
    await durable;
    return job.failed.has(name);
  } catch (error) {
    job.failed.delete(name);
    throw error;
  } finally {
    job.failing.delete(name);
  }
}

/** A failure of an attempt that was told or counted before; resolves when it is durable. */
export function toldFailure(board: Board, shard: ShardKey, fence: Fence): Promise<void> | undefined {
  const job = board.job(shard.campaign, shard.job);
  const name = attemptKey(shard.index, fence);
  return job?.failing.get(name) ?? (job?.failed.has(name) ? Promise.resolve() : undefined);
}
