import { expect, test } from "vitest";
import { backoffMs } from "./backoff.js";

const limits = { baseMs: 100, capMs: 5000 };
const drawing = (value: number) => ({ next: () => value, id: () => "" });

test.each([
  [0, 0.5, 50],
  [1, 0.5, 100],
  [5, 0.5, 1600],
  [6, 0.5, 2500],
  [2000, 0.5, 2500],
  [6, 0, 0],
])("after %i failures a draw of %f waits %f ms", (failures, draw, waitMs) => {
  expect(backoffMs(failures, limits, drawing(draw))).toBe(waitMs);
});
