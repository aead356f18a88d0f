/**
 * Results straight from the artifacts: the records of committed attempts are read, verified by hash and aggregated.
 * Shards that were given up have no file; their samples get the records that say so, the same at each reading.
 *
 * A retry's results are those of its whole chain. A summary of a campaign is kept until another shard commits, because
 * its intervals take a while to draw.
 */
import { type ArtifactStore, getCas, getVerified } from "../../shared/artifacts/store.js";
import { pairKeys } from "../../shared/benchmark/identity.js";
import type { Item } from "../../shared/benchmark/item.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import type { Summary } from "../../shared/benchmark/summary.js";
import { parseManifest } from "../../shared/datasets/manifest.js";
import { rfc3339 } from "../../shared/runtime/clock.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import { type Board, type CampaignEntry, type JobEntry, rangeOf } from "../campaigns/board.js";
import { type ChainShard, chainShards, loadedChain } from "../campaigns/board-chain.js";
import type { DoneValue } from "../store/values.js";
import { chainRecords } from "./chain-records.js";
import { givenUpRecords } from "./given-up-records.js";
import type { RecordFilter, ResultsIndex } from "./results-index.js";
import { type Summarizer, SummaryThread } from "./summary-thread.js";

interface Dataset {
  items: Item[];
  /** Base pair key of each item. */
  pairs: string[];
}

const SUMMARIES_KEPT = 50;

export class StreamedResults implements ResultsIndex {
  private lastDataset: { sha256: string; value: Promise<Dataset> } | undefined;
  private readonly kept = new Map<string, { state: string; summary: Promise<Summary> }>();

  constructor(
    private readonly board: Board,
    private readonly artifacts: ArtifactStore,
    private readonly summarizer: Summarizer = new SummaryThread(),
  ) {}

  async summary(campaign: string): Promise<Summary> {
    const chain = await this.chain(campaign);
    const entry = chain.at(-1) ?? this.entry(campaign);
    const shards = entry.jobs.reduce((sum, job) => sum + job.done.size, 0);
    const state = `${entry.value.state.kind} ${shards}`;
    const kept = this.kept.get(campaign);
    if (kept?.state === state) return kept.summary;
    const summary = this.summarize(entry, chain);
    this.kept.delete(campaign);
    this.kept.set(campaign, { state, summary });
    const [oldest] = this.kept.keys();
    if (this.kept.size > SUMMARIES_KEPT && oldest !== undefined) this.kept.delete(oldest);
    summary.catch(() => this.kept.delete(campaign));
    return summary;
  }

  /** Ends what computes summaries. */
  close(): Promise<void> {
    return this.summarizer.close();
  }

  async *records(campaign: string, filter: RecordFilter = {}): AsyncGenerator<ResultRecord> {
    const chain = await this.chain(campaign);
    const jobs = jobsOf(chain);
    if (filter.job !== undefined && !jobs.includes(filter.job)) {
      throw new SaiError("not_found", `campaign ${campaign} has no job ${filter.job}`);
    }
    for await (const records of this.batches(chain, filter.job === undefined ? jobs : [filter.job])) {
      for (const record of records) {
        if (filter.status === undefined || record.status === filter.status) yield record;
      }
    }
  }

  /** The records of one committed shard, by ordinal. */
  async ofShard(
    entry: CampaignEntry,
    job: JobEntry,
    index: number,
    done: DoneValue,
  ): Promise<ResultRecord[]> {
    if (done.kind === "split") return [];
    if (done.kind === "failed") {
      const { items, pairs } = await this.dataset(job.spec.dataset.manifestSha256);
      const range = rangeOf(job, index);
      return givenUpRecords(entry.value.id, job.spec, index, range, done, items, pairs, sha256);
    }
    const bytes =
      done.inline === undefined
        ? await getVerified(this.artifacts, done.uri, done.sha256)
        : Buffer.from(done.inline);
    return bytes
      .toString("utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as ResultRecord);
  }

  private async summarize(entry: CampaignEntry, chain: readonly CampaignEntry[]): Promise<Summary> {
    const { value } = entry;
    const time = (ms: number | undefined) => (ms === undefined ? "" : rfc3339(ms));
    // All samples are those of the first campaign's plan; who ran them stands in the records.
    const plan = { ...(chain[0]?.plan ?? emptyPlan(entry)), campaign: value.id };
    const campaigns = chain.map((each) => each.value.id);
    const merged = chain.length === 1 ? [] : [`with the results of ${campaigns.slice(0, -1).join(", ")}`];
    return this.summarizer.summarize({ plan, campaigns }, this.batches(chain, jobsOf(chain)), {
      state: value.state.kind.toLowerCase(),
      createdAt: time(value.createdMs),
      endedAt: time(entry.endedMs),
      planSha256: ("planSha256" in value.state && value.state.planSha256) || "",
      warnings: [...value.warnings, ...merged],
    });
  }

  /** Items and their pair keys; the last dataset is kept, because all shards of a job ask for the same. */
  private dataset(manifestSha256: string): Promise<Dataset> {
    if (this.lastDataset?.sha256 !== manifestSha256) {
      const value = getCas(this.artifacts, manifestSha256).then((bytes) => {
        const items = parseManifest(bytes);
        return { items, pairs: pairKeys(items, sha256) };
      });
      this.lastDataset = { sha256: manifestSha256, value };
      value.catch(() => {
        this.lastDataset = undefined;
      });
    }
    return this.lastDataset.value;
  }

  private async *batches(
    chain: readonly CampaignEntry[],
    jobs: readonly string[],
  ): AsyncGenerator<ResultRecord[]> {
    // What counts is decided before the first record is read: meanwhile more may commit.
    const shards = jobs.map((job) => chainShards(chain, job));
    const read = ({ entry, job, index, done }: ChainShard) => this.ofShard(entry, job, index, done);
    for (const of of shards) yield* chainRecords(of, read);
  }

  /** The campaigns a campaign's results come from, with their jobs. Throws not_found. */
  private async chain(campaign: string): Promise<CampaignEntry[]> {
    return loadedChain(this.board, this.entry(campaign));
  }

  private entry(campaign: string): CampaignEntry {
    const entry = this.board.campaign(campaign);
    if (entry === undefined) throw noCampaign(campaign);
    return entry;
  }
}

export const noCampaign = (id: string): SaiError =>
  new SaiError("not_found", `no campaign ${id.slice(0, 80)}`, {
    hint: "`sai campaign list` shows those there are",
  });

const jobsOf = ([first]: readonly CampaignEntry[]): string[] => (first?.jobs ?? []).map((job) => job.spec.id);

const emptyPlan = ({ value }: CampaignEntry) => ({
  v: 1 as const,
  campaign: value.id,
  name: value.name,
  description: value.description,
  suiteSha256: value.suiteSha256,
  jobs: [],
});
