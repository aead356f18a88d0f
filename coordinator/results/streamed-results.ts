/**
 * Results straight from the artifacts: the records of committed attempts are read, verified by hash and aggregated.
 * Shards that were given up have no file; their samples get the records that say so, the same at each reading.
 *
 * A retry's results are those of its whole chain. A summary of a campaign is kept until another shard commits, because
 * its intervals take a while to draw.
 */
import { isDeepStrictEqual } from "node:util";
import { type ArtifactStore, getCas, getVerified } from "../../shared/artifacts/store.js";
import type { SummaryMeta } from "../../shared/benchmark/aggregate.js";
import type { Comparing } from "../../shared/benchmark/compare/comparison.js";
import { pairKeys } from "../../shared/benchmark/identity.js";
import type { Item } from "../../shared/benchmark/item.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { jobsByNewRules } from "../../shared/benchmark/rescore.js";
import type { Summary } from "../../shared/benchmark/summary.js";
import { parseManifest } from "../../shared/datasets/manifest.js";
import { rfc3339 } from "../../shared/runtime/clock.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import { type Board, type CampaignEntry, type JobEntry, rangeOf } from "../campaigns/board.js";
import { type ChainShard, chainShards, loadedChain } from "../campaigns/board-chain.js";
import type { ExampleTask } from "../report/example.js";
import type { DoneValue } from "../store/values.js";
import { chainRecords } from "./chain-records.js";
import { type CampaignSide, compareCampaigns } from "./compare-campaigns.js";
import { givenUpRecords } from "./given-up-records.js";
import { examplesOf } from "./report-examples.js";
import type { CompareQuery, RecordFilter, ResultsIndex, Rules } from "./results-index.js";
import { type Summarizer, type SummarySource, SummaryThread } from "./summary-thread.js";

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

  async rescore(campaign: string, rules?: Rules): Promise<Summary> {
    const chain = await this.chain(campaign);
    const entry = chain.at(-1) ?? this.entry(campaign);
    const old = chain[0]?.plan?.jobs;
    if (old === undefined)
      throw new SaiError("failed_precondition", `campaign ${campaign} has no plan yet`, {
        hint: "wait until it runs",
      });
    const { jobs, problems } = jobsByNewRules(old, rules?.jobs ?? old);
    const items: { [manifestSha256: string]: Item[] } = {};
    for (const job of jobs) {
      const before = old.find(({ id }) => id === job.id) ?? job;
      const asked = await this.dataset(before.dataset.manifestSha256);
      const now = rules?.items[job.dataset.manifestSha256] ?? asked.items;
      const other =
        rules === undefined
          ? -1
          : pairKeys(now, sha256).findIndex(
              (key, i) => key !== asked.pairs[i] || !isDeepStrictEqual(now[i]?.shots, asked.items[i]?.shots),
            );
      const which = `item ${now[other]?.id ?? ""} of ${job.dataset.id} is not what was asked there`;
      if (other >= 0 && !problems.includes(which)) problems.push(which);
      items[job.dataset.manifestSha256] = now;
    }
    if (problems.length > 0) {
      const violations = problems.slice(0, 20).map((description) => ({ field: "spec.suite", description }));
      throw new SaiError("invalid_argument", `these rules do not fit the answers of ${campaign}`, {
        violations,
        hint: "only what comes after an answer can change; `sai apply` asks anew",
      });
    }
    const { compat } = rules ?? chain[0]?.plan ?? {};
    const source = { ...this.sourceOf(entry, chain), rescore: { items } };
    const plan = { ...source.plan, jobs, ...(compat === undefined ? {} : { compat }) };
    const ids = jobs.map(({ id }) => id);
    return this.summarizer.summarize(
      { ...source, plan },
      this.batches(chain, ids),
      this.metaOf(entry, chain),
    );
  }

  async compare({ base, candidate, baseline = "", map, rules }: CompareQuery): Promise<Comparing> {
    const [baseSide, candidateSide] = [await this.side(base, baseline), await this.side(candidate, "")];
    return compareCampaigns({
      ...{ base: baseSide, candidate: candidateSide, map, rules, comparer: this.summarizer },
      items: async (manifest) => (await this.dataset(manifest)).items,
    });
  }

  /** One campaign of a comparison. */
  private async side(campaign: string, baseline: string): Promise<CampaignSide> {
    const chain = await this.chain(campaign);
    const entry = chain.at(-1) ?? this.entry(campaign);
    const plan = chain[0]?.plan;
    if (plan === undefined)
      throw new SaiError("failed_precondition", `campaign ${campaign} has no plan yet`, {
        hint: "wait until it has ended",
      });
    const { state, createdAt, endedAt } = this.metaOf(entry, chain);
    return {
      about: { campaignId: campaign, baseline, name: plan.name, state, createdAt, endedAt },
      jobs: plan.jobs,
      records: (job) => this.batches(chain, [job]),
    };
  }

  async examples(campaign: string): Promise<ExampleTask[]> {
    const chain = await this.chain(campaign);
    return examplesOf({
      jobs: chain[0]?.plan?.jobs ?? [],
      records: (job) => this.batches(chain, [job]),
      items: async (manifest) => (await this.dataset(manifest)).items,
      media: (hash) => getCas(this.artifacts, hash),
    });
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
    return (await this.linesOf(entry, job, index, done))
      .toString("utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as ResultRecord);
  }

  /** The same as JSON lines: the records file, verified by its hash. */
  async linesOf(entry: CampaignEntry, job: JobEntry, index: number, done: DoneValue): Promise<Buffer> {
    if (done.kind === "split") return Buffer.alloc(0);
    if (done.kind === "result") {
      if (done.inline !== undefined) return Buffer.from(done.inline);
      return getVerified(this.artifacts, done.uri, done.sha256);
    }
    const { items, pairs } = await this.dataset(job.spec.dataset.manifestSha256);
    const range = rangeOf(job, index);
    const records = givenUpRecords(entry.value.id, job.spec, index, range, done, items, pairs, sha256);
    return Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  }

  private async summarize(entry: CampaignEntry, chain: readonly CampaignEntry[]): Promise<Summary> {
    const batches = this.batches(chain, jobsOf(chain));
    return this.summarizer.summarize(this.sourceOf(entry, chain), batches, this.metaOf(entry, chain));
  }

  private sourceOf(entry: CampaignEntry, chain: readonly CampaignEntry[]): SummarySource {
    // All samples are those of the first campaign's plan; who ran them stands in the records.
    const plan = { ...(chain[0]?.plan ?? emptyPlan(entry)), campaign: entry.value.id };
    return { plan, campaigns: chain.map((each) => each.value.id) };
  }

  private metaOf(entry: CampaignEntry, chain: readonly CampaignEntry[]): SummaryMeta {
    const { value } = entry;
    const time = (ms: number | undefined) => (ms === undefined ? "" : rfc3339(ms));
    const before = chain.slice(0, -1).map((each) => each.value.id);
    const merged = before.length === 0 ? [] : [`with the results of ${before.join(", ")}`];
    return {
      state: value.state.kind.toLowerCase(),
      createdAt: time(value.createdMs),
      endedAt: time(entry.endedMs),
      planSha256: ("planSha256" in value.state && value.state.planSha256) || "",
      warnings: [...(value.stopped ? [value.stopped.reason] : []), ...value.warnings, ...merged],
    };
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
