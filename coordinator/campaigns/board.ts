/**
 * The board: what the leader knows of the campaigns that are not forgotten yet. Shard states, progress and done
 * records live here for scheduling and for people who watch; what must survive is in the state store.
 *
 * 1. All changes of a shard go through its transition function; a refused event changes nothing. Only `restore`, which
 *    tells what the state store holds, sets states as they are.
 */
import type { Plan } from "../../shared/benchmark/plan.js";
import type { CampaignState, Tally } from "../../shared/domain/campaign.js";
import type { JobState } from "../../shared/domain/job.js";
import {
  type ShardEffect,
  type ShardEvent,
  type ShardState,
  transitionShard,
} from "../../shared/domain/shard.js";
import type { CampaignValue } from "../store/values.js";
import { type JobEntry, newJob, rangeOf, setRunning, setShard, tallyJob } from "./board-job.js";
import { type JobRecords, restoreJob } from "./board-restore.js";

export {
  closeJob,
  countsOf,
  isComplete,
  type JobEntry,
  rangeOf,
  spendingOf,
  suspectsOf,
  type Twin,
  tallyJob,
} from "./board-job.js";
export { type JobRecords, restoreDone } from "./board-restore.js";

export interface ShardKey {
  campaign: string;
  job: string;
  index: number;
}

export interface CampaignEntry {
  value: CampaignValue;
  plan?: Plan;
  readonly jobs: readonly JobEntry[];
  /** The last of its steps that were asked for; they take turns. */
  turn?: Promise<unknown>;
  /** Campaigns that retry it, oldest first. */
  readonly retriedBy: string[];
  /** Why shards wait, from the last scheduling. */
  waiting: string[];
  /** Wall ms. */
  endedMs?: number;
}

interface Kept extends CampaignEntry {
  jobs: JobEntry[];
  byId: Map<string, JobEntry>;
}

/** Ended campaigns whose jobs are kept in memory; those of others are read again when they are asked for. */
const ENDED_LOADED = 50;

export class Board {
  private readonly campaigns = new Map<string, Kept>();
  /** Ids of a campaign's retries, by its id: a clock that was set back gives a retry the smaller one. */
  private readonly retries = new Map<string, string[]>();
  private sorted: CampaignEntry[] | undefined;
  private touched = new Map<JobEntry, CampaignEntry>();
  private load: (entry: CampaignEntry) => Promise<void> = async () => {};
  /** Ended campaigns with their jobs, the one used last at the end. */
  private readonly endedLoaded = new Map<string, Promise<void>>();

  /** How the jobs of an ended campaign are brought back. */
  loadWith(load: (entry: CampaignEntry) => Promise<void>): void {
    this.load = load;
  }

  /**
   * Resolves when the campaign's jobs are on the board; always before its plan, jobs or records are looked at by anyone
   * but scheduling. Rejects with what reading an ended one's jobs rejects with.
   */
  async loaded(entry: CampaignEntry): Promise<void> {
    if (!isEnded(entry.value.state)) return;
    const { id } = entry.value;
    const loading = this.endedLoaded.get(id) ?? (entry.plan ? Promise.resolve() : this.load(entry));
    this.endedLoaded.delete(id);
    this.endedLoaded.set(id, loading);
    loading.catch(() => this.endedLoaded.delete(id));
    for (const oldest of this.endedLoaded.keys()) {
      if (this.endedLoaded.size <= ENDED_LOADED) break;
      this.endedLoaded.delete(oldest);
      const kept = this.campaigns.get(oldest);
      if (kept) Object.assign(kept, { plan: undefined, jobs: [], byId: new Map() });
    }
    await loading;
  }

  /** Puts a campaign on the board, before or after those it retries. */
  add(value: CampaignValue): CampaignEntry {
    const retriedBy = this.retriesOf(value.id);
    const entry: Kept = { value, jobs: [], byId: new Map(), retriedBy, waiting: [] };
    if (value.retryOf !== undefined) this.retriesOf(value.retryOf).push(value.id);
    if (value.endedMs !== undefined) entry.endedMs = value.endedMs;
    this.campaigns.set(value.id, entry);
    this.sorted = undefined;
    return entry;
  }

