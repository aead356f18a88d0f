/**
 * One job on the board: its shards, what is known of them, and counters that are kept up as things happen, so that
 * looking at a job of a million shards costs nothing.
 *
 * 1. `pending` holds exactly the shards whose state is PENDING.
 * 2. A shard that was split has a done record and no samples; its children have them.
 */
import { addSpent, type JobSpending, NOTHING_SPENT, type Spent } from "../../shared/benchmark/budget.js";
import { type JobSpec, positionOf } from "../../shared/benchmark/plan.js";
import { isFailure, type Status } from "../../shared/benchmark/record.js";
import type { Tally } from "../../shared/domain/campaign.js";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import type { JobState } from "../../shared/domain/job.js";
import { PENDING_SHARD, type ShardKind, type ShardState } from "../../shared/domain/shard.js";
import { type ChildShard, type ShardRange, shardCount, shardRange } from "../../shared/domain/sharding.js";
import { PendingShards } from "../scheduler/pending.js";
import type { Death, DoneValue, FailValue } from "../store/values.js";

export interface JobEntry {
  readonly spec: JobSpec;
  state: JobState;
  /** Create revision of its gate; 0 while it is not open. */
  gate: bigint;
  /** Its shards in order; children of split ones follow after those of the plan. */
  readonly shards: ShardState[];
  /** Where the children of split shards lie, by index. */
  readonly children: Map<number, ShardRange>;
  /** Shards to be given out, and when and where those that failed may be tried again. */
  readonly pending: PendingShards;
  /** Attempts of it on agents now. */
  inFlight: number;
  /** Shards that ran to their end under this leader, and how long all of them together took, ms. */
  readonly ran: { shards: number; ms: number };
  /** How long the last of them took, ms; at most `TIMES`. */
  readonly times: number[];
  /** Shards that run, the one that began first at first. */
  readonly begun: Set<number>;
  /** Second attempts of shards that take long, by shard: outside its state, and nothing that is counted. */
  readonly twins: Map<number, Twin>;
  /** Shards that had a second attempt under this leader, and those that were taken back from a node that was busy. */
  readonly duplicated: Set<number>;
  readonly takenBack: Set<number>;
  /** Monotonic ms when it was last given to an agent, or could first have been. */
  waitingSinceMs: number;
  /** Planned under an earlier leader, and the agents that may hold its shards are not heard yet: not given out. */
  held: boolean;
  readonly done: Map<number, DoneValue>;
  /** Samples journaled so far by attempts that run. */
  readonly running: Map<number, number>;
  /** Deaths reported with samples of it in flight, by `<shard>/<fence>`; few, if any. */
  readonly deaths: Map<string, Death[]>;
  /** Attempts whose failure counts, by `<shard>/<fence>`, with its record. */
  readonly failed: Map<string, FailValue>;
  /** Failures that are on their way to the store, by `<shard>/<fence>`; each resolves when it is durable. */
  readonly failing: Map<string, Promise<void>>;
  /** The handling of the last report of deaths; they take turns. */
  reports?: Promise<void>;
  readonly counters: Counters;
  /** SHA-256 of its manifest once sealed. */
  manifestSha256?: string;
  /** Why that manifest cannot be read back: what the job has answered is then not known here. */
  unreadable?: string;
  /** Resolves when it is sealed; absent until somebody began to. */
  sealed?: Promise<void>;
}

/** An attempt beside the one that a shard's state names; the first record counts, whoever's it is. */
export interface Twin {
  fence: Fence;
  agent: string;
  /** Whether its agent said that it has it, and that it runs. */
  accepted: boolean;
  started: boolean;
}

interface Counters {
  samplesDone: number;
  samplesFailed: number;
  samplesRunning: number;
  /** Shards that were split. */
  splits: number;
  /** Shards with a result, and what these took. */
  results: number;
  spent: Spent;
  /** Shards by state. */
  kinds: { [kind in ShardKind]: number };
}

