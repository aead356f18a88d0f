/**
 * Chains of retries: a campaign, the retry of it, the retry of that. What is shown of a retry is the whole chain: a
 * sample's record is that of the newest campaign that has one.
 */
import { ordinalAt } from "../../shared/benchmark/plan.js";
import type { DoneValue } from "../store/values.js";
import { type Board, type CampaignEntry, isEnded } from "./board.js";
import { type JobEntry, rangeOf } from "./board-job.js";

/** The campaigns whose records make up a campaign's results, the first one first. */
export function chainOf(board: Board, entry: CampaignEntry): CampaignEntry[] {
  const chain = [entry];
  for (let of = entry.value.retryOf; of !== undefined; ) {
    const before = board.campaign(of);
    if (before === undefined) break;
    chain.unshift(before);
    of = before.value.retryOf;
  }
  return chain;
}

/**
 * The same with their jobs. The board forgets those of ended campaigns when others are asked for, so what is returned of
 * them are copies, which stay whole however long they are read. Rejects with what reading them rejects with.
 */
export async function loadedChain(board: Board, entry: CampaignEntry): Promise<CampaignEntry[]> {
  const chain: CampaignEntry[] = [];
  for (const each of chainOf(board, entry)) {
    await board.loaded(each);
    chain.push(isEnded(each.value.state) ? { ...each } : each);
  }
  return chain;
}

/** A done shard with records, of one campaign of a chain. */
export interface ChainShard {
  entry: CampaignEntry;
  job: JobEntry;
  index: number;
  done: Exclude<DoneValue, { kind: "split" }>;
  /** Ordinals of its samples that no newer campaign has a record of, ascending. */
  ordinals: number[];
}

/** What each campaign of a chain contributes to a job, in order of the shards' samples; the first campaign first. */
export function chainShards(chain: readonly CampaignEntry[], jobId: string): ChainShard[][] {
  const covered = new Set<number>();
  const newestFirst = [...chain].reverse().map((entry, i) => {
    const job = entry.jobs.find((j) => j.spec.id === jobId);
    if (job === undefined) return [];
    const oldest = i === chain.length - 1;
    return shardsOf(entry, job).flatMap((shard) => {
      const ordinals = covered.size === 0 ? shard.ordinals : shard.ordinals.filter((o) => !covered.has(o));
      if (!oldest) for (const ordinal of ordinals) covered.add(ordinal);
      return ordinals.length === 0 ? [] : [{ ...shard, ordinals }];
    });
  });
  return newestFirst.reverse();
}

function shardsOf(entry: CampaignEntry, job: JobEntry): ChainShard[] {
  const shards: ChainShard[] = [];
  for (const [index, done] of job.done) {
    if (done.kind === "split") continue;
    const { first, count } = rangeOf(job, index);
    const ordinals = Array.from({ length: count }, (_, i) => ordinalAt(job.spec, first + i));
    shards.push({ entry, job, index, done, ordinals });
  }
  return shards.sort((a, b) => (a.ordinals[0] ?? 0) - (b.ordinals[0] ?? 0));
}
