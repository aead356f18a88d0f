/** Times that are longer than the runtime's timers can wait. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "./clock.js";

const MONTH_MS = 30 * 24 * 3_600_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

test("a timer of three months fires then, and not at once", async () => {
  const fired: string[] = [];
  systemClock.after(3 * MONTH_MS, () => fired.push("after"));
  void systemClock.sleep(3 * MONTH_MS).then(() => fired.push("sleep"));
  await vi.advanceTimersByTimeAsync(3 * MONTH_MS - 1);
  expect(fired).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(fired).toEqual(["after", "sleep"]);
});

test("in any part of it it is cancelled, and nothing stays behind", async () => {
  const fired: string[] = [];
  const stop = new AbortController();
  const cancel = systemClock.after(3 * MONTH_MS, () => fired.push("after"));
  const slept = systemClock.sleep(3 * MONTH_MS, stop.signal).catch((reason) => reason);
  await vi.advanceTimersByTimeAsync(2 * MONTH_MS);
  cancel();
  stop.abort("enough");
  expect(await slept).toBe("enough");
  expect([vi.getTimerCount(), fired]).toEqual([0, []]);
});
