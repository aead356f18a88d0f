/**
 * The steps of a shard, and what follows from them: agents are told, failures recorded, ends noted, and a job whose last
 * shard ended is finished.
 *
 * 1. A shard's end is noted once, from the verdict on its record.
 */
import { count } from "../../shared/benchmark/count.js";
import type { Fence } from "../../shared/domain/fence.js";
import { type FailureClass, RETRY_LIMITS, type RetryLimits } from "../../shared/domain/retry.js";
import type { ShardEffect, ShardEvent } from "../../shared/domain/shard.js";
import { put } from "../store/fenced-store.js";
import { keys } from "../store/keys.js";
import type { DoneValue, FailValue } from "../store/values.js";
import { detached } from "./background.js";
import { type CampaignEntry, isComplete, type JobEntry, type ShardKey, tallyJob } from "./board.js";
import { attemptKey, setDone } from "./board-job.js";
import { finishJob } from "./lifecycle.js";
import type { CampaignParts } from "./parts.js";

/** Why an attempt gave up. */
export interface AttemptFailure {
  agent: string;
  fence: Fence;
  class: FailureClass;
  message: string;
  /** A short class for tables; may be empty. */
  cause?: string;
  /** For poison: ordinals of the samples in flight when the engine's process died. */
  items?: readonly number[];
}

/** Applies an event to a shard and tells its agent what it must know. Undefined when the event does not fit. */
export function shardEvent(
  parts: CampaignParts,
  shard: ShardKey,
  event: ShardEvent,
): ShardEffect[] | undefined {
  const effects = parts.board.shardEvent(shard, event, parts.clock.nowMs());
  if (effects === undefined || effects.length === 0) return effects;
  let node = "";
  for (const effect of effects) {
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

/** Makes durable what a failure asks for. */
export async function applyEffects(
  parts: CampaignParts,
  job: JobEntry,
  shard: ShardKey,
  { agent, cause = "" }: { agent: string; cause?: string },
  effects: readonly ShardEffect[] | undefined,
): Promise<void> {
  const { campaign, job: jobId, index } = shard;
  for (const effect of effects ?? []) {
    const reason = "reason" in effect ? effect.reason.slice(0, 500) : "";
    if (effect.kind === "record_failure") {
      const about = { campaign, job: jobId, shard: index, agent, class: effect.class, message: reason };
      parts.log.warn(about, "attempt failed");
      const value: FailValue = { agent, class: effect.class, message: reason };
      job.failed.set(attemptKey(index, effect.fence), value);
      const also = [failPut(job, shard, effect.fence, value)];
      await parts.commits.write({ shard, gate: job.gate, also });
    } else if (effect.kind === "fail_samples") {
      const value: DoneValue = { kind: "failed", status: effect.status, cause, reason };
      const about = { campaign, job: jobId, node: agent };
      parts.events.add("shard.failed", about, `shard ${index}: ${effect.reason}`);
      const verdict = await parts.commits.commit(shard, job.gate, value);
      if (verdict === "COMMITTED") shardEnded(parts, shard, value);
    }
  }
}

/** The put of an attempt's failure, with the deaths that were reported under it. */
export function failPut(job: JobEntry, { campaign, index }: ShardKey, fence: Fence, value: FailValue) {
  const deaths = job.deaths.get(attemptKey(index, fence));
  return put(keys.fail(campaign, job.spec.id, index, fence), deaths ? { ...value, deaths } : value);
}

/** Notes a committed shard, once: a result that is sent again after a lost acknowledgement is committed already. */
export function shardEnded(
  parts: CampaignParts,
  shard: ShardKey,
  value: DoneValue,
  event?: ShardEvent,
): void {
  const entry = parts.board.campaign(shard.campaign);
  const job = parts.board.job(shard.campaign, shard.job);
  if (entry === undefined || job === undefined || job.done.has(shard.index)) return;
  if (event) shardEvent(parts, shard, event);
  setDone(job, shard.index, value);
  parts.notices.done(entry, job, shard.index, value);
  endIfDone(parts, entry, job);
}

/** Finishes a job that has nothing left to run, or too many failures to go on. */
export function endIfDone(parts: CampaignParts, entry: CampaignEntry, job: JobEntry): void {
  if (isComplete(job)) detached(parts, finishJob(parts, entry, job));
  else {
    const stop = tooManyFailures(job);
    if (stop !== undefined)
      detached(parts, finishJob(parts, entry, job, { outcome: "FAILED", reason: stop }));
  }
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

export const limitsOf = (job: JobEntry): RetryLimits => ({
  ...RETRY_LIMITS,
  attempts: Math.min(RETRY_LIMITS.attempts, job.spec.maxAttempts),
});
