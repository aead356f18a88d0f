/**
 * News of finished shards, gathered for a moment: at thousands of shards a second one event and one metric update a
 * shard would push everything else out of the event log and cost more than the commit.
 *
 * 1. Every committed record is counted once in the metrics.
 * 2. Times of samples are read from the records of a few shards each moment: enough for quantiles, whatever the rate.
 */
import { isAnswered, type Status } from "../../shared/benchmark/record.js";
import type { Clock } from "../../shared/runtime/clock.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { EventLog } from "../events.js";
import type { Meter } from "../metrics.js";
import type { ResultsIndex } from "../results/results-index.js";
import type { DoneValue } from "../store/values.js";
import { type CampaignEntry, countsOf, type JobEntry, tallyJob } from "./board.js";

export interface NoticeParts {
  clock: Clock;
  events: EventLog;
  metrics: Pick<Meter, "onRecords" | "observeInference">;
  results: Pick<ResultsIndex, "ofShard">;
  log: Logger;
}

interface News {
  entry: CampaignEntry;
  shards: number;
  lastIndex: number;
  counts: { [status in Status]?: number };
}

const GATHER_MS = 100;
const READ_EACH = 10;

export class ShardNotices {
  private readonly news = new Map<JobEntry, News>();
  private toRead = READ_EACH;
  private cancelTimer: (() => void) | undefined;

  constructor(private readonly parts: NoticeParts) {}

  /** A shard's record is durable. */
  done(entry: CampaignEntry, job: JobEntry, index: number, value: DoneValue): void {
    let news = this.news.get(job);
    if (news === undefined) {
      news = { entry, shards: 0, lastIndex: index, counts: {} };
      this.news.set(job, news);
    }
    news.shards += 1;
    news.lastIndex = index;
    const counts = countsOf(job, index, value);
    for (const status in counts) {
      const before = news.counts[status as Status] ?? 0;
      news.counts[status as Status] = before + (counts[status] ?? 0);
    }
    if (value.kind === "result" && this.toRead > 0) {
      this.toRead -= 1;
      void this.read(entry, job, index, value);
    }
    this.cancelTimer ??= this.parts.clock.after(GATHER_MS, () => this.flush());
  }

  /** Tells what was gathered so far. */
  flush(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    this.toRead = READ_EACH;
    for (const [job, { entry, shards, lastIndex, counts }] of this.news) {
      this.parts.metrics.onRecords(labelsOf(job), counts);
      const { shardsDone, shards: all } = tallyJob(job);
      const what = shards === 1 ? `shard ${lastIndex} is done` : `${shards} shards are done`;
      const about = { campaign: entry.value.id, job: job.spec.id };
      this.parts.events.add("shard.done", about, `${what}, ${shardsDone} of ${all} in all`);
    }
    this.news.clear();
  }

  /** Reads committed records for the metrics; a store that is away costs figures, not results. */
  private async read(entry: CampaignEntry, job: JobEntry, index: number, value: DoneValue): Promise<void> {
    try {
      for (const { t_ns, status } of await this.parts.results.ofShard(entry, job, index, value)) {
        if (!isAnswered(status)) continue;
        const seconds = ((t_ns.last_token ?? t_ns.done) - t_ns.sent) / 1e9;
        this.parts.metrics.observeInference(labelsOf(job), seconds);
      }
    } catch (err) {
      this.parts.log.debug({ err, campaign: entry.value.id }, "records could not be read for the metrics");
    }
  }
}

const labelsOf = ({ spec }: JobEntry) => ({
  engine: spec.model.engine,
  model: spec.model.id,
  jobKind: "quality",
});
