/** Records that the index found, read from the artifacts: each shard's file once, a few at a time. */
import type { ResultRecord } from "../../shared/benchmark/record.js";
import type { Board, CampaignEntry } from "../campaigns/board.js";
import type { StreamedResults } from "../results/streamed-results.js";
import type { FoundSample } from "./samples.js";

/** Files read at once. */
const READS = 8;

export class RecordReader {
  constructor(
    private readonly board: Board,
    private readonly results: Pick<StreamedResults, "ofShard">,
  ) {}

  /** JSON of the samples' records in their order; those of a campaign that was removed meanwhile are left out. */
  async read(samples: readonly FoundSample[]): Promise<string[]> {
    const shards = new Map<string, FoundSample>();
    for (const sample of samples) shards.set(keyOf(sample), sample);
    const records = new Map<string, ResultRecord[]>();
    const waiting = [...shards];
    const reader = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
        records.set(next[0], await this.ofShard(next[1]));
    };
    await Promise.all(Array.from({ length: READS }, reader));
    return samples.flatMap((sample) => {
      const record = records.get(keyOf(sample))?.find(({ ordinal }) => ordinal === sample.ordinal);
      return record === undefined ? [] : [JSON.stringify(record)];
    });
  }

  private async ofShard({ campaign, job: id, shard }: FoundSample): Promise<ResultRecord[]> {
    const entry: CampaignEntry | undefined = this.board.campaign(campaign);
    if (entry === undefined) return [];
    await this.board.loaded(entry);
    const job = entry.jobs.find(({ spec }) => spec.id === id);
    const done = job?.done.get(shard);
    return job === undefined || done === undefined ? [] : this.results.ofShard(entry, job, shard, done);
  }
}

const keyOf = ({ campaign, job, shard }: FoundSample): string => `${campaign}/${job}/${shard}`;
