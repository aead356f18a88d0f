/**
 * Samples that kill what runs them. A death counts only when its agent reports which samples were in flight: at once for
 * an engine's process, in its next Hello for its own. A lost agent says nothing about any sample.
 *
 * The first death with a sample in flight makes it suspect, and whoever runs it next runs it alone. The second death names
 * it: its shard is split, so that the sample stands alone and is recorded as poison, and the rest goes on.
 *
 * 1. A death counts once for each sample, however often it is reported.
 * 2. The split, the record of the named sample and the report that named it are one transaction under the usual
 *    compares, so that a late result of the parent loses, or the split does.
 * 3. Reports about one job are handled one after the other: children's numbers are given once.
 */
import { ordinalAt, positionOf } from "../../shared/benchmark/plan.js";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import { splitRange } from "../../shared/domain/sharding.js";
import { put } from "../store/fenced-store.js";
import { keys } from "../store/keys.js";
import type { DoneValue, FailValue } from "../store/values.js";
import { type JobEntry, rangeOf, type ShardKey } from "./board.js";
import { attemptKey, deathsWith, shardOf } from "./board-job.js";
import type { Commit } from "./commit-queue.js";
import type { CampaignParts } from "./parts.js";
import {
  type AttemptFailure,
  applyEffects,
  failPut,
  limitsOf,
  shardEnded,
  shardEvent,
} from "./shard-steps.js";

/** An agent's word about its own death. */
export interface DeathReport {
  agent: string;
  /** The start of the agent that died. */
  incarnation: bigint;
  /** The attempt that had the samples in flight; it may go on. */
  fence: Fence;
  items: readonly number[];
}

/** An agent died, came back and holds the attempt still; resolves when that is durable. */
export async function reportDeath(
  parts: CampaignParts,
  shard: ShardKey,
  { agent, incarnation, fence, items }: DeathReport,
): Promise<void> {
  const job = parts.board.job(shard.campaign, shard.job);
  if (job === undefined || items.length === 0) return;
  await inTurn(job, async () => {
    if (!note(job, shard.index, fence, `${agent}#${incarnation}`, items)) return;
    const message = `${agent} died with ${inFlight(items)} in flight`;
    const value: FailValue = { agent, class: "poison", message, wentOn: true };
    const report = failPut(job, shard, fence, value);
    if (!(await splitNamed(parts, job, shard, message, report))) {
      await parts.commits.write({ shard, gate: job.gate, also: [report] });
    }
  });
}

/** An attempt ended because its engine's process died; resolves when that is durable. */
export async function failByDeath(
  parts: CampaignParts,
  job: JobEntry,
  shard: ShardKey,
  failure: AttemptFailure,
  items: readonly number[],
): Promise<void> {
  const { agent, fence, message } = failure;
  await inTurn(job, async () => {
    const fresh = note(job, shard.index, fence, fenceText(fence), items);
    const report = failPut(job, shard, fence, { agent, class: "poison", message: message.slice(0, 500) });
    if (await splitNamed(parts, job, shard, message, report)) return;
    const event = { kind: "fail" as const, fence, class: "poison" as const, message, limits: limitsOf(job) };
    const effects = shardEvent(parts, shard, event);
    await applyEffects(parts, job, shard, failure, effects);
    // The shard went elsewhere meanwhile; what killed the engine is evidence all the same.
    if (effects === undefined && fresh) await parts.commits.write({ shard, gate: job.gate, also: [report] });
  });
}

/** Notes a death; false when all of it is known. Invariant 1. */
function note(job: JobEntry, index: number, fence: Fence, by: string, items: readonly number[]): boolean {
  const key = attemptKey(index, fence);
  const known = job.deaths.get(key) ?? [];
  const fresh = items.filter(
    (ordinal) =>
      positionOf(job.spec, ordinal) !== undefined &&
      !known.some((death) => death.ordinal === ordinal && death.by === by),
  );
  if (fresh.length === 0) return false;
  job.deaths.set(key, [...known, ...fresh.map((ordinal) => ({ ordinal, by }))]);
  return true;
}

const NAMED_BY = 2;

/**
 * Splits each open shard that has a sample named by the deaths of the reported shard. False when none is named; true when
 * the report needs nothing more.
 */
async function splitNamed(
  parts: CampaignParts,
  job: JobEntry,
  reported: ShardKey,
  message: string,
  report: ReturnType<typeof failPut>,
): Promise<boolean> {
  const named = new Map<number, number[]>();
  for (const [key, deaths] of job.deaths) {
    if (!key.startsWith(`${reported.index}/`)) continue;
    for (const { ordinal } of deaths) {
      const index = shardOf(job, ordinal);
      if (index === undefined || job.done.has(index) || deathsWith(job, ordinal) < NAMED_BY) continue;
      named.set(index, [...(named.get(index) ?? []), ordinal]);
    }
  }
  for (const [index, ordinals] of named) {
    await isolate(parts, job, { ...reported, index }, [...new Set(ordinals)], message, report);
  }
  return named.size > 0;
}

/** Writes that these samples are poison, each as a shard of its own. */
async function isolate(
  parts: CampaignParts,
  job: JobEntry,
  shard: ShardKey,
  ordinals: readonly number[],
  message: string,
  report: ReturnType<typeof failPut>,
): Promise<void> {
  const { campaign, index } = shard;
  const alone = ordinals.flatMap((ordinal) => positionOf(job.spec, ordinal) ?? []);
  const poison = (position: number): DoneValue => ({
    kind: "failed",
    status: "poison",
    cause: "poison",
    reason:
      `${NAMED_BY} deaths were reported with sample ${ordinalAt(job.spec, position)} in flight: ${message}`.slice(
        0,
        500,
      ),
  });
  const range = rangeOf(job, index);
  const single = range.count === 1;
  const children = single ? [] : splitRange(range, alone, job.shards.length);
  const lone = children.filter(({ first, count }) => count === 1 && alone.includes(first));
  const done: DoneValue = single ? poison(range.first) : { kind: "split", children };
  const also: Commit["also"] = [report];
  for (const child of lone) {
    also.push(put(keys.done(campaign, job.spec.id, child.index), poison(child.first)));
  }
  // Invariant 2.
  const verdict = await parts.commits.write({ shard, gate: job.gate, done, also });
  if (verdict !== "COMMITTED") return;
  const about = { campaign, job: job.spec.id };
  for (const ordinal of ordinals) {
    parts.events.add("sample.poison", about, `sample ${ordinal} of shard ${index}: ${message}`);
    parts.log.warn({ ...about, shard: index, ordinal, message }, "a sample is poison");
  }
  const end = (of: ShardKey, value: DoneValue) =>
    shardEnded(parts, of, value, { kind: "give_up", status: "poison", reason: message });
  if (single) end(shard, done);
  else {
    shardEnded(parts, shard, done, { kind: "split", children: children.map((child) => child.index) });
    for (const child of lone) end({ ...shard, index: child.index }, poison(child.first));
    parts.wake();
  }
}

const inFlight = (items: readonly number[]): string =>
  `sample${items.length === 1 ? "" : "s"} ${items.slice(0, 10).join(", ")}`;

/** Invariant 3. */
function inTurn(job: JobEntry, run: () => Promise<void>): Promise<void> {
  const mine = (job.reports ?? Promise.resolve()).then(run);
  job.reports = mine.catch(() => {});
  return mine;
}
