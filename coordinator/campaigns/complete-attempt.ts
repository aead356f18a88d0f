/**
 * What becomes of attempts: results are committed (the first one wins), failures are counted and retried or given up,
 * and a job whose last shard ended is finished.
 */

import { recordsKey } from "../../shared/artifacts/store.js";
import { count } from "../../shared/benchmark/count.js";
import { isAnswered, isStatus } from "../../shared/benchmark/record.js";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import { type FailureClass, RETRY_LIMITS, type RetryLimits } from "../../shared/domain/retry.js";
import type { ShardEffect, ShardEvent } from "../../shared/domain/shard.js";
import { errorText } from "../../shared/runtime/errors.js";
import { sha256 as hashOf } from "../../shared/runtime/hash.js";
import { createdAt, put } from "../store/fenced-store.js";
import { keys } from "../store/keys.js";
import type { DoneValue } from "../store/values.js";
import { detached } from "./background.js";
import {
  type CampaignEntry,
  countsOf,
  isComplete,
  type JobEntry,
  rangeOf,
  type ShardKey,
  tallyJob,
} from "./board.js";
import { setDone } from "./board-job.js";
import type { Verdict } from "./commit-queue.js";
import { finishJob } from "./lifecycle.js";
import { type CampaignParts, write } from "./parts.js";

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
  /** The records file, base64, instead of `uri`. */
  inline?: string;
}

/**
 * Commits a result; the verdict goes back to the agent. Rejects when it could not be written: the shard is tried again,
 * and the agent, which keeps the result, may send it once more; the first to commit counts.
 */
export async function completeAttempt(parts: CampaignParts, result: AttemptResult): Promise<Verdict> {
  const { shard, fence, agent } = result;
  const job = parts.board.job(shard.campaign, shard.job);
  if (job?.shards[shard.index] === undefined || job.gate !== result.gate) return "CLOSED";
  const infra = (message: string) => failAttempt(parts, shard, { agent, fence, class: "infra", message });
  const problem = resultProblem(job, result);
  if (problem !== undefined) {
    parts.log.warn({ agent, ...shard, fence: fenceText(fence), problem }, "a result cannot be true; dropped");
    await infra(`its result cannot be true: ${problem}`);
    return "CLOSED";
  }
  const { uri, sha256, sizeBytes, counts } = result;
  const value: DoneValue = {
    kind: "result",
    fence: fenceText(fence),
    agent,
    uri,
    sha256,
    sizeBytes,
    counts,
    ...(result.inline === undefined ? {} : { inline: result.inline }),
  };
  shardEvent(parts, shard, { kind: "upload", fence });
  let verdict: Verdict;
  try {
    verdict = await parts.commits.commit(shard, result.gate, value);
  } catch (error) {
    await infra(`its result could not be committed: ${errorText(error)}`);
    throw error;
  }
  if (verdict === "COMMITTED") shardEnded(parts, shard, value, { kind: "commit", fence });
  return verdict;
}

/** What an agent's word about its result contradicts; undefined if it may be true. */
function resultProblem(job: JobEntry, result: AttemptResult): string | undefined {
  const { shard, fence, counts } = result;
  const expected = recordsKey(shard.campaign, shard.job, shard.index, fenceText(fence));
  if (result.inline === undefined && result.uri !== expected)
    return `its records are at ${result.uri.slice(0, 200)}`;
  if (!/^[0-9a-f]{64}$/.test(result.sha256)) return "its sha256 is none";
  if (result.inline !== undefined && hashOf(Buffer.from(result.inline, "base64")) !== result.sha256) {
    return "its records do not have the hash it gives";
  }
  const odd = Object.keys(counts).find((status) => !isStatus(status));
  if (odd !== undefined) return `${JSON.stringify(odd.slice(0, 40))} is no status`;
  const records = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const { count } = rangeOf(job, shard.index);
  return records === count ? undefined : `it has ${records} records for ${count} samples`;
}

/** Counts a failure and retries the shard elsewhere or gives it up. */
export async function failAttempt(
  parts: CampaignParts,
  shard: ShardKey,
  failure: { agent: string; fence: Fence; class: FailureClass; message: string; cause?: string },
): Promise<void> {
  const job = parts.board.job(shard.campaign, shard.job);
  if (job === undefined) return;
  const limits = limitsOf(job);
  const event: ShardEvent = {
    kind: "fail",
    fence: failure.fence,
    class: failure.class,
    message: failure.message,
    limits,
  };
  await applyEffects(parts, job, shard, failure, shardEvent(parts, shard, event));
}

/** The agent that held it does not come back. */
export async function expireAttempt(
  parts: CampaignParts,
  shard: ShardKey,
  agent: string,
  fence: Fence,
): Promise<void> {
  const job = parts.board.job(shard.campaign, shard.job);
  if (job === undefined) return;
  shardEvent(parts, shard, { kind: "orphan", fence });
  await applyEffects(
    parts,
    job,
    shard,
    { agent, cause: "node_lost" },
    shardEvent(parts, shard, { kind: "expire", fence, limits: limitsOf(job) }),
  );
}

