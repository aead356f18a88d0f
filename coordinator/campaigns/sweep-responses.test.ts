import { expect, test } from "vitest";
import type { Entry } from "../../shared/artifacts/store.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import { ManualClock } from "../../test/conformance/manual-clock.js";
import { ResponseSweeper } from "./sweep-responses.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

function world(maxBytes: number, ages: number[]) {
  const clock = new ManualClock();
  const entries = new Map<string, Entry>();
  for (const [i, ageMs] of ages.entries()) {
    const key = `cache/v1/00/${i}`;
    entries.set(key, { key, bytes: 100, writtenMs: clock.wallMs() - ageMs });
  }
  const asked: string[] = [];
  const logs: string[] = [];
  let isAway = false;
  const sweeper = new ResponseSweeper({
    artifacts: {
      async *entries(prefix) {
        asked.push(prefix);
        if (isAway) throw new Error("away");
        yield* [...entries.values()];
      },
      remove: async (key) => void entries.delete(key),
    },
    ...{ ttlMs: HOUR_MS, maxBytes, clock, log: lineLogger((line) => logs.push(line), "debug") },
  });
  const left = () => [...entries.keys()].map((key) => Number(key.split("/").at(-1)));
  const round = (signal = new AbortController().signal) => sweeper.round(signal);
  return { clock, round, left, asked, logs, away: (away: boolean) => (isAway = away) };
}

test("answers that are too old go, the others stay", async () => {
  const { round, left, asked } = world(1e9, [0, HOUR_MS - 1000, HOUR_MS + 1, 30 * HOUR_MS]);
  await round();
  expect(left()).toEqual([0, 1]);
  expect(asked).toEqual(["cache/v1/"]);
});

test("where there are too many bytes the oldest go, until the rest fits", async () => {
  const ages = [1, 5, 10, 15, 20].map((minutes) => minutes * MINUTE_MS);
  const { round, left } = world(250, ages);
  await round();
  expect(left()).toEqual([0, 1]);
});

test("once an hour; what failed is tried again with the next round, and a leader that stops stops here, too", async () => {
  const { round, asked, clock, logs, away, left } = world(1e9, [2 * HOUR_MS]);
  const over = new AbortController();
  over.abort(new Error("over"));
  await round(over.signal);
  expect(left()).toEqual([0]);
  away(true);
  await round();
  expect(logs.at(-1)).toContain("away");
  away(false);
  await round();
  expect(left()).toEqual([]);
  await round();
  expect(asked).toHaveLength(3);
  await clock.advance(HOUR_MS);
  await round();
  expect(asked).toHaveLength(4);
});