  private retriesOf(id: string): string[] {
    const known = this.retries.get(id) ?? [];
    this.retries.set(id, known);
    return known;
  }

  campaign(id: string): CampaignEntry | undefined {
    return this.campaigns.get(id);
  }

  /** Newest first. */
  list(): readonly CampaignEntry[] {
    this.sorted ??= [...this.campaigns.values()].sort((a, b) => (a.value.id < b.value.id ? 1 : -1));
    return this.sorted;
  }

  job(campaign: string, job: string): JobEntry | undefined {
    return this.campaigns.get(campaign)?.byId.get(job);
  }

  shard(key: ShardKey): ShardState | undefined {
    return this.job(key.campaign, key.job)?.shards[key.index];
  }

  /** Lays out the jobs of a plan, every shard pending, no gate open. */
  setPlan(entry: CampaignEntry, plan: Plan, nowMs: number): void {
    const kept = this.campaigns.get(entry.value.id);
    if (kept === undefined) return;
    kept.plan = plan;
    kept.jobs = plan.jobs.map((spec) => newJob(spec, nowMs));
    kept.byId = new Map(kept.jobs.map((job) => [job.spec.id, job]));
  }

  /** Brings a job that was just laid out to where its records in the state store say it is. */
  restore(job: JobEntry, records: JobRecords, nowMs: number): void {
    restoreJob(job, records, nowMs);
  }

  /** Applies an event to a shard; undefined when it does not fit or there is no such shard. */
  shardEvent(key: ShardKey, event: ShardEvent, nowMs: number): ShardEffect[] | undefined {
    const entry = this.campaigns.get(key.campaign);
    const job = entry?.byId.get(key.job);
    const before = job?.shards[key.index];
    if (entry === undefined || job === undefined || before === undefined) return undefined;
    const step = transitionShard(before, event, nowMs);
    if (!step.ok) return undefined;
    this.touched.set(job, entry);
    setShard(job, key.index, step.state, nowMs);
    return step.effects;
  }

  /** Jobs whose shards changed since this was asked last, with their campaigns. */
  takeTouched(): Map<JobEntry, CampaignEntry> {
    const { touched } = this;
    this.touched = new Map();
    return touched;
  }

  /** Something about a job changed beside the states of its shards. */
  touch({ campaign, job: id }: Pick<ShardKey, "campaign" | "job">): void {
    const entry = this.campaigns.get(campaign);
    const job = entry?.byId.get(id);
    if (entry && job) this.touched.set(job, entry);
  }

  /** Notes how many samples a running attempt has journaled; other states ignore it. */
  progressed(key: ShardKey, samples: number): void {
    const job = this.job(key.campaign, key.job);
    if (job?.shards[key.index]?.kind !== "RUNNING") return;
    setRunning(job, key.index, Math.min(samples, rangeOf(job, key.index).count));
  }
}

/** Samples and shards of a campaign, by how they stand; of an ended one as they were written down. */
export function tallyCampaign(entry: CampaignEntry): Tally {
  if (entry.value.tally !== undefined) return entry.value.tally;
  const sum: Tally = {
    ...{ samples: 0, samplesDone: 0, samplesFailed: 0, samplesRunning: 0 },
    ...{ shards: 0, shardsDone: 0 },
  };
  for (const job of entry.jobs) {
    const tally = tallyJob(job);
    for (const key of Object.keys(sum) as (keyof Tally)[]) sum[key] += tally[key];
  }
  return sum;
}

export const isEnded = (state: CampaignState | JobState): boolean =>
  state.kind === "SUCCEEDED" ||
  state.kind === "PARTIAL" ||
  state.kind === "FAILED" ||
  state.kind === "CANCELLED";
