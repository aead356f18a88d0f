/** What a campaign is read from, and how all of it comes into a generation, wherever an earlier try was cut off. */
import type { Cell, Distribution, Summary } from "../../shared/benchmark/summary.js";
import { errorText } from "../../shared/runtime/errors.js";
import type { IndexCalls } from "./calls.js";
import type { CampaignFacts, CellFacts, CellSummary, ShardLines } from "./messages.js";

/** A campaign that has ended, as its artifacts have it. */
export interface CampaignSource {
  facts: CampaignFacts;
  jobs: JobSource[];
  /** The summary that was stored at its end; undefined if there is none. */
  summary(): Promise<Summary | undefined>;
}

export interface JobSource {
  cell: CellFacts;
  /** Shards with records. */
  shards: number;
  /** The shard at a place in the manifest's order. */
  read(at: number): Promise<ShardLines>;
}

/** Bytes of records in one transaction, about. */
const BATCH_BYTES = 8 * 1024 * 1024;
const BATCH_SHARDS = 4096;
/** Shards read at once. */
const READS = 8;

/**
 * Brings a campaign into a generation. What of it cannot be read now and not later either becomes its `problem`;
 * `isPassing` says which errors are others. Answers how many records came in. Stops between two batches when `signal` aborts.
 */
export async function ingestCampaign(
  index: Pick<IndexCalls, "ingestedShards" | "addBatch" | "finishCampaign">,
  generation: number,
  source: CampaignSource,
  isPassing: (error: unknown) => boolean,
  signal?: AbortSignal,
): Promise<{ records: number; problem: string }> {
  const known = await index.ingestedShards(generation, source.facts.id);
  const problems: string[] = [];
  let records = 0;
  for (const job of source.jobs) {
    const from = known.find(({ job: id }) => id === job.cell.job)?.shards ?? 0;
    // One batch is written while the next one is read.
    let writing: Promise<unknown> = Promise.resolve();
    const read = (at: number) =>
      job.read(at).catch((error: unknown): ShardLines => {
        if (isPassing(error)) throw error;
        problems.push(`${job.cell.job}: ${errorText(error)}`);
        return { index: at, lines: new Uint8Array(), samples: [] };
      });
    try {
      for await (const batch of batches(job.shards, read, from)) {
        await writing;
        signal?.throwIfAborted();
        writing = index.addBatch(generation, { cell: job.cell, ...batch }).then((added) => {
          records += added.records;
        });
        writing.catch(() => {});
      }
      await writing;
    } finally {
      await writing.catch(() => {}); // nothing goes on behind the next try's back
    }
  }
  const summary = await source.summary().catch((error: unknown) => {
    if (isPassing(error)) throw error;
    problems.push(`its summary: ${errorText(error)}`);
    return undefined;
  });
  signal?.throwIfAborted();
  const problem = problems.join("; ").slice(0, 2000);
  const cells = source.jobs.map(({ cell }) => cell);
  await index.finishCampaign(
    generation,
    source.facts,
    cells,
    (summary?.cells ?? []).map(cellSummary),
    problem,
  );
  return { records, problem };
}

async function* batches(
  count: number,
  read: JobSource["read"],
  begin: number,
): AsyncGenerator<{ from: number; shards: ShardLines[] }> {
  let [from, bytes] = [begin, 0];
  let shards: ShardLines[] = [];
  for (let at = begin; at < count; at += READS) {
    const reads = Array.from({ length: Math.min(READS, count - at) }, (_, i) => read(at + i));
    for (const shard of await Promise.all(reads)) {
      shards.push(shard);
      bytes += shard.lines.byteLength;
      if (bytes < BATCH_BYTES && shards.length < BATCH_SHARDS) continue;
      yield { from, shards };
      from += shards.length;
      [shards, bytes] = [[], 0];
    }
  }
  if (shards.length > 0) yield { from, shards };
}

function cellSummary(cell: Cell): CellSummary {
  const { counts, e2eMs, ttftMs, tpotMs, ranks } = cell;
  const at = (distribution: Distribution | undefined, percentile: "p50" | "p95") =>
    distribution?.[percentile];
  return {
    job: cell.job,
    ...{ engineVersion: cell.engineVersion, modelDigest: cell.modelDigest, simulated: cell.simulated },
    answered: counts === undefined ? 0 : counts.ok + counts.parseError + counts.refused,
    failed: counts === undefined ? 0 : counts.engineError + counts.timeout + counts.oom + counts.poison,
    ...{ e2eP50Ms: at(e2eMs, "p50"), e2eP95Ms: at(e2eMs, "p95") },
    ...{ ttftP50Ms: at(ttftMs, "p50"), ttftP95Ms: at(ttftMs, "p95"), tpotP50Ms: at(tpotMs, "p50") },
    metrics: cell.metrics.map(({ id, value, reason, unit, n, higherIsBetter, interval }) => ({
      ...{ id, value, reason, unit, n, higherIsBetter },
      ...{ lo: interval?.lo, hi: interval?.hi, method: interval?.method },
      rank: ranks.find(({ metric }) => metric === id)?.rank,
    })),
  };
}
