import { expect, test } from "vitest";
import { timed } from "./questions.js";

test("the first answer is told apart from the others, of which there may be none", async () => {
  let n = 0;
  const ask = async () => {
    n += 1;
  };
  const often = await timed("q", ask, 3);
  expect(n).toBe(4);
  expect(often.maxMs).toBeGreaterThanOrEqual(often.medianMs);
  const once = await timed("q", ask, 0);
  expect(n).toBe(5);
  expect([once.medianMs, once.maxMs]).toEqual([once.firstMs, once.firstMs]);
});
