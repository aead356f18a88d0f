/**
 * From rows to a value with its interval. Repetitions are averaged within their item first; then items add up within
 * their cluster, the statistical unit. Wilson's interval where the rows are independent zeros and ones, else the
 * cluster bootstrap.
 */
import { clusterBootstrap } from "../statistics/bootstrap.js";
import { seedOf } from "../statistics/seed.js";
import { wilson } from "../statistics/wilson.js";
import type { Interval } from "../summary.js";
import type { Reading } from "./reading.js";
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
  const { num, den } = clusterSums(items.values());
  const [top, bottom] = [total(num), total(den)];
  if (bottom === 0) return undefined;
  const value = top / bottom;
  const n = items.size;
  if (name === undefined) return { value, n, interval: undefined };
  const independent = [...items.values()].every((item) => item.rows === 1) && n === num.length;
  if (reading.proportion && independent) {
    return { value, n, interval: { ...wilson(top, bottom), method: "wilson" } };
  }
  const bounds = clusterBootstrap(num, den, seedOf(name));
  return { value, n, interval: bounds && { ...bounds, method: "cluster-bootstrap" } };
}

export interface ItemRow {
  cluster: string;
  /** Means over the item's repetitions. */
  num: number;
  den: number;
  rows: number;
}

/** One row per item, over the repetitions that have one. */
export function itemRows(samples: readonly Sample[], reading: Reading): Map<number, ItemRow> {
  const items = new Map<number, ItemRow>();
  for (const sample of samples) {
    const row = reading.row(sample);
    if (row === undefined) continue;
    const item = items.get(sample.item);
    if (item === undefined) {
      const cluster = reading.cluster?.(sample) ?? sample.cluster;
      items.set(sample.item, { cluster, num: row.num, den: row.den, rows: 1 });
    } else {
      item.num += (row.num - item.num) / (item.rows + 1);
      item.den += (row.den - item.den) / (item.rows + 1);
      item.rows++;
    }
  }
  return items;
}

function clusterSums(items: Iterable<ItemRow>): { num: Float64Array; den: Float64Array } {
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

export function total(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
