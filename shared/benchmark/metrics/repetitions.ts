/**
 * From the repetitions of one item to its one row. Items, not repetitions, are what a metric is over: however often an
 * item is run, it counts once.
 *
 *     mean       the mean of the repetitions: what one run may be expected to give
 *     pass@k     the chance that at least one of k runs is right: 1 − C(n − c, k) ÷ C(n, k) with c of n right, which is
 *                unbiased where 1 − (1 − c ÷ n)^k is not (Chen et al. 2021, "Evaluating Large Language Models Trained
 *                on Code"); items with fewer than k repetitions are not in it
 *     majority   the answer most repetitions give, read as a single answer would be. Samples without an answer vote
 *                together, for none; of answers with equally many votes the one that was given first counts
 */
import type { Reading } from "./reading.js";
import type { Sample } from "./sample.js";

export interface Reduced {
  num: number;
  den: number;
  /** Of how many rows it is the mean; 1 where it is a single yes or no again. */
  rows: number;
}

/** Repetitions of one item in order; undefined if it is not in the metric. */
export type Reducer = (samples: readonly Sample[], reading: Reading) => Reduced | undefined;

export function reduceItem(samples: readonly Sample[], reading: Reading): Reduced | undefined {
  return (reading.reduce ?? mean)(samples, reading);
}

const mean: Reducer = (samples, reading) => {
  const rows = rowsOf(samples, reading);
  if (rows.length === 0) return undefined;
  const over = reading.byAnswers ? samples.length : rows.length;
  return { num: sum(rows, "num") / over, den: sum(rows, "den") / over, rows: over };
};

/** For readings whose rows are right (1 of 1) or wrong (0 of 1). */
export function passAt(k: number): Reducer {
  return (samples, reading) => {
    const rows = rowsOf(samples, reading);
    const n = rows.length;
    if (n < k) return undefined;
    return { num: passAtK(n, sum(rows, "num"), k), den: 1, rows: n === k ? 1 : n };
  };
}

/** 1 − C(n − c, k) ÷ C(n, k), as a product, which no n makes overflow. */
export function passAtK(n: number, right: number, k: number): number {
  if (n - right < k) return 1;
  let none = 1;
  for (let i = n - right + 1; i <= n; i++) none *= 1 - k / i;
  return 1 - none;
}

/** For readings that say what a sample's vote is. */
export const majority: Reducer = (samples, reading) => {
  const votes = new Map<string, { sample: Sample; count: number }>();
  for (const sample of samples) {
    const vote = reading.vote?.(sample) ?? "";
    const known = votes.get(vote);
    if (known === undefined) votes.set(vote, { sample, count: 1 });
    else known.count++;
  }
  let winner: { sample: Sample; count: number } | undefined;
  for (const vote of votes.values()) if (vote.count > (winner?.count ?? 0)) winner = vote;
  const row = winner && reading.row(winner.sample);
  return row && { ...row, rows: 1 };
};

function rowsOf(samples: readonly Sample[], reading: Reading) {
  return samples.map((sample) => reading.row(sample)).filter((row) => row !== undefined);
}

function sum(rows: readonly { num: number; den: number }[], key: "num" | "den"): number {
  return rows.reduce((total, row) => total + row[key], 0);
}
