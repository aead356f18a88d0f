import { expect, test } from "vitest";
import type { Clock } from "../../shared/runtime/clock.js";
import { ManualClock } from "../../test/conformance/manual-clock.js";
import { ClientLease } from "./client-lease.js";

const TTL_MS = 6_000;

/** The first renewals fail after the time they have at one endpoint; the others are answered at once. */
function lease(clock: ManualClock, failures: number) {
  let left = failures;
  return new ClientLease({
    ...{ id: 1n, ttlMs: TTL_MS, sentMs: clock.nowMs(), clock },
    renew: async () => {
      if (left-- <= 0) return;
      await clock.sleep(TTL_MS / 6);
      throw new Error("no answer in time");
    },
    revoke: async () => {},
  });
}

test("one renewal that is not answered within its time costs nothing", async () => {
  const clock = new ManualClock();
  const held = lease(clock, 1);
  await clock.advance(TTL_MS * 2);
  expect(held.lost.aborted).toBe(false);
  held.end(new Error("over"));
});

test("renewals that are never answered end it before the store does", async () => {
  const clock = new ManualClock();
  const held = lease(clock, Number.POSITIVE_INFINITY);
  await clock.advance(TTL_MS - 2_001);
  expect(held.lost.aborted).toBe(false);
  await clock.advance(2);
  expect(held.lost.aborted).toBe(true);
});

test("a renewal that is due is sent by whoever asks, though no timer fires; once at a time", async () => {
  const clock = new ManualClock();
  let nowMs = 0;
  const stuck: Clock = { ...clock, nowMs: () => nowMs, after: () => () => {} } as unknown as Clock;
  let sent = 0;
  const held = new ClientLease({
    ...{ id: 1n, ttlMs: TTL_MS, sentMs: 0, clock: stuck },
    renew: async () => void sent++,
    revoke: async () => {},
  });
  for (nowMs = 0; nowMs < 3 * TTL_MS; nowMs += 100) {
    expect(held.remainingMs(nowMs)).toBeGreaterThan(0);
    held.renewIfDue(nowMs);
    held.renewIfDue(nowMs);
    await Promise.resolve();
    await Promise.resolve();
  }
  expect(sent).toBe(8); // at 2 s, 4 s … 16 s
  expect(held.lost.aborted).toBe(false);
});