/** A job of a plan, every shard pending, its gate not open. */
export function newJob(spec: JobSpec, nowMs: number): JobEntry {
  const n = shardCount(spec.samples, spec.shardSize);
  return {
    spec,
    state: { kind: "PLANNED", samples: spec.samples, shardSize: spec.shardSize },
    gate: 0n,
    shards: new Array<ShardState>(n).fill(PENDING_SHARD),
    children: new Map(),
    pending: PendingShards.first(n),
    inFlight: 0,
    ran: { shards: 0, ms: 0 },
    times: [],
    begun: new Set(),
    twins: new Map(),
    duplicated: new Set(),
    takenBack: new Set(),
    waitingSinceMs: nowMs,
    held: false,
    done: new Map(),
    running: new Map(),
    deaths: new Map(),
    failed: new Map(),
    failing: new Map(),
    counters: {
      ...{ samplesDone: 0, samplesFailed: 0, samplesRunning: 0, splits: 0 },
      ...{ results: 0, spent: NOTHING_SPENT },
      kinds: { ...NO_SHARDS, PENDING: n },
    },
  };
}

/** Run times that are remembered. */
const TIMES = 100;

const NO_SHARDS: Counters["kinds"] = {
  ...{ PENDING: 0, ASSIGNED: 0, ACCEPTED: 0, RUNNING: 0, UPLOADED: 0, ORPHANED: 0 },
  ...{ DONE: 0, FAILED: 0, SPLIT: 0 },
};

/** Where a shard's samples lie among the job's. RangeError when the job has no such shard. */
export const rangeOf = (job: JobEntry, index: number): ShardRange =>
  job.children.get(index) ?? shardRange(index, job.spec.samples, job.spec.shardSize);

/** Puts a shard into a state that is in keeping with its place among the pending ones. */
export function setShard(job: JobEntry, index: number, after: ShardState, nowMs: number): void {
  const before = job.shards[index] ?? PENDING_SHARD;
  job.shards[index] = after;
  const { kinds } = job.counters;
  kinds[before.kind] -= 1;
  kinds[after.kind] += 1;
  if (before.kind === "PENDING") job.pending.delete(index);
  if (after.kind === "RUNNING") job.begun.add(index);
  else job.begun.delete(index);
  if (before.kind === "RUNNING" && (after.kind === "UPLOADED" || after.kind === "DONE")) {
    job.ran.shards += 1;
    job.ran.ms += nowMs - before.sinceMs;
    job.times.push(nowMs - before.sinceMs);
    if (job.times.length > TIMES) job.times.shift();
  }
  job.inFlight += Number("agent" in after) - Number("agent" in before);
  if (after.kind === "PENDING") putBack(job, index, after, nowMs);
  if (after.kind !== "RUNNING") setRunning(job, index, 0);
}

/** Failures in a row wait longer each time, so that a fault that passes does not use up all attempts at once. */
const RETRY_BASE_MS = 250;
const RETRY_CAP_MS = 10_000;

function putBack(
  job: JobEntry,
  index: number,
  { failures, failedOn }: Extract<ShardState, { kind: "PENDING" }>,
  nowMs: number,
): void {
  const failed = failures.infra + failures.resource + failures.poison;
  if (failed === 0) job.pending.add(index);
  else {
    const waitMs = Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** (failed - 1));
    job.pending.addFailed(index, failedOn, nowMs + waitMs);
  }
}

/** Notes how many samples an attempt of a shard has journaled. */
export function setRunning(job: JobEntry, index: number, samples: number): void {
  job.counters.samplesRunning += samples - (job.running.get(index) ?? 0);
  if (samples > 0) job.running.set(index, samples);
  else job.running.delete(index);
}

/** Notes a shard's record; false when it has one already. Children of a split come into being, pending. */
export function setDone(job: JobEntry, index: number, value: DoneValue): boolean {
  if (job.done.has(index)) return false;
  job.done.set(index, value);
  const { counters } = job;
  if (value.kind === "split") {
    counters.splits += 1;
    for (const child of value.children) addChild(job, child);
  } else if (value.kind === "failed") {
    const samples = rangeOf(job, index).count;
    counters.samplesDone += samples;
    counters.samplesFailed += samples;
  } else {
    counters.results += 1;
    if (value.spent) counters.spent = addSpent(counters.spent, value.spent);
    for (const status in value.counts) {
      const samples = value.counts[status] ?? 0;
      counters.samplesDone += samples;
      if (isFailure(status as Status)) counters.samplesFailed += samples;
    }
  }
  return true;
}

