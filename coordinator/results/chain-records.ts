/**
 * The records of a chain of retries as if they were of one campaign: each sample's is that of the newest campaign that has
 * one, and they come in the order of the samples.
 */
import { windowOf } from "../../shared/benchmark/load/load-spec.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import type { ChainShard } from "../campaigns/board-chain.js";

/** Reads a shard's records, by ordinal. */
export type ReadShard = (shard: ChainShard) => Promise<ResultRecord[]>;

/** Records of one job, a shard at a time, by ordinal; `shards` is what `chainShards` answers. */
export async function* chainRecords(
  shards: readonly (readonly ChainShard[])[],
  read: ReadShard,
): AsyncGenerator<ResultRecord[]> {
  const sources = shards.filter((of) => of.length > 0).map((of) => own(of, read));
  const [only] = sources;
  if (only === undefined) return;
  if (sources.length === 1) return yield* only;
  yield* merged(sources);
}

/** What one campaign contributes. */
async function* own(shards: readonly ChainShard[], read: ReadShard): AsyncGenerator<ResultRecord[]> {
  for (const shard of shards) {
    const records = await read(shard);
    const { load } = shard.job.spec;
    if (records.length === shard.ordinals.length && !load) yield records;
    else {
      const wanted = new Set(shard.ordinals);
      // A window is one sample, with a record for each of its requests.
      yield records.filter(({ ordinal }) => wanted.has(load ? windowOf(ordinal) : ordinal));
    }
  }
}

/** Several sources without a common sample, each by ordinal, as one. */
async function* merged(sources: AsyncGenerator<ResultRecord[]>[]): AsyncGenerator<ResultRecord[]> {
  const heads = sources.map((source) => ({ source, records: [] as ResultRecord[], at: 0, over: false }));
  let batch: ResultRecord[] = [];
  for (;;) {
    let first: { record: ResultRecord; head: (typeof heads)[number] } | undefined;
    for (const head of heads) {
      while (!head.over && head.at >= head.records.length) {
        const next = await head.source.next();
        if (next.done) head.over = true;
        else Object.assign(head, { records: next.value, at: 0 });
      }
      const record = head.records[head.at];
      if (record && (first === undefined || record.ordinal < first.record.ordinal)) first = { record, head };
    }
    if (first === undefined) break;
    first.head.at += 1;
    batch.push(first.record);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
const BATCH = 64;
