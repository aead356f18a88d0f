import { expect, test } from "vitest";
import { twoSidedZ } from "./normal.js";
import { wilson } from "./wilson.js";

// scipy.stats.norm.isf(alpha / 2), scipy 1.14
test.each([
  [0.05, 1.959963984540054],
  [0.1, 1.6448536269514729],
  [0.01, 2.5758293035489004],
  [0.32, 0.9944578832097531],
  [0.001, 3.2905267314919255],
])("alpha %d leaves z %d", (alpha, z) => {
  expect(twoSidedZ(alpha)).toBeCloseTo(z, 11);
});

test("none of n at 90 % is closer to 0 than at 95 %", () => {
  const z = twoSidedZ(0.1);
  expect(wilson(0, 100, z).hi).toBeCloseTo((z * z) / (100 + z * z), 12);
  expect(wilson(0, 100, z).hi).toBeLessThan(wilson(0, 100).hi);
});