/** Applies an event to a shard and tells its agent what it must know. Undefined when the event does not fit. */
export function shardEvent(
  parts: CampaignParts,
  shard: ShardKey,
  event: ShardEvent,
): ShardEffect[] | undefined {
  const effects = parts.board.shardEvent(shard, event, parts.clock.nowMs());
  let node = "";
  for (const effect of effects ?? []) {
    if (effect.kind === "requeue") {
      const { campaign, job, index } = shard;
      parts.events.add("shard.requeued", { campaign, job, node }, `shard ${index}: ${effect.reason}`);
      parts.wake();
    }
    if (effect.kind !== "end_attempt") continue;
    node = effect.agent;
    parts.agents.ended(effect.agent, effect.fence);
    if (effect.notify) parts.agents.stop(effect.agent, effect.fence, "it is no longer wanted");
  }
  return effects;
}

async function applyEffects(
  parts: CampaignParts,
  job: JobEntry,
  shard: ShardKey,
  { agent, cause = "" }: { agent: string; cause?: string },
  effects: ShardEffect[] | undefined,
): Promise<void> {
  const { campaign, job: jobId, index } = shard;
  for (const effect of effects ?? []) {
    if (effect.kind === "record_failure") {
      const message = effect.reason.slice(0, 500);
      parts.log.warn(
        { campaign, job: jobId, shard: index, agent, class: effect.class, message },
        "attempt failed",
      );
      const key = keys.fail(campaign, jobId, index, effect.fence);
      await write(parts, {
        compare: [createdAt(keys.gate(campaign, jobId), job.gate)],
        ops: [put(key, { agent, class: effect.class, message })],
      }).catch((err) => parts.log.debug({ err }, "a failure after the job's end is not recorded"));
    } else if (effect.kind === "fail_samples") {
      const reason = effect.reason.slice(0, 500);
      const value: DoneValue = { kind: "failed", status: effect.status, cause, reason };
      parts.events.add(
        "shard.failed",
        { campaign, job: jobId, node: agent },
        `shard ${index}: ${effect.reason}`,
      );
      const verdict = await parts.commits.commit(shard, job.gate, value);
      if (verdict === "COMMITTED") shardEnded(parts, shard, value);
    }
  }
}

/** Notes a committed shard, once: a result that is sent again after a lost acknowledgement is committed already. */
function shardEnded(parts: CampaignParts, shard: ShardKey, value: DoneValue, event?: ShardEvent): void {
  const entry = parts.board.campaign(shard.campaign);
  const job = parts.board.job(shard.campaign, shard.job);
  if (entry === undefined || job === undefined || !setDone(job, shard.index, value)) return;
  if (event) shardEvent(parts, shard, event);
  parts.metrics.onRecords(labelsOf(job), countsOf(job, shard.index, value));
  if (value.kind === "result") void observeRecords(parts, entry, job, shard.index, value);
  const about = { campaign: shard.campaign, job: shard.job };
  parts.events.add("shard.done", about, `shard ${shard.index} is done`);
  detached(parts, endIfDone(parts, entry, job));
}

const labelsOf = ({ spec }: JobEntry) => ({
  engine: spec.model.engine,
  model: spec.model.id,
  jobKind: "quality",
});

/** Reads the committed records once for the metrics; a store that is away costs figures, not results. */
async function observeRecords(
  parts: CampaignParts,
  entry: CampaignEntry,
  job: JobEntry,
  index: number,
  value: DoneValue,
): Promise<void> {
  try {
    for (const { t_ns, status } of await parts.results.ofShard(entry, job, index, value)) {
      if (!isAnswered(status)) continue;
      parts.metrics.observeInference(labelsOf(job), ((t_ns.last_token ?? t_ns.done) - t_ns.sent) / 1e9);
    }
  } catch (err) {
    parts.log.debug({ err, campaign: entry.value.id }, "records could not be read for the metrics");
  }
}

async function endIfDone(parts: CampaignParts, entry: CampaignEntry, job: JobEntry): Promise<void> {
  if (isComplete(job)) return finishJob(parts, entry, job);
  const stop = tooManyFailures(job);
  if (stop !== undefined) await finishJob(parts, entry, job, { outcome: "FAILED", reason: stop });
}

const THRESHOLD_FROM = 20;

function tooManyFailures(job: JobEntry): string | undefined {
  const { maxFailures, failureThreshold } = job.spec.test;
  if (maxFailures === undefined && failureThreshold === undefined) return undefined;
  const { samplesDone: done, samplesFailed: failed } = tallyJob(job);
  if (maxFailures !== undefined && failed > maxFailures) {
    return `${count(failed, "sample")} failed, max_failures allows ${maxFailures}`;
  }
  if (failureThreshold !== undefined && done >= THRESHOLD_FROM && failed / done > failureThreshold) {
    return `${failed} of ${done} samples failed, failure_threshold allows ${failureThreshold}`;
  }
  return undefined;
}

const limitsOf = (job: JobEntry): RetryLimits => ({
  ...RETRY_LIMITS,
  attempts: Math.min(RETRY_LIMITS.attempts, job.spec.maxAttempts),
});
