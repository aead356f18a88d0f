import { expect, test } from "vitest";
import { campaignWalls, figuresOf, type Pair, type Request, ttftErrorsMs } from "./arithmetic.js";
import { printed } from "./report.js";

const MS = 1e6;

/** A request sent at `sentMs` of a client whose clock stands `behindMs` behind the server's. */
const request = (sentMs: number, behindMs: number, arrivesAfterMs = 0.2): Request => ({
  seen: { sentNs: sentMs * MS, firstNs: (sentMs + 51) * MS, doneNs: (sentMs + 150) * MS },
  served: {
    receivedNs: (sentMs + behindMs + arrivesAfterMs) * MS,
    firstWriteNs: (sentMs + behindMs + arrivesAfterMs + 50) * MS,
  },
});

test("the TTFT error is what the client saw beyond the server's own time, whatever their clocks say", () => {
  expect(ttftErrorsMs([request(0, 0), request(10, 5000, 0.7)])).toEqual([1, 1]);
});

test("a campaign's walls put the agent's clock on the submitter's by the request that arrived fastest", () => {
  const requests = [request(100, 7000, 3), request(140, 7000, 0.2), request(300, 7000, 1)];
  expect(campaignWalls(requests, 7060 * MS, 7500 * MS)).toEqual({
    toTerminalMs: 440,
    toLastDoneMs: 390.2,
    streamingMs: 350,
  });
});

const pair = (wallMs: number, campaignErrorsMs: number[], bareErrorsMs: number[]): Pair => ({
  campaign: {
    walls: { toTerminalMs: wallMs, toLastDoneMs: wallMs - 10, streamingMs: wallMs - 20 },
    errorsMs: campaignErrorsMs,
  },
  bare: { wallMs: 1000, errorsMs: bareErrorsMs },
});
const PAIRS = [pair(1020, [1, 2], [1, 1]), pair(1200, [3, 4], [1, 1]), pair(1010, [1, 1], [2, 2])];

test("ratios and differences are per pair, percentiles over all requests", () => {
  const figures = figuresOf(PAIRS);
  expect(figures.wallRatio.toTerminal).toEqual({ median: 1.02, min: 1.01, max: 1.2 });
  expect(figures.wallRatio.streaming).toEqual({ median: 1, min: 0.99, max: 1.18 });
  expect(figures.wallMs.bare).toEqual({ median: 1000, min: 1000, max: 1000 });
  expect(figures.ttftErrorMs).toEqual({ campaign: { p50: 1.5, p99: 3.95 }, bare: { p50: 1, p99: 2 } });
  expect(figures.ttftErrorDifferenceMs.p50).toEqual({ median: 0.5, min: -1, max: 2.5 });
});

test("the aims are judged by medians, and the last line is the figures as JSON", () => {
  const shape = { pairs: 3, requests: 2, concurrency: 1, delaysMs: 900 };
  const machine = { node: "v0", cpu: "a cpu", cores: 2, load1m: 0.5 };
  const last = (pairs: Pair[]) =>
    JSON.parse(printed(figuresOf(pairs), shape, machine).trimEnd().split("\n").at(-1) ?? "");
  expect(last(PAIRS)).toMatchObject({
    ...{ bench: "overhead", ...shape, machine },
    aims: { wallRatio: { aim: 1.03, met: true }, ttftErrorP99Ms: { aim: 1, met: true } },
  });
  const slow = [pair(1200, [9], [1]), pair(1031, [3.1], [1]), pair(1000, [1], [1])];
  expect(last(slow).aims).toMatchObject({ wallRatio: { met: false }, ttftErrorP99Ms: { met: false } });
});
