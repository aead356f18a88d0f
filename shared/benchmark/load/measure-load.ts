/**
 * The figures of one level of a load, from its requests. Each is worked out for a window, which is one generator process,
 * and of several windows (repetitions) the mean is given: windows that did not run at the same time are never added up.
 *
 *     offered    scheduled ÷ window
 *     req/s      answered ÷ (from the beginning to the last answer's end, and at least the window)
 *     tokens/s   output tokens of those, likewise
 *     goodput    answered within every SLO ÷ window, and ÷ all that was scheduled
 *     lag        sent − scheduled
 *     response   last token − scheduled: e2e as a user of an open loop feels it, waiting included
 *
 * 1. Measured is what was scheduled in the window. What failed or had not ended is in no time, and flags them censored; it
 *    meets no SLO.
 * 2. A tpot of fewer than two tokens is none, and meets its SLO; where the server cannot tell a time that an SLO is of,
 *    goodput is n/a.
 * 3. A server keeps up with an open loop when everything ended, and in the second half of the window at least 95 % as many
 *    answers ended as requests came, less what chance does to the number on their way (2 √n).
 */
import { groupBy } from "../metrics/group-by.js";
import { distribution } from "../metrics/times.js";
import type { Distribution, LoadResult } from "../summary.js";
import type { LoadRequest } from "./load-request.js";
import { isOpenLoop, type LoadSpec, type Slo } from "./load-spec.js";

/** A client that is later than this share of the time to the first token has changed it. */
const MOST_LAG = 0.05;
const LEAST_KEPT_UP = 0.95;

/** Undefined without a request. `typical`: of the time to the first token, or of all where there is none. */
export function measureLoad(
  load: LoadSpec,
  requests: readonly LoadRequest[],
  typical: Distribution | undefined,
): LoadResult | undefined {
  // A window that was given up has a record, and never ran.
  const windows = [...groupBy(requests, ({ window }) => window).values()].flatMap((own) => {
    const about = own.find((request) => request.about)?.about;
    return about ? [{ own, about }] : [];
  });
  const ran = windows.flatMap(({ own }) => own);
  if (ran.length === 0) return undefined;
  const each = windows.map(({ own, about }) => ratesOf(load, own, about.ms));
  const answered = ran.filter((request) => request.answered);
  const unfinished = ran.filter((request) => request.unfinished).length;
  const missing = ran.length - answered.length;
  const lagMs = distribution(
    ran.flatMap(({ lagMs: lag }) => lag ?? []),
    0,
  );
  const isOpen = isOpenLoop(load);
  const peakInflight = Math.max(...windows.map(({ about }) => about.peak_inflight));
  const loopLagMs = Math.max(...windows.map(({ about }) => about.loop_lag_p99_ms));
  const reason = goodputReason(load.slo, answered);
  const sum = (pick: (rates: Rates) => number | undefined) => meanOf(each.map(pick));
  const isLate = Math.max(lagMs?.p99 ?? 0, loopLagMs) > MOST_LAG * (typical?.p50 ?? Number.POSITIVE_INFINITY);
  return {
    ...{ kind: load.kind, value: load.value, windows: windows.length },
    windowS: windows.reduce((ms, { about }) => ms + about.ms, 0) / 1000,
    ...{ requests: ran.length, answered: answered.length, failed: missing - unfinished, unfinished },
    offeredPerS: sum(({ offered }) => offered),
    requestsPerS: sum(({ rate }) => rate),
    tokensPerS: sum(({ tokens }) => tokens),
    lagMs,
    responseMs: isOpen
      ? distribution(
          answered.map(({ e2eMs }) => e2eMs),
          missing,
        )
      : undefined,
    goodputPerS: reason === "" ? sum(({ good }) => good) : undefined,
    goodputShare: reason === "" ? answered.filter((one) => isGood(load, one)).length / ran.length : undefined,
    goodputReason: reason,
    keepsUp: isOpen ? windows.every(({ own, about }) => keepsUp(own, about.ms)) : undefined,
    ...{ peakInflight, loopLagMs },
    flags: [
      ...(missing > 0 ? ["censored"] : []),
      ...(isLate ? ["sched_lag"] : []),
      ...(isOpen && peakInflight >= load.maxInflight ? ["max_inflight"] : []),
    ],
  };
}

interface Rates {
  offered: number;
  rate: number;
  tokens: number | undefined;
  good: number;
}

function ratesOf(load: LoadSpec, own: readonly LoadRequest[], windowMs: number): Rates {
  const answered = own.filter((request) => request.answered);
  let spanMs = windowMs;
  for (const { endMs } of answered) spanMs = Math.max(spanMs, endMs);
  const tokens = answered.map(({ tokensOut }) => tokensOut);
  const good = answered.filter((request) => isGood(load, request)).length;
  return {
    offered: (own.length * 1000) / windowMs,
    rate: (answered.length * 1000) / spanMs,
    tokens:
      answered.length > 0 && tokens.every((n) => n !== undefined)
        ? (tokens.reduce((all: number, n) => all + (n ?? 0), 0) * 1000) / spanMs
        : undefined,
    good: (good * 1000) / windowMs,
  };
}

/** Invariant 2. A closed loop sends at once, so that its times are from sent and from scheduled alike. */
function isGood({ slo }: LoadSpec, { ttftMs, tpotMs, e2eMs }: LoadRequest): boolean {
  const keeps = (limit: number | undefined, ms: number | undefined) =>
    limit === undefined || ms === undefined || ms <= limit;
  return keeps(slo.ttftMs, ttftMs) && keeps(slo.tpotMs, tpotMs) && keeps(slo.e2eMs, e2eMs);
}

/** Why there is no goodput; empty when there is one. */
function goodputReason({ ttftMs, tpotMs, e2eMs }: Slo, answered: readonly LoadRequest[]): string {
  if (ttftMs === undefined && tpotMs === undefined && e2eMs === undefined) return "no SLO was set (load.slo)";
  if (ttftMs !== undefined && answered.some((one) => one.ttftMs === undefined))
    return "the server does not stream, so there is no time to the first token";
  if (tpotMs !== undefined && answered.some(({ tokensOut }) => tokensOut === undefined))
    return "the server tells no token counts, so there is no time per token";
  return "";
}

/** Invariant 3. */
function keepsUp(own: readonly LoadRequest[], windowMs: number): boolean {
  if (own.some(({ unfinished }) => unfinished)) return false;
  const [from, to] = [windowMs / 2, windowMs];
  const came = own.filter(({ scheduledMs }) => scheduledMs >= from).length;
  const ended = own.filter(({ endMs }) => endMs >= from && endMs < to).length;
  const onTheirWay = own.filter(({ scheduledMs, endMs }) => scheduledMs < from && endMs >= from).length;
  return ended >= LEAST_KEPT_UP * came - 2 * Math.sqrt(onTheirWay + 1);
}

function meanOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length < values.length || known.length === 0
    ? undefined
    : known.reduce((a, b) => a + b, 0) / known.length;
}
