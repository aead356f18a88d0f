/**
 * Times of a sample, in ms, and their distribution.
 *
 *     ttft = first non-empty content or reasoning delta − sent
 *     e2e  = last non-empty delta − sent; without streaming: done − sent
 *     tpot = (last − first delta) ÷ (n − 1), n = output tokens that were streamed; none when n < 2
 *
 * `sent` is of the last try, so failed tries and waiting are not in them. Without streaming ttft and tpot are absent,
 * never 0.
 */
import { count } from "../count.js";
import type { ResultRecord } from "../record.js";
import { NEEDED_FOR, percentile } from "../statistics/percentiles.js";
import type { Distribution } from "../summary.js";

export interface TimesMs {
  e2eMs: number;
  ttftMs?: number;
  tpotMs?: number;
}

const NS_PER_MS = 1e6;

export function timesOf(record: Pick<ResultRecord, "t_ns" | "tokens">): TimesMs {
  const { sent, first_token: first, last_token: last, done } = record.t_ns;
  if (first === undefined || last === undefined) return { e2eMs: (done - sent) / NS_PER_MS };
  const times: TimesMs = { e2eMs: (last - sent) / NS_PER_MS, ttftMs: (first - sent) / NS_PER_MS };
  const n = streamedTokens(record);
  if (n !== undefined && n >= 2) times.tpotMs = (last - first) / NS_PER_MS / (n - 1);
  return times;
}

/** All output tokens if reasoning came as deltas too, else those without reasoning. */
function streamedTokens({ t_ns, tokens }: Pick<ResultRecord, "t_ns" | "tokens">): number | undefined {
  if (tokens.out === undefined) return undefined;
  const reasoningStreamed = t_ns.first_output === undefined || t_ns.first_output > (t_ns.first_token ?? 0);
  return reasoningStreamed ? tokens.out : tokens.out - (tokens.reasoning ?? 0);
}

/** Undefined without values. `censored`: samples that never ended, whose times would be the longest. */
export function distribution(values: readonly number[], censored: number): Distribution | undefined {
  if (values.length === 0) return undefined;
  const sorted = Float64Array.from(values).sort();
  const n = sorted.length;
  const flags: string[] = [];
  for (const [name, needed] of Object.entries(NEEDED_FOR)) {
    if (n < needed) flags.push(`${name}: ${count(n, "value")}, ${needed} needed`);
  }
  if (censored > 0) flags.push(`censored: ${censored} timed out and are not in it`);
  return {
    n,
    mean: sorted.reduce((a, b) => a + b, 0) / n,
    min: percentile(sorted, 0),
    p50: percentile(sorted, 0.5),
    p90: percentile(sorted, 0.9),
    p95: percentile(sorted, 0.95),
    p99: percentile(sorted, 0.99),
    max: percentile(sorted, 1),
    flags,
    percentiles: Array.from({ length: 101 }, (_, i) => percentile(sorted, i / 100)),
  };
}
