/**
 * The steps of a shard, and what follows from them: agents are told, failures recorded, ends noted, and a job whose last
 * shard ended is finished.
 *
 * 1. A shard's end is noted once, from the verdict on its record.
 * 2. A shard may have a second attempt beside the one its state names (a twin): whichever record is first counts, the
 *    other is stopped, and a twin that fails is charged to nobody. If the first is lost, its twin takes its place.
 */
import type { Spent } from "../../shared/benchmark/budget.js";
import { count } from "../../shared/benchmark/count.js";
import { type Fence, sameFence } from "../../shared/domain/fence.js";
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
  /** What it took until then; absent for nothing. */
  spent?: Spent;
}

/** Applies an event to a shard and tells its agent what it must know. Undefined when the event does not fit. */
export function shardEvent(
  parts: CampaignParts,
  shard: ShardKey,
  event: ShardEvent,
): ShardEffect[] | undefined {
  const job = parts.board.job(shard.campaign, shard.job);
  if (job !== undefined && ofTwin(job, shard, event)) return twinEvent(parts, job, shard, event);
  const effects = parts.board.shardEvent(shard, event, parts.clock.nowMs());
  if (job?.twins.has(shard.index) && effects !== undefined) followTwin(parts, job, shard, event);
  if (effects === undefined || effects.length === 0) return effects;
  let node = "";
  for (const effect of effects) {
    // Its twin, if it had one, goes on in its place.
    if (effect.kind === "requeue" && parts.board.shard(shard)?.kind === "PENDING") {
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

/** Whether an event is about a shard's second attempt; its record ends the shard like any other. */
const ofTwin = (job: JobEntry, { index }: ShardKey, event: ShardEvent): boolean => {
  const twin = job.twins.get(index);
  return (
    twin !== undefined && "fence" in event && event.kind !== "commit" && sameFence(event.fence, twin.fence)
  );
};

/** What becomes of a second attempt: however it ends, nothing is counted and nobody waits for it. */
function twinEvent(parts: CampaignParts, job: JobEntry, shard: ShardKey, event: ShardEvent): ShardEffect[] {
  const { index } = shard;
  const twin = job.twins.get(index);
  if (twin === undefined) return [];
  if (event.kind === "accept" || event.kind === "start") twin.accepted = true;
  if (event.kind === "start") twin.started = true;
  if (event.kind === "accept" || event.kind === "start" || event.kind === "upload") return [];
  job.twins.delete(index);
  parts.board.touch(shard);
  parts.agents.ended(twin.agent, twin.fence);
  if ("notify" in event && event.notify) parts.agents.stop(twin.agent, twin.fence, "it is no longer wanted");
  return [];
}

/** After a step of a shard with a second attempt: it ends with its shard, or takes the place of the first. */
function followTwin(parts: CampaignParts, job: JobEntry, shard: ShardKey, event: ShardEvent): void {
  const twin = job.twins.get(shard.index);
  const kind = parts.board.shard(shard)?.kind;
  if (twin === undefined || kind === undefined) return;
  const { fence, agent, started } = twin;
  parts.board.touch(shard);
  if (kind === "PENDING") {
    job.twins.delete(shard.index);
    const adopt: ShardEvent = { kind: "adopt", fence, agent, running: started };
    parts.board.shardEvent(shard, adopt, parts.clock.nowMs());
  } else if (kind === "DONE" || kind === "FAILED" || kind === "SPLIT") {
    job.twins.delete(shard.index);
    parts.agents.ended(agent, fence);
    const own = "fence" in event && sameFence(event.fence, fence);
    if (!own) parts.agents.stop(agent, fence, "another attempt was sooner");
  }
}

/** Makes durable what a failure asks for. */
export async function applyEffects(
  parts: CampaignParts,
  job: JobEntry,
  shard: ShardKey,
  { agent, cause = "", spent }: Pick<AttemptFailure, "agent" | "cause" | "spent">,
  effects: readonly ShardEffect[] | undefined,
): Promise<void> {
  const { campaign, job: jobId, index } = shard;
  for (const effect of effects ?? []) {
    const reason = "reason" in effect ? effect.reason.slice(0, 500) : "";
    if (effect.kind === "record_failure") {
      const about = { campaign, job: jobId, shard: index, agent, class: effect.class, message: reason };
      parts.log.warn(about, "attempt failed");
      const value: FailValue = { agent, class: effect.class, message: reason, ...(spent && { spent }) };
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
