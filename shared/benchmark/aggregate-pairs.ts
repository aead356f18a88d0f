/**
 * The paired comparison of two models on one metric. Samples pair by `pair_key` within one prompt and dataset;
 * a pair whose truths differ (`target_sha`) is not comparable and left out. Failed samples are in it as wrong ones,
 * cancelled and missing ones are not.
 */
import { groupBy } from "./metrics/group-by.js";
import type { Reading } from "./metrics/reading.js";
import { reduceItem } from "./metrics/repetitions.js";
import type { Sample } from "./metrics/sample.js";
import { pairedBootstrap } from "./statistics/bootstrap.js";
import { mcnemarExact } from "./statistics/mcnemar.js";
import { type PairedClusters, permutationTest } from "./statistics/permutation.js";
import { wilson } from "./statistics/wilson.js";
import type { Interval } from "./summary.js";

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
  /** 95 % interval of the difference; undefined where nothing varies. */
  interval: Interval | undefined;
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
    interval: differenceInterval(clusters, exact && aOnly + bOnly === 0, seed),
  };
}

/**
 * Where all items agree, which is no proof that the next one would: as many as Wilson's bound allows for none of n could
 * differ, either way.
 */
function differenceInterval(clusters: PairedClusters, allAgree: boolean, seed: number): Interval | undefined {
  if (allAgree) {
    const { hi } = wilson(0, clusters.numA.length);
    return { lo: -hi, hi, method: "wilson" };
  }
  const bounds = pairedBootstrap(clusters, seed);
  return bounds && { ...bounds, method: "cluster-bootstrap" };
}

interface PairedItem {
  cluster: string;
  numA: number;
  denA: number;
  numB: number;
  denB: number;
  rows: number;
}

const NO_ROW = { num: 0, den: 0, rows: 0 };

/** Each side's repetitions become one row of the item, as in its own value. */
function pairedItems(pairs: readonly Pair[], reading: Reading): PairedItem[] {
  const items: PairedItem[] = [];
  for (const own of groupBy(pairs, ({ a }) => a.item).values()) {
    const [first] = own;
    const rowA = reduceItem(
      own.map(({ a }) => a),
      reading,
    );
    const rowB = reduceItem(
      own.map(({ b }) => b),
      reading,
    );
    if (first === undefined || (rowA === undefined && rowB === undefined)) continue;
    const [a, b] = [rowA ?? NO_ROW, rowB ?? NO_ROW];
    items.push({
      cluster: reading.cluster?.(first.a) ?? first.a.cluster,
      numA: a.num,
      denA: a.den,
      numB: b.num,
      denB: b.den,
      rows: Math.max(a.rows, b.rows),
    });
  }
  return items;
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
