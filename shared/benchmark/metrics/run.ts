/** The metrics of the run as a whole: throughput and cost. Both are sums, so they carry no interval. */
import type { ModelSpec } from "../plan.js";
import { groupBy } from "./group-by.js";
import type { Sample } from "./sample.js";

export type RunValue = { value: number; n: number } | { reason: string };

/**
 * Answered samples per second. Each node counts over its own window, which is the time with at least one sample of
 * the cell between slot free and done; clocks of different nodes are never compared, so the value is the sum of the
 * nodes' rates: what they do when they work at once. Cached answers take no part.
 */
export function throughput(samples: readonly Sample[]): RunValue {
  let value = 0;
  let n = 0;
  for (const own of groupBy(
    samples.filter((sample) => !sample.cached),
    nodeOf,
  ).values()) {
    const answered = own.filter((sample) => sample.answered).length;
    const seconds = busySeconds(own);
    if (answered === 0 || seconds === 0) continue;
    value += answered / seconds;
    n += answered;
  }
  const isCached = samples.some((sample) => sample.cached);
  const reason = isCached ? "all answers came from the cache" : "nothing was answered";
  return n === 0 ? { reason } : { value, n };
}

/**
 * USD of all samples, by what the records say, else by the model's price: tokens in, cached and out (reasoning
 * included), or GPU hours: each attempt's window × the GPUs it had, a part or a slice as its share of one. Cached answers cost nothing, and neither does what failed:
 * nobody said how many tokens it took.
 */
export function cost(samples: readonly Sample[], price: ModelSpec["price"]): RunValue {
  const billed = samples.filter((sample) => !sample.cached && sample.node !== "");
  if (samples.length === 0) return { reason: "nothing was run" };
  const n = samples.length;
  const isKnown = billed.every((sample) => sample.costUsd !== undefined || !sample.answered);
  // What came from the cache has its cost, 0, where its price is known.
  if (isKnown && samples.some((sample) => sample.costUsd !== undefined)) {
    return { value: billed.reduce((sum, sample) => sum + (sample.costUsd ?? 0), 0), n };
  }
  if (price === undefined) return { reason: "the model has no price" };
  if (price.in_1m !== undefined || price.out_1m !== undefined) return tokenCost(billed, price, n);
  if (price.gpu_hour !== undefined) return gpuCost(billed, price.gpu_hour, n);
  return { reason: "the model has no price for input, output or GPU hours" };
}

function tokenCost(billed: readonly Sample[], price: NonNullable<ModelSpec["price"]>, n: number): RunValue {
  const { in_1m: inPrice = 0, out_1m: outPrice = 0 } = price;
  let value = 0;
  for (const { tokens, answered } of billed) {
    if (answered && (tokens.in === undefined || tokens.out === undefined)) {
      return { reason: "the engine reports no tokens" };
    }
    const cached = tokens.cached ?? 0;
    value += ((tokens.in ?? cached) - cached) * inPrice;
    value += cached * (price.cached_1m ?? inPrice) + (tokens.out ?? 0) * outPrice;
  }
  return { value: value / 1e6, n };
}

function gpuCost(billed: readonly Sample[], gpuHour: number, n: number): RunValue {
  let value = 0;
  for (const own of groupBy(billed, attemptOf).values()) {
    const gpus = own.reduce((most, sample) => Math.max(most, sample.gpus), 0);
    if (gpus === 0) return { reason: "the price is per GPU hour and no GPU was used" };
    value += (busySeconds(own) / 3600) * gpus * gpuHour;
  }
  return { value, n };
}

/** Attempts have their GPUs to themselves, or their own part of one. */
const attemptOf = ({ node, attempt }: Sample): string => `${node} ${attempt}`;

const nodeOf = (sample: Sample): string => sample.node;

/** Length of the union of the samples' intervals: pauses between shards are not the model's. */
function busySeconds(samples: readonly Sample[]): number {
  const spans = samples.map((sample) => sample.busy).toSorted((a, b) => a[0] - b[0]);
  let busyNs = 0;
  let until = Number.NEGATIVE_INFINITY;
  for (const [start, end] of spans) {
    busyNs += Math.max(0, end - Math.max(start, until));
    until = Math.max(until, end);
  }
  return busyNs / 1e9;
}
