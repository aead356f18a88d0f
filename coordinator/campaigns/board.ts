/**
 * The board: what the leader knows of the campaigns that are not forgotten yet. Shard states, progress and done
 * records live here for scheduling and for people who watch; what must survive is in the state store.
 *
 * 1. All changes of a shard go through its transition function; a refused event changes nothing.
 * 2. `untried` and `retries` together hold exactly the shards whose state is PENDING.
 */
import type { JobSpec, Plan } from "../../shared/benchmark/plan.js";
import { isFailure, type Status } from "../../shared/benchmark/record.js";
import type { CampaignState } from "../../shared/domain/campaign.js";
import type { JobState } from "../../shared/domain/job.js";
import {
  PENDING_SHARD,
  type ShardEffect,
  type ShardEvent,
  type ShardHistory,
  type ShardState,
  transitionShard,
} from "../../shared/domain/shard.js";
import { shardCount, shardRange } from "../../shared/domain/sharding.js";
import { firstIndexes, type IndexRange, withIndex, withoutIndex } from "../scheduler/ranges.js";
import type { CampaignValue, DoneValue } from "../store/values.js";

export interface ShardKey {
  campaign: string;
  job: string;
  index: number;
}

export interface JobEntry {
  readonly spec: JobSpec;
  state: JobState;
  /** Create revision of its gate; 0 before it is open. */
  gate: bigint;
  readonly shards: ShardState[];
  /** Pending shards no attempt has failed. */
  untried: IndexRange[];
  /** Pending shards that failed before, on which nodes, and when (monotonic ms) they may be tried again. */
  readonly retries: Map<number, Retry>;
  /** Attempts of it on agents now. */
  inFlight: number;
  /** Monotonic ms when it was last given to an agent, or could first have been. */
  waitingSinceMs: number;
  readonly done: Map<number, DoneValue>;
  /** Samples journaled so far by attempts that run. */
  readonly running: Map<number, number>;
  /** SHA-256 of its manifest once sealed. */
  manifestSha256?: string;
  /** Resolves when it is sealed; absent until somebody began to. */
  sealed?: Promise<void>;
}

export interface Retry {
  failedOn: readonly string[];
  notBeforeMs: number;
}

export interface CampaignEntry {
  value: CampaignValue;
  plan?: Plan;
  jobs: JobEntry[];
  /** Why shards wait, from the last scheduling. */
  waiting: string[];
  /** Wall ms. */
  endedMs?: number;
}

export interface Tally {
  samples: number;
  samplesDone: number;
  samplesFailed: number;
  samplesRunning: number;
  shards: number;
  shardsDone: number;
}

export class Board {
  private readonly campaigns = new Map<string, CampaignEntry>();

  add(value: CampaignValue): CampaignEntry {
    const entry: CampaignEntry = { value, jobs: [], waiting: [] };
    this.campaigns.set(value.id, entry);
    return entry;
  }

  campaign(id: string): CampaignEntry | undefined {
    return this.campaigns.get(id);
  }

  /** Newest first. */
  list(): CampaignEntry[] {
    return [...this.campaigns.values()].sort((a, b) => (a.value.id < b.value.id ? 1 : -1));
  }

  job(campaign: string, job: string): JobEntry | undefined {
    return this.campaigns.get(campaign)?.jobs.find((j) => j.spec.id === job);
  }

  shard(key: ShardKey): ShardState | undefined {
    return this.job(key.campaign, key.job)?.shards[key.index];
  }

  /** Lays out the jobs of a plan, every shard pending, no gate open. */
  setPlan(entry: CampaignEntry, plan: Plan, nowMs: number): void {
    entry.plan = plan;
    entry.jobs = plan.jobs.map((spec) => {
      const n = shardCount(spec.samples, spec.shardSize);
      return {
        spec,
        state: { kind: "PLANNED", samples: spec.samples, shardSize: spec.shardSize },
        gate: 0n,
        shards: Array.from({ length: n }, () => PENDING_SHARD),
        untried: firstIndexes(n),
        retries: new Map(),
        inFlight: 0,
        waitingSinceMs: nowMs,
        done: new Map(),
        running: new Map(),
      };
    });
  }

  /** Applies an event to a shard; undefined when it does not fit or there is no such shard. */
  shardEvent(key: ShardKey, event: ShardEvent, nowMs: number): ShardEffect[] | undefined {
    const job = this.job(key.campaign, key.job);
    const before = job?.shards[key.index];
    if (job === undefined || before === undefined) return undefined;
    const step = transitionShard(before, event, nowMs);
    if (!step.ok) return undefined;
    job.shards[key.index] = step.state;
    if (before.kind === "PENDING") takeOut(job, key.index);
    job.inFlight += Number("agent" in step.state) - Number("agent" in before);
    if (step.state.kind === "PENDING") putBack(job, key.index, step.state, nowMs);
    if (step.state.kind !== "RUNNING") job.running.delete(key.index);
    return step.effects;
  }

  /** Notes how many samples a running attempt has journaled; other states ignore it. */
  progressed(key: ShardKey, done: number): void {
    if (this.shard(key)?.kind === "RUNNING") this.job(key.campaign, key.job)?.running.set(key.index, done);
  }
}

function takeOut(job: JobEntry, index: number): void {
  if (!job.retries.delete(index)) job.untried = withoutIndex(job.untried, index);
}

/** Failures in a row wait longer each time, so that a fault that passes does not use up all attempts at once. */
const RETRY_BASE_MS = 250;
const RETRY_CAP_MS = 10_000;

function putBack(job: JobEntry, index: number, { failures, failedOn }: ShardHistory, nowMs: number): void {
  const failed = failures.infra + failures.resource + failures.poison;
  if (failed === 0) job.untried = withIndex(job.untried, index);
  else {
    const waitMs = Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** (failed - 1));
    job.retries.set(index, { failedOn, notBeforeMs: nowMs + waitMs });
  }
}

/** Samples and shards of one job, by how they stand. */
export function tallyJob(job: JobEntry): Tally {
  const tally: Tally = {
    samples: job.spec.samples,
    samplesDone: 0,
    samplesFailed: 0,
    samplesRunning: [...job.running.values()].reduce((sum, n) => sum + n, 0),
    shards: job.shards.length,
    shardsDone: job.done.size,
  };
  for (const [index, done] of job.done) {
    const counts = countsOf(done, shardRange(index, job.spec.samples, job.spec.shardSize).count);
    for (const [status, n] of Object.entries(counts)) {
      tally.samplesDone += n;
      if (isFailure(status as Status)) tally.samplesFailed += n;
    }
  }
  return tally;
}

/** The same over a campaign. */
export function tallyCampaign(entry: CampaignEntry): Tally {
  const sum: Tally = {
    samples: 0,
    samplesDone: 0,
    samplesFailed: 0,
    samplesRunning: 0,
    shards: 0,
    shardsDone: 0,
  };
  for (const job of entry.jobs) {
    const tally = tallyJob(job);
    for (const key of Object.keys(sum) as (keyof Tally)[]) sum[key] += tally[key];
  }
  return sum;
}

/** Records by status of a done shard of `samples` samples. */
export function countsOf(done: DoneValue, samples: number): { [status: string]: number } {
  if (done.kind === "result") return done.counts;
  return done.kind === "failed" ? { [done.status]: samples } : {};
}

export const isEnded = (state: CampaignState | JobState): boolean =>
  state.kind === "SUCCEEDED" ||
  state.kind === "PARTIAL" ||
  state.kind === "FAILED" ||
  state.kind === "CANCELLED";
