/** Whatever a suite may ask for fits into a timer and a message. */
import { expect, test } from "vitest";
import { attemptDeadlineMs } from "./deadline.js";

const settings = { timeoutS: 120, maxRetries: 3, retryDelayS: 1 };
const MINUTE_MS = 60_000;

test("every try may take its timeout and wait for its turn, every pause its longest, beside a load", () => {
  expect(attemptDeadlineMs({ generation: settings, warmup: 0 }, 1)).toBe((4 * 2 + 3 + 15) * MINUTE_MS);
  const paced = { ...settings, maxRetries: 0, requestDelayS: 60 };
  expect(attemptDeadlineMs({ generation: paced, warmup: 2 }, 8)).toBe((10 * 3 + 15) * MINUTE_MS);
});

test("the most that a suite can ask for is a week", () => {
  const most = { timeoutS: 86_400, maxRetries: 100, retryDelayS: 3_600, requestDelayS: 3_600 };
  for (const [generation, samples] of [
    [settings, 5_000],
    [most, 1],
    [most, 100_000],
  ] as const) {
    expect(attemptDeadlineMs({ generation, warmup: 0 }, samples)).toBe(7 * 24 * 60 * MINUTE_MS);
  }
});
