/** What a reader of the numbers should know before trusting them. One line each, in matrix order. */

import type { CellInput } from "./aggregate-cell.js";
import { count } from "./count.js";
import { unjudged } from "./judge.js";
import type { Cell } from "./summary.js";

const FEW_ITEMS = 30;
const PREFIX_CACHE_SHARE = 0.1;

const GPU_FLAGS: ReadonlyMap<string, string> = new Map([
  ["thermal_slowdown", "a GPU was slowed down by heat"],
  ["power_brake", "a GPU was slowed down by the power brake"],
  ["clock_change", "the clocks changed by more than 5 %"],
  ["foreign_process", "processes of others were on the GPUs"],
  ["ecc_errors", "memory errors that could not be corrected"],
  ["sched_lag", "the agent was late by more than 5 % of the time it measures: it may be what is slow"],
]);

/** Why answers were neither taken from the cache nor kept there, by the flag of the records. */
const NOT_CACHED: ReadonlyMap<string, string> = new Map([
  [
    "not_cached:not_deterministic",
    "neither temperature 0 nor a seed that the engine applies fixes its answers",
  ],
  [
    "not_cached:model_unknown",
    "nothing says which version of the model answers (a revision in the suite would)",
  ],
  ["not_cached:off", "it is switched off on an agent (performance.result_cache)"],
]);

const usd = (value: number): string => `$${value.toFixed(value < 1 ? 4 : 2)}`;

export function cellWarnings({ job, samples }: CellInput, cell: Cell): string[] {
  const where = `${job.model.id} × ${job.prompt.id} × ${job.dataset.id}`;
  const warnings: string[] = [];
  const warn = (text: string): void => {
    warnings.push(`${where}: ${text}`);
  };
  const { notRun = 0, cancelled = 0, timeout = 0 } = cell.counts ?? {};
  if (notRun + cancelled > 0) warn(`${notRun + cancelled} of ${count(job.samples, "sample")} not run`);
  if (timeout > 0) warn(`${count(timeout, "sample")} timed out; the latency percentiles are censored`);
  if (cell.cached > 0) {
    const spared = cell.costAvoidedUsd === undefined ? "" : `, ${usd(cell.costAvoidedUsd)} not spent`;
    const left = "they are in no time, rate, throughput or energy";
    warn(`${cell.cached} of ${count(samples.length, "sample")} answered from the cache${spared}; ${left}`);
  }
  for (const [flag, why] of NOT_CACHED)
    if ((cell.flags[flag] ?? 0) > 0) warn(`the response cache was not used: ${why}`);
  const truncated = cell.flags["truncated"] ?? 0;
  if (truncated > 0) warn(`${count(truncated, "answer")} cut off at max_tokens`);
  const prefix = cachedShare(samples);
  if (prefix > PREFIX_CACHE_SHARE) {
    warn(`${Math.round(prefix * 100)} % of the input tokens came from the server's prefix cache`);
  }
  for (const [flag, n] of Object.entries(cell.gpu?.flags ?? {}))
    warn(`${n} of ${count(cell.gpu?.windows ?? 0, "attempt")} with GPUs: ${GPU_FLAGS.get(flag) ?? flag}`);
  for (const { id, reduce } of job.metrics) {
    const few = reduce?.k === undefined ? 0 : itemsBelow(reduce.k, samples);
    if (few > 0) warn(`${id}: ${count(few, "item")} with fewer than ${reduce?.k} repetitions left out`);
  }
  for (const text of unjudged({ job, samples })) warn(text);
  const unscored = samples.filter((s) => s.failed && Object.keys(s.scores).length === 0).length;
  const scored = samples.some((s) => Object.keys(s.scores).length > 0);
  if (unscored > 0 && scored) {
    warn(`${count(unscored, "failed sample")} without scores could not be counted as wrong`);
  }
  return warnings;
}

/** Cells with so few items that their intervals say little; one line for all of them. */
export function fewItemsWarning(inputs: readonly CellInput[]): string[] {
  const few = inputs
    .map(({ samples }) => new Set(samples.filter((s) => s.status !== "cancelled").map((s) => s.item)).size)
    .filter((items) => items > 0 && items < FEW_ITEMS);
  if (few.length === 0) return [];
  const [least, most] = [Math.min(...few), Math.max(...few)];
  const items = least === most ? count(least, "item") : `${least} to ${most} items`;
  const where = few.length === inputs.length ? "" : ` in ${few.length} of ${count(inputs.length, "job")}`;
  return [`only ${items}${where}; the intervals are wide`];
}

/** Items that ran, but less often than so many times. */
function itemsBelow(k: number, samples: CellInput["samples"]): number {
  const runs = new Map<number, number>();
  for (const { item, status } of samples) {
    if (status !== "cancelled") runs.set(item, (runs.get(item) ?? 0) + 1);
  }
  return [...runs.values()].filter((n) => n < k).length;
}

function cachedShare(samples: CellInput["samples"]): number {
  let cached = 0;
  let all = 0;
  for (const { tokens, cached: isRecalled } of samples) {
    if (tokens.in === undefined || isRecalled) continue;
    cached += tokens.cached ?? 0;
    all += tokens.in;
  }
  return all === 0 ? 0 : cached / all;
}
