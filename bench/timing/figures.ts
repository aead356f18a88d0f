/**
 * The arithmetic: what a client measured of a request, less what its formulas give with the times at which the server wrote
 * the tokens in place of those at which the client saw them. Both read the same clock.
 *
 *     ttft, tpot, e2e    seen − written
 *     there              received by the server − sent: what is between the client's clock and the server's first look,
 *                        the server's own queue among it
 */
import { timesOf } from "../../shared/benchmark/metrics/times.js";
import { percentile } from "../../shared/benchmark/statistics/percentiles.js";
import type { Served } from "./script.js";

/** A request as its client saw it, ns of CLOCK_MONOTONIC. */
export interface Seen {
  key: string;
  sentNs: number;
  /** Of its first and its last token. */
  firstNs: number;
  lastNs: number;
  doneNs: number;
  tokens: number;
}

export const ERRORS = ["ttft", "tpot", "e2e", "there"] as const;
export type ErrorsMs = { readonly [what in (typeof ERRORS)[number]]: number[] };

/** Of each request that both know, ms. Throws when the server has not seen one. */
export function errorsOf(seen: readonly Seen[], served: readonly Served[]): ErrorsMs {
  const byKey = new Map(served.map((one) => [one.key, one]));
  const pairs = seen.map((mine) => {
    const its = byKey.get(mine.key);
    if (its === undefined) throw new Error(`the server has not seen request ${mine.key}`);
    return {
      mine,
      its,
      ours: timesMs(mine),
      truth: timesMs({ ...its, sentNs: mine.sentNs, tokens: mine.tokens }),
    };
  });
  const ms = (ns: number) => ns / 1e6;
  return {
    ttft: pairs.map(({ ours, truth }) => ours.ttft - truth.ttft),
    tpot: pairs.map(({ ours, truth }) => ours.tpot - truth.tpot),
    e2e: pairs.map(({ ours, truth }) => ours.e2e - truth.e2e),
    there: pairs.map(({ mine, its }) => ms(its.receivedNs - mine.sentNs)),
  };
}

/** By the formulas of every record. */
export function timesMs(of: Omit<Seen, "key">): { ttft: number; tpot: number; e2e: number } {
  const { sentNs: sent, firstNs: first_token, lastNs: last_token, doneNs: done } = of;
  const t_ns = { scheduled: sent, start: sent, sent, first_token, last_token, done };
  const { ttftMs, tpotMs, e2eMs } = timesOf({ t_ns, tokens: { out: of.tokens, source: "server" } });
  return { ttft: ttftMs ?? Number.NaN, tpot: tpotMs ?? Number.NaN, e2e: e2eMs };
}

export interface Spread {
  n: number;
  p50: number;
  p99: number;
  max: number;
}

/** Of sizes: an error to either side counts alike. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.map(Math.abs).sort((a, b) => a - b);
  return {
    n: sorted.length,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    max: percentile(sorted, 1),
  };
}

export const median = (values: readonly number[]): number =>
  percentile(
    [...values].sort((a, b) => a - b),
    0.5,
  );

/** Answers a second, from those that ended in each second: the first and the last are no whole ones. */
export function steadyRate(bySecond: readonly number[]): number {
  const whole = bySecond.slice(1, -1);
  return whole.length === 0 ? Number.NaN : whole.reduce((a, b) => a + b, 0) / whole.length;
}
