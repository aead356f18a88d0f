/**
 * The paired comparison of two models on one metric. Samples pair by `pair_key` within one prompt and dataset;
 * a pair whose truths differ (`target_sha`) is not comparable and left out. Failed samples are in it as wrong ones,
 * cancelled and missing ones are not.
 */
import type { Reading } from "./metrics/reading.js";
import type { Sample } from "./metrics/sample.js";
import { mcnemarExact } from "./statistics/mcnemar.js";
import { type PairedClusters, permutationTest } from "./statistics/permutation.js";

export interface PairedResult {
  /** Items in it. */
  n: number;
  /** Value of a − value of b over the pairs. */
  difference: number;
  /** Items only a (only b) has right; for graded metrics those where it is better. */
  aOnly: number;
  bOnly: number;
  p: number;
  method: "mcnemar-exact" | "sign-flip";
}

export interface Pair {
  a: Sample;
  b: Sample;
}

export function pairUp(a: readonly Sample[], b: readonly Sample[]): { pairs: Pair[]; notComparable: number } {
  const byKey = new Map(b.map((sample) => [sample.pairKey, sample]));
  const pairs: Pair[] = [];
  let notComparable = 0;
  for (const sample of a) {
    const other = byKey.get(sample.pairKey);
    if (other === undefined) continue;
    if (other.targetSha === sample.targetSha) pairs.push({ a: sample, b: other });
    else notComparable++;
  }
  return { pairs, notComparable };
}

/** Undefined if there are no pairs, or one side has no value over them. */
export function comparePairs(
  pairs: readonly Pair[],
  reading: Reading,
  higherIsBetter: boolean,
  seed: number,
): PairedResult | undefined {
  const items = pairedItems(pairs, reading);
  const clusters = sumByCluster(items);
  const [valueA, valueB] = [total(clusters, "A"), total(clusters, "B")];
  if (valueA === undefined || valueB === undefined) return undefined;
  const { aOnly, bOnly } = countBetter(items, higherIsBetter);
  const binary =
    reading.proportion && items.every((item) => item.rows === 1 && item.denA === 1 && item.denB === 1);
  const exact = binary && clusters.numA.length === items.length;
  return {
    n: items.length,
    difference: valueA - valueB,
    aOnly,
    bOnly,
    p: exact ? mcnemarExact(aOnly, bOnly) : permutationTest(clusters, seed),
    method: exact ? "mcnemar-exact" : "sign-flip",
  };
}

interface PairedItem {
  cluster: string;
  numA: number;
  denA: number;
  numB: number;
  denB: number;
  rows: number;
}

const NO_ROW = { num: 0, den: 0 };

/** Repetitions are averaged within the item. */
function pairedItems(pairs: readonly Pair[], reading: Reading): PairedItem[] {
  const items = new Map<number, PairedItem>();
  for (const { a, b } of pairs) {
    const [rowA, rowB] = [reading.row(a), reading.row(b)];
    if (rowA === undefined && rowB === undefined) continue;
    const cluster = reading.cluster?.(a) ?? a.cluster;
    const item = items.get(a.item) ?? { cluster, numA: 0, denA: 0, numB: 0, denB: 0, rows: 0 };
    item.rows++;
    item.numA += ((rowA ?? NO_ROW).num - item.numA) / item.rows;
    item.denA += ((rowA ?? NO_ROW).den - item.denA) / item.rows;
    item.numB += ((rowB ?? NO_ROW).num - item.numB) / item.rows;
    item.denB += ((rowB ?? NO_ROW).den - item.denB) / item.rows;
    items.set(a.item, item);
  }
  return [...items.values()];
}

function sumByCluster(items: readonly PairedItem[]): PairedClusters {
  const index = new Map<string, number>();
  for (const { cluster } of items) if (!index.has(cluster)) index.set(cluster, index.size);
  const empty = (): Float64Array => new Float64Array(index.size);
  const sums: PairedClusters = { numA: empty(), denA: empty(), numB: empty(), denB: empty() };
  for (const item of items) {
    const at = index.get(item.cluster) ?? 0;
    for (const side of SUMMED) sums[side][at] = (sums[side][at] ?? 0) + item[side];
  }
  return sums;
}

const SUMMED = ["numA", "denA", "numB", "denB"] as const;

function total(clusters: PairedClusters, side: "A" | "B"): number | undefined {
  const add = (sum: number, value: number): number => sum + value;
  const bottom = clusters[`den${side}`].reduce(add, 0);
  return bottom === 0 ? undefined : clusters[`num${side}`].reduce(add, 0) / bottom;
}

function countBetter(
  items: readonly PairedItem[],
  higherIsBetter: boolean,
): { aOnly: number; bOnly: number } {
  let aOnly = 0;
  let bOnly = 0;
  for (const { numA, denA, numB, denB } of items) {
    if (denA === 0 || denB === 0) continue;
    const lead = (numA / denA - numB / denB) * (higherIsBetter ? 1 : -1);
    if (lead > 0) aOnly++;
    else if (lead < 0) bOnly++;
  }
  return { aOnly, bOnly };
}
