import { expect, test } from "vitest";
import { createAggregate } from "../aggregate.js";
import type { Cell, LoadResult } from "../summary.js";
import { arrivals } from "./arrivals.js";
import type { LoadRequest } from "./load-request.js";
import { type LoadSpec, levelText, ordinalOf, requestOf, windowOf } from "./load-spec.js";
import { measureLoad } from "./measure-load.js";
import { saturations } from "./saturation.js";
import { syntheticRows } from "./synthetic.js";

const spec = (more: Partial<LoadSpec> = {}): LoadSpec => ({
  ...{ kind: "poisson", value: 10, durationMs: 1000, drainMs: 0, maxInflight: 100 },
  ...{ bustsCache: false, seed: 1, slo: {} },
  ...more,
});

test("constant arrivals stand at equal distances, and none lies at the end", () => {
  expect(arrivals(spec({ kind: "constant", value: 4 }), 0)).toEqual([0, 250, 500, 750]);
  expect(arrivals(spec({ kind: "constant", value: 3 }), 0)).toHaveLength(3);
  // 0.1 and its like do not add up: the last one is where it belongs.
  const many = arrivals(spec({ kind: "constant", value: 7, durationMs: 1_000_000 }), 0);
  expect([many.length, many[6999]]).toEqual([7000, 6999 / 0.007]);
});

test("Poisson arrivals are seeded, another for each repetition, and have mean and variance of the rate", () => {
  const long = spec({ value: 50, durationMs: 400_000, seed: 3 });
  expect(arrivals(long, 0)).toEqual(arrivals(long, 0));
  expect(arrivals(long, 0)).not.toEqual(arrivals(long, 1));
  const times = arrivals(long, 0);
  const gaps = times.map((at, i) => at - (times[i - 1] ?? 0));
  const mean = gaps.reduce((a, b) => a + b, 0) / gaps.length;
  const variance = gaps.reduce((a, b) => a + (b - mean) ** 2, 0) / gaps.length;
  // 20,000 exponential gaps of 20 ms: 5 standard errors are 3.5 % of the mean, 10 % of the variance.
  expect(Math.abs(mean / 20 - 1)).toBeLessThan(0.035);
  expect(Math.abs(variance / 400 - 1)).toBeLessThan(0.1);
  expect(times.every((at, i) => at > (times[i - 1] ?? 0) && at < 400_000)).toBe(true);
});

test("a trace is replayed at its times, faster if asked, and ends with the window", () => {
  const trace = [0, 0.2, 0.2, 0.9, 1.8, 5];
  expect(arrivals(spec({ kind: "trace", value: 1 }), 0, trace)).toEqual([0, 200, 200, 900]);
  expect(arrivals(spec({ kind: "trace", value: 2 }), 0, trace)).toEqual([0, 100, 100, 450, 900]);
});

test("ordinals name window and request", () => {
  const ordinal = ordinalOf(3, 42);
  expect([windowOf(ordinal), requestOf(ordinal)]).toEqual([3, 42]);
});

test("synthetic texts have so many words, share their prefix and no more, and come back the same", () => {
  const rows = syntheticRows({ n: 3, inputTokens: 50, prefixTokens: 30, outputTokens: 7, seed: 5 });
  const words = rows.map(({ input }) => input.split(" "));
  expect(words.map((w) => w.length)).toEqual([50, 50, 50]);
  expect(words[0]?.slice(0, 30)).toEqual(words[1]?.slice(0, 30));
  expect(words[0]?.slice(30)).not.toEqual(words[1]?.slice(30));
  expect(rows.map((row) => row.output_tokens)).toEqual([7, 7, 7]);
  expect(rows).toEqual(syntheticRows({ n: 3, inputTokens: 50, prefixTokens: 30, outputTokens: 7, seed: 5 }));
});

const about = (ms: number, requests: number) => ({
  ...{ began_at: "", ms, drained_ms: 0, requests, peak_inflight: 3, loop_lag_p99_ms: 0 },
});
/** Requests every 100 ms that take `e2eMs` each. */
const steady = (n: number, e2eMs: (i: number) => number, ms = n * 100): LoadRequest[] =>
  Array.from({ length: n }, (_, i) => ({
    ...{ window: 0, answered: true, unfinished: false, scheduledMs: i * 100, lagMs: 1, ttftMs: 20 },
    ...{ endMs: i * 100 + e2eMs(i), e2eMs: e2eMs(i), tpotMs: 5, tokensOut: 10 },
    ...(i === 0 && { about: about(ms, n) }),
  }));

