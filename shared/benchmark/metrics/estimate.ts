/**
 * From rows to a value with its interval. Repetitions are averaged within their item first; then items add up within
 * their cluster, the statistical unit. Wilson's interval where the rows are independent zeros and ones, else the
 * cluster bootstrap.
 */
import { clusterBootstrap } from "../statistics/bootstrap.js";
import { seedOf } from "../statistics/seed.js";
import { wilson } from "../statistics/wilson.js";
import type { Interval } from "../summary.js";
import { groupBy } from "./group-by.js";
import type { Reading } from "./reading.js";
import { type Reduced, reduceItem } from "./repetitions.js";
import type { Sample } from "./sample.js";

export interface Estimate {
  value: number;
  /** Items in it. */
  n: number;
  interval: Interval | undefined;
}

/** Undefined if no row has a denominator. `name` seeds the bootstrap; without it no interval is computed. */
export function estimate(samples: readonly Sample[], reading: Reading, name?: string): Estimate | undefined {
  const items = itemRows(samples, reading);
  const { num, den } = clusterSums(items);
  const [top, bottom] = [total(num), total(den)];
  if (bottom === 0) return undefined;
  const value = top / bottom;
  const n = items.length;
  if (name === undefined) return { value, n, interval: undefined };
  const independent = items.every((item) => item.rows === 1) && n === num.length;
  if (reading.proportion && independent) {
    return { value, n, interval: { ...wilson(top, bottom), method: "wilson" } };
  }
  const bounds = clusterBootstrap(num, den, seedOf(name));
  return { value, n, interval: bounds && { ...bounds, method: "cluster-bootstrap" } };
}

interface ItemRow extends Reduced {
  cluster: string;
}

/** One row per item that has one. */
function itemRows(samples: readonly Sample[], reading: Reading): ItemRow[] {
  const rows: ItemRow[] = [];
  for (const own of groupBy(samples, (sample) => sample.item).values()) {
    const [first] = own;
    const reduced = reduceItem(own, reading);
    if (first === undefined || reduced === undefined) continue;
    rows.push({ ...reduced, cluster: reading.cluster?.(first) ?? first.cluster });
  }
  return rows;
}

function clusterSums(items: readonly ItemRow[]): { num: Float64Array; den: Float64Array } {
  const index = new Map<string, number>();
  const num: number[] = [];
  const den: number[] = [];
  for (const item of items) {
    const at = index.get(item.cluster) ?? index.size;
    index.set(item.cluster, at);
    num[at] = (num[at] ?? 0) + item.num;
    den[at] = (den[at] ?? 0) + item.den;
  }
  return { num: Float64Array.from(num), den: Float64Array.from(den) };
}

function total(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
