/** The loop against a far side that is a function: what is sent when, and what becomes of it. Sockets: generators.test.ts. */
import { expect, test } from "vitest";
import { generate, type Send } from "./generate.js";
import type { GeneratorPlan } from "./messages.js";

type Plan = Parameters<typeof generate>[0];
const plan = (flow: GeneratorPlan["flow"], more: Partial<Plan> = {}): Plan => ({
  ...{ flow, durationMs: 200, drainMs: 5_000, timeoutMs: 60_000, maxRequests: 100_000 },
  ...more,
});

/** Answers after `ms`; counts how many are on their way. */
function farSide(ms: (n: number) => number | "never" | "fails") {
  const began = performance.now();
  const nowNs = () => Math.round((performance.now() - began) * 1e6);
  const seen = { atOnce: 0, peak: 0, aborted: [] as string[], sent: [] as number[] };
  const send: Send = (n, ended) => {
    const sentNs = nowNs();
    seen.sent.push(n);
    seen.atOnce += 1;
    seen.peak = Math.max(seen.peak, seen.atOnce);
    const end = (failure?: Parameters<ReturnType<Send>>[0]) => {
      clearTimeout(timer);
      seen.atOnce -= 1;
      ended({ sentNs, endNs: nowNs(), chunks: 0, ...(failure && { failure }) });
    };
    const takes = ms(n);
    const timer = setTimeout(
      () => end(takes === "fails" ? { kind: "cut" } : undefined),
      takes === "never" ? 1e9 : takes === "fails" ? 1 : takes,
    );
    return (why) => {
      seen.aborted.push(why.kind);
      end(why);
    };
  };
  return { seen, send, nowNs };
}

test("a closed loop fills its slots, sends the next when one is free, and drains", async () => {
  const { seen, send, nowNs } = farSide(() => 20);
  const window = await generate(plan({ kind: "closed", atOnce: 3 }), send, nowNs);
  expect(seen.peak).toBe(3);
  expect(window.peakInflight).toBe(3);
  expect(
    window.requests.every(({ sentNs = 0, scheduledNs }) => scheduledNs <= 200e6 && sentNs >= scheduledNs),
  ).toBe(true);
  expect(window.requests.length).toBeGreaterThan(3);
  expect(window.requests.every(({ endNs, failure }) => endNs > 0 && failure === undefined)).toBe(true);
});

test("an open loop sends everything, also what is due in the last moment, at or after its time", async () => {
  const atMs = [0, 0, 10, 10.5, 199.99];
  const { send, nowNs } = farSide(() => 30);
  const window = await generate(plan({ kind: "open", atMs, maxInflight: 100 }), send, nowNs);
  expect(window.requests.map(({ scheduledNs }) => scheduledNs / 1e6)).toEqual(atMs);
  expect(window.requests.every(({ sentNs = 0, scheduledNs }) => sentNs >= scheduledNs)).toBe(true);
  expect(window.ms).toBe(200);
});

test("at max_inflight requests wait in order; what the drain leaves is unfinished, sent or not", async () => {
  const atMs = [0, 1, 2, 3, 4, 5];
  const { seen, send, nowNs } = farSide((n) => (n < 2 ? 30 : "never"));
  const window = await generate(
    plan({ kind: "open", atMs, maxInflight: 2 }, { durationMs: 100, drainMs: 20 }),
    send,
    nowNs,
  );
  expect(seen.sent).toEqual([0, 1, 2, 3]);
  expect(seen.peak).toBe(2);
  expect(seen.aborted).toEqual(["unfinished", "unfinished"]);
  expect(window.requests.map(({ failure }) => failure?.kind)).toEqual([
    ...[undefined, undefined, "unfinished", "unfinished", "unfinished", "unfinished"],
  ]);
  expect(window.requests[5]?.sentNs).toBeUndefined();
});

test("a request that takes too long is ended, and its slot used again", async () => {
  const { seen, send, nowNs } = farSide((n) => (n === 0 ? "never" : 20));
  const window = await generate(plan({ kind: "closed", atOnce: 1 }, { timeoutMs: 40 }), send, nowNs);
  expect(window.requests[0]?.failure).toEqual({ kind: "timeout" });
  expect(seen.sent.length).toBeGreaterThan(1);
});

test("a closed loop against a wall pauses; one that reaches the most requests ends its window there", async () => {
  const wall = farSide(() => "fails");
  const { requests } = await generate(plan({ kind: "closed", atOnce: 2 }), wall.send, wall.nowNs);
  expect(requests.length).toBeLessThanOrEqual(6);
  const fast = farSide(() => 1);
  const window = await generate(
    plan({ kind: "closed", atOnce: 2 }, { maxRequests: 10, durationMs: 60_000 }),
    fast.send,
    fast.nowNs,
  );
  expect(window.requests).toHaveLength(10);
  expect(window.ms).toBeLessThan(60_000);
});