test("rates are over the window and what of the drain was needed", () => {
  // The last of ten begins at 900 ms and ends at 1,250.
  const load = measureLoad(
    spec(),
    steady(10, () => 350),
    undefined,
  );
  expect(load).toMatchObject({ requests: 10, answered: 10, offeredPerS: 10, keepsUp: true, windowS: 1 });
  expect(load?.requestsPerS).toBeCloseTo(8, 9);
  expect(load?.tokensPerS).toBeCloseTo(80, 9);
  expect(load?.goodputReason).toContain("no SLO");
});

test("goodput counts from scheduled, failures meet no SLO, and a tpot of one token meets its own", () => {
  const requests = steady(10, (i) => (i < 5 ? 200 : 400));
  const [first, second] = requests;
  if (first) Object.assign(first, { tpotMs: undefined });
  if (second) Object.assign(second, { answered: false, unfinished: true });
  const load = measureLoad(spec({ slo: { e2eMs: 300, tpotMs: 6 } }), requests, undefined);
  expect(load).toMatchObject({ goodputShare: 0.4, goodputPerS: 4, unfinished: 1, failed: 0, keepsUp: false });
  expect(load?.flags).toEqual(["censored"]);
  expect(load?.responseMs?.flags.join()).toContain("censored");
  const silent = requests.map((one) => ({ ...one, ttftMs: undefined }) as unknown as LoadRequest);
  const without = measureLoad(spec({ slo: { ttftMs: 30 } }), silent, undefined);
  expect(without?.goodputShare).toBeUndefined();
  expect(without?.goodputReason).toContain("does not stream");
});

test("a queue that grows is not kept up with; one that is only long is", () => {
  const grows = steady(200, (i) => 100 + i * 60);
  const long = steady(200, () => 4000);
  expect(measureLoad(spec({ durationMs: 20_000 }), grows, undefined)?.keepsUp).toBe(false);
  expect(measureLoad(spec({ durationMs: 20_000 }), long, undefined)?.keepsUp).toBe(true);
});

test("of several windows the mean is given, never the sum", () => {
  const again = steady(10, () => 100).map((one) => ({ ...one, window: 1 }));
  const load = measureLoad(spec(), [...steady(10, () => 100), ...again], undefined);
  expect(load).toMatchObject({ windows: 2, requests: 20, offeredPerS: 10, requestsPerS: 10 });
});

test("a client that is late says so", () => {
  const typical = { p50: 30 } as NonNullable<Cell["ttftMs"]>;
  expect(
    measureLoad(
      spec(),
      steady(10, () => 100),
      typical,
    )?.flags,
  ).toEqual([]);
  const late = steady(10, () => 100).map((one) => ({ ...one, lagMs: 2 }));
  expect(measureLoad(spec(), late, typical)?.flags).toEqual(["sched_lag"]);
});

const cellOf = (load: Partial<LoadResult>) =>
  ({ ...{ model: "m", prompt: "p", dataset: "d" }, load: { kind: "sweep", ...load } }) as Cell;

test("saturation is the last level kept up with, or where more at once brings no more", () => {
  const sweep = [1, 2, 4, 8].map((value) =>
    cellOf({ value, keepsUp: value <= 2, requestsPerS: Math.min(value, 3) }),
  );
  expect(saturations(sweep)).toEqual([
    {
      ...{ model: "m", prompt: "p", dataset: "d", kind: "sweep", value: 2, requestsPerS: 3 },
      text: "2/s: it does not keep up with 4/s",
    },
  ]);
  expect(saturations(sweep.slice(0, 2))[0]).toMatchObject({
    value: undefined,
    text: "not reached: it keeps up with 2/s",
  });
  expect(saturations(sweep.slice(2))[0]).toMatchObject({ value: undefined, text: "below 4/s" });
  const closed = [1, 2, 4, 8].map((value) =>
    cellOf({ kind: "concurrency", value, requestsPerS: [5, 10, 14.9, 15][Math.log2(value)] }),
  );
  expect(saturations(closed)[0]).toMatchObject({ value: 4, requestsPerS: 15 });
  expect(saturations(sweep.slice(0, 1))).toEqual([]);
  expect(levelText({ kind: "trace", value: 2 })).toBe("trace × 2");
});

test("an aggregate of nothing has no saturation", () => {
  const plan = { v: 1 as const, campaign: "c", name: "", description: "", suiteSha256: "", jobs: [] };
  const meta = { state: "", createdAt: "", endedAt: "", planSha256: "", warnings: [] };
  expect(createAggregate(plan).summary(meta).saturations).toEqual([]);
});
