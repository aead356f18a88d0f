/**
 * The paired comparison of two models on one metric. Samples pair by `pair_key` within one prompt and dataset;
 * a pair whose truths differ (`target_sha`) is not comparable and left out. Failed samples are in it as wrong ones,
 * cancelled and missing ones are not.
 */
import { groupBy } from "./metrics/group-by.js";
import type { Reading } from "./metrics/reading.js";
import { reduceItem } from "./metrics/repetitions.js";
import type { Sample } from "./metrics/sample.js";
import { BOOTSTRAP_DRAWS, pairedBootstrap } from "./statistics/bootstrap.js";
import { mcnemarExact } from "./statistics/mcnemar.js";
import { twoSidedZ } from "./statistics/normal.js";
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
  /** Of the difference; undefined where nothing varies, unless the values are bounded. */
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

export interface PairedOptions {
  seed: number;
  /** The interval is of 1 − alpha; default 0.05. */
  alpha?: number;
  /** Values lie between 0 and 1, so that there is an interval even where nothing varies. */
  bounded?: boolean;
}

/** Undefined if there are no pairs, or one side has no value over them. */
export function comparePairs(
  pairs: readonly Pair[],
  reading: Reading,
  higherIsBetter: boolean,
  { seed, alpha = 0.05, bounded = false }: PairedOptions,
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
    interval: differenceInterval(clusters, valueA - valueB, { seed, alpha, bounded: bounded || exact }),
  };
}

function differenceInterval(
  clusters: PairedClusters,
  difference: number,
  { seed, alpha, bounded }: Required<PairedOptions>,
): Interval | undefined {
  const bounds = pairedBootstrap(clusters, seed, BOOTSTRAP_DRAWS, alpha);
  if (bounds !== undefined) return { ...bounds, method: "cluster-bootstrap" };
  return bounded ? withoutVariation(clusters, difference, alpha) : undefined;
}

/**
 * Where all clusters say the same, which is no proof that the next one would: as many as Wilson's bound allows for none of
 * n could say something else, up to the opposite. `weight` is what one cluster counts for, at most.
 */
function withoutVariation({ denA, denB }: PairedClusters, difference: number, alpha: number): Interval {
  const n = denA.length;
  const weight = Math.max(...[denA, denB].map((den) => largest(den) / (sum(den) / n)));
  const share = Math.min(1, wilson(0, n, twoSidedZ(alpha)).hi * weight);
  return {
    lo: difference - share * (1 + difference),
    hi: difference + share * (1 - difference),
    method: "wilson",
  };
}

const largest = (values: Float64Array): number => values.reduce((most, value) => Math.max(most, value), 0);
const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);

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
