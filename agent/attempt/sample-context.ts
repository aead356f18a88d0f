/** What all samples of one attempt share, worked out once. */
import { pairKeys } from "../../shared/benchmark/identity.js";
import type { Item } from "../../shared/benchmark/item.js";
import type { Sha256 } from "../../shared/benchmark/json.js";
import type { JobSpec } from "../../shared/benchmark/plan.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import type { Clock } from "../../shared/runtime/clock.js";
import type { Random } from "../../shared/runtime/random.js";
import type { PreparedModel } from "../engines/engine.js";
import type { CachedAnswer } from "./cache-entry.js";
import { whyNotCached } from "./cached-job.js";
import type { ResponseCache } from "./response-cache.js";

export interface SampleParts {
  campaign: string;
  job: JobSpec;
  /** All items of the job's dataset, in manifest order. */
  items: readonly Item[];
  prepared: PreparedModel;
  /** Of a judge job: what it judges, by ordinal. */
  judged?: ReadonlyMap<number, string>;
  /** Index of the shard, and the attempt's name `<epoch>.<n>`. */
  shard: number;
  attempt: string;
  node: ResultRecord["node"];
  clock: Clock;
  random: Random;
  sha256: Sha256;
  /** Bytes of a picture by its hash. Throws SaiError not_found when there are none; all else ends the attempt. */
  readBlob(sha256: string): Promise<Uint8Array>;
  /** Absent where the operator wants none. */
  cache?: Pick<ResponseCache, "find" | "keep">;
  /** Runs what only waits for others: it does not count towards the attempt's deadline. */
  waiting<T>(work: () => Promise<T>): Promise<T>;
}

export interface SampleContext extends Omit<SampleParts, "cache"> {
  /** Where answers of this job may come from; undefined where none may. */
  readonly cache: SampleParts["cache"] | undefined;
  /** What is to be kept there, when the attempt has its device no more. */
  readonly answers: { key: string; answer: CachedAnswer }[];
  /** Base pair key of each item. */
  readonly pairKeys: readonly string[];
  /** Flags that every record of the attempt carries. */
  readonly flags: readonly string[];
  /** Waits until the next request may start (`request_delay`). */
  pace(signal: AbortSignal): Promise<void>;
}

/** Make one per attempt: it also paces the attempt's requests. */
export function sampleContext(parts: SampleParts): SampleContext {
  const { job, prepared, cache } = parts;
  const ignored = prepared.notApplied(job.generation, job.engineOptions);
  const uncached = job.cache ? (cache ? whyNotCached(job, prepared, ignored) : "off") : undefined;
  return {
    ...parts,
    ...{ cache: job.cache && uncached === undefined ? cache : undefined, answers: [] },
    pairKeys: pairKeysOf(parts.items, parts.sha256),
    flags: [
      ...prepared.flags,
      ...ignored.map((key) => `not_applied:${key}`),
      ...(uncached === undefined ? [] : [`not_cached:${uncached}`]),
    ],
    pace: pacer(parts.clock, (job.generation.requestDelayS ?? 0) * 1000),
  };
}

/** Attempts of one job share their list of items; hashing all of them is done once, not once an attempt. */
const knownPairKeys = new WeakMap<readonly Item[], readonly string[]>();

function pairKeysOf(items: readonly Item[], sha256: Sha256): readonly string[] {
  const known = knownPairKeys.get(items);
  if (known) return known;
  const made = pairKeys(items, sha256);
  knownPairKeys.set(items, made);
  return made;
}

function pacer(clock: Clock, delayMs: number): (signal: AbortSignal) => Promise<void> {
  let nextMs = Number.NEGATIVE_INFINITY;
  return async (signal) => {
    if (delayMs <= 0) return;
    const startMs = Math.max(clock.nowMs(), nextMs);
    nextMs = startMs + delayMs;
    const waitMs = startMs - clock.nowMs();
    if (waitMs > 0) await clock.sleep(waitMs, signal);
  };
}
