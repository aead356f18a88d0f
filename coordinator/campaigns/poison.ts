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
 * 4. A death of an attempt that went on is no failure; a failure that counts is not undone by one.
 * 5. A report is an agent's word: only samples that the attempt's shard has count, and no more than can be in flight.
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
  const message = `${agent} died with ${inFlight(items)} in flight`;
  await addEvidence(parts, shard, { agent, fence, message }, `${agent}#${incarnation}`, items);
}

/** The engine's process of an attempt died that is over for us already; resolves when that is durable. */
export async function lateDeath(
  parts: CampaignParts,
  shard: ShardKey,
  failure: AttemptFailure,
  items: readonly number[],
): Promise<void> {
  await addEvidence(parts, shard, failure, fenceText(failure.fence), items);
}

async function addEvidence(
  parts: CampaignParts,
  shard: ShardKey,
  { agent, fence, message }: Pick<AttemptFailure, "agent" | "fence" | "message">,
  by: string,
  items: readonly number[],
): Promise<void> {
  const job = parts.board.job(shard.campaign, shard.job);
  if (job === undefined) return;
  await noted(parts, job, shard, fence, by, items, async (isNew) => {
    if (!isNew) return;
    const value: FailValue = { agent, class: "poison", message: message.slice(0, 500) };
    const report = evidencePut(job, shard, fence, value);
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
  await noted(parts, job, shard, fence, fenceText(fence), items, async (isNew) => {
    const value: FailValue = { agent, class: "poison", message: message.slice(0, 500) };
    const report = evidencePut(job, shard, fence, value);
    if (await splitNamed(parts, job, shard, message, report)) return;
    const event = { kind: "fail" as const, fence, class: "poison" as const, message, limits: limitsOf(job) };
    const effects = shardEvent(parts, shard, event);
    await applyEffects(parts, job, shard, failure, effects);
    // The shard went elsewhere meanwhile; what killed the engine is evidence all the same.
    if ((effects ?? []).length === 0 && isNew)
      await parts.commits.write({ shard, gate: job.gate, also: [report] });
  });
}

/** The put of a death that is no failed attempt; a failure that counts under the same fence stays one (invariant 4). */
const evidencePut = (job: JobEntry, shard: ShardKey, fence: Fence, value: FailValue) =>
  failPut(job, shard, fence, job.failed.get(attemptKey(shard.index, fence)) ?? { ...value, wentOn: true });

/**
 * Notes a death and runs `step` in its turn (invariant 3), telling it whether anything of that is new (invariant 1). What
 * does not become durable is forgotten again, so that the next report of it is as good as the first.
 */
async function noted(
  { log }: CampaignParts,
  job: JobEntry,
  { index }: ShardKey,
  fence: Fence,
  by: string,
  items: readonly number[],
  step: (isNew: boolean) => Promise<void>,
): Promise<void> {
  const inside = samplesOf(job, index, items);
  if (inside.length < items.length) {
    log.warn(
      { by, job: job.spec.id, shard: index },
      "a death is reported with samples that the shard does not have",
    );
  }
  await inTurn(job, async () => {
    const key = attemptKey(index, fence);
    const known = job.deaths.get(key);
    const before = new Set(known?.flatMap((death) => (death.by === by ? [death.ordinal] : [])));
    const fresh = inside.filter((ordinal) => !before.has(ordinal));
    if (fresh.length + (known?.length ?? 0) > MOST_OF_ONE) fresh.length = 0;
    if (fresh.length > 0)
      job.deaths.set(key, [...(known ?? []), ...fresh.map((ordinal) => ({ ordinal, by }))]);
    try {
      await step(fresh.length > 0);
    } catch (error) {
      if (known) job.deaths.set(key, known);
      else job.deaths.delete(key);
      throw error;
    }
  });
}

/** Most that the deaths of one attempt can say: no engine takes more than 1,024 requests at a time. */
const MOST_OF_ONE = 2_000;

/** The samples that may be meant by a report: those of the shard, or what it was split into, each once (invariant 5). */
function samplesOf(job: JobEntry, index: number, items: readonly number[]): number[] {
  if (job.shards[index] === undefined) return [];
  const { first, count } = rangeOf(job, index);
  const inside = items.filter((ordinal) => {
    const position = positionOf(job.spec, ordinal);
    return position !== undefined && position >= first && position < first + count;
  });
  return [...new Set(inside)];
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
  const lost = new Set<number>();
  for (let any = false; ; any = true) {
    const [next] = [...namedIn(job, reported.index)].filter(([index]) => !lost.has(index));
    if (next === undefined) return any;
    const [index, ordinals] = next;
    const some = ordinals.slice(0, SPLIT_AT_ONCE);
    if (!(await isolate(parts, job, { ...reported, index }, some, message, report))) lost.add(index);
  }
}

/** Named samples of the reported shard that are not recorded yet, by the open shard that has them. */
function namedIn(job: JobEntry, reported: number): Map<number, number[]> {
  const named = new Map<number, number[]>();
  const seen = new Set<number>();
  for (const [key, deaths] of job.deaths) {
    if (!key.startsWith(`${reported}/`)) continue;
    for (const { ordinal } of deaths) {
      if (seen.has(ordinal)) continue;
      seen.add(ordinal);
      const index = shardOf(job, ordinal);
      if (index === undefined || job.done.has(index) || deathsWith(job, ordinal) < NAMED_BY) continue;
      const ordinals = named.get(index) ?? [];
      ordinals.push(ordinal);
      named.set(index, ordinals);
    }
  }
  return named;
}

/** A transaction takes 128 operations; each named sample is one, beside the split and its report. */
const SPLIT_AT_ONCE = 100;

/** Writes that these samples are poison, each as a shard of its own; false when the shard or its job ended otherwise. */
async function isolate(
  parts: CampaignParts,
  job: JobEntry,
  shard: ShardKey,
  ordinals: readonly number[],
  message: string,
  report: ReturnType<typeof failPut>,
): Promise<boolean> {
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
  if (verdict !== "COMMITTED") return false;
  const about = { campaign, job: job.spec.id };
  for (const ordinal of ordinals) {
    parts.agents.named(campaign, job.spec.id, ordinal);
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
  return true;
}

const inFlight = (items: readonly number[]): string =>
  `sample${items.length === 1 ? "" : "s"} ${items.slice(0, 10).join(", ")}`;

/** Invariant 3. */
function inTurn(job: JobEntry, run: () => Promise<void>): Promise<void> {
  const mine = (job.reports ?? Promise.resolve()).then(run);
  job.reports = mine.catch(() => {});
  return mine;
}