function addChild(job: JobEntry, { index, first, count }: ChildShard): void {
  job.children.set(index, { first, count });
  job.shards[index] = PENDING_SHARD;
  job.counters.kinds.PENDING += 1;
  job.pending.add(index);
}

/** Records by status of a shard's done record. */
export function countsOf(job: JobEntry, index: number, done: DoneValue): { [status: string]: number } {
  if (done.kind === "result") return done.counts;
  return done.kind === "failed" ? { [done.status]: rangeOf(job, index).count } : {};
}

/** Whether every shard has its record. */
export const isComplete = (job: JobEntry): boolean => job.done.size === job.shards.length;

/** Samples and shards of one job, by how they stand. */
export const tallyJob = ({ spec, counters, shards, done }: JobEntry): Tally => ({
  samples: spec.samples,
  samplesDone: counters.samplesDone,
  samplesFailed: counters.samplesFailed,
  samplesRunning: counters.samplesRunning,
  shards: shards.length - counters.splits,
  shardsDone: done.size - counters.splits,
});

/**
 * What a job has cost and may cost yet, for its campaign's budget. A price by the GPU hour counts where there is
 * none by the token.
 */
export function spendingOf({ spec, counters, failed, pending, inFlight, twins }: JobEntry): JobSpending {
  let spent = counters.spent;
  for (const attempt of failed.values()) if (attempt.spent) spent = addSpent(spent, attempt.spent);
  const { in_1m, out_1m, gpu_hour } = spec.model.price ?? {};
  const byHour = gpu_hour !== undefined && in_1m === undefined && out_1m === undefined;
  if (byHour) spent = { ...spent, usd: spent.gpuHours * gpu_hour };
  return {
    ...{ spent, ended: counters.results, onTheWay: inFlight + twins.size },
    waiting: pending.size,
  };
}

/** Deaths and failures are kept by the attempt under which they were told, as its record in the state store has them. */
export const attemptKey = (index: number, fence: Fence): string => `${index}/${fenceText(fence)}`;

/** How many deaths were reported with a sample in flight, each counted once. */
export function deathsWith(job: JobEntry, ordinal: number): number {
  const reports = new Set<string>();
  for (const deaths of job.deaths.values()) {
    for (const death of deaths) if (death.ordinal === ordinal) reports.add(death.by);
  }
  return reports.size;
}

/** Samples of a shard that were in flight at a death before: whoever runs it runs each of them alone. Ascending. */
export function suspectsOf(job: JobEntry, index: number): number[] {
  if (job.deaths.size === 0) return NO_SUSPECTS;
  const suspects = new Set<number>();
  for (const deaths of job.deaths.values()) {
    for (const { ordinal } of deaths) if (shardOf(job, ordinal) === index) suspects.add(ordinal);
  }
  return [...suspects].sort((a, b) => a - b);
}
const NO_SUSPECTS: number[] = [];

/** The shard that has a sample, after all splits; undefined when the job has no such sample. */
export function shardOf(job: JobEntry, ordinal: number): number | undefined {
  const position = positionOf(job.spec, ordinal);
  if (position === undefined) return undefined;
  let index = Math.floor(position / job.spec.shardSize);
  for (;;) {
    const done = job.done.get(index);
    if (done?.kind !== "split") return index;
    const child = done.children.find((c) => position >= c.first && position < c.first + c.count);
    if (child === undefined) return undefined;
    index = child.index;
  }
}

/** Nothing of it is given out or runs any more; its shards stay as they were. */
export function closeJob(job: JobEntry): void {
  job.pending.clear();
  job.running.clear();
  job.begun.clear();
  job.twins.clear();
  job.counters.samplesRunning = 0;
  job.inFlight = 0;
}
