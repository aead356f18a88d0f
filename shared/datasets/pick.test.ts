import { expect, test } from "vitest";
import { evenlySpaced, sampleOf } from "./pick.js";

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

test.each([
  [5, 5, [0, 1, 2, 3, 4]],
  [5, 9, [0, 1, 2, 3, 4]],
  [10, 3, [0, 5, 9]],
  [10, 2, [0, 9]],
  [10, 1, [0]],
  [0, 3, []],
])("%i values, %i kept", (length, n, expected) => {
  expect(evenlySpaced(upTo(length), n)).toEqual(expected);
});

test("evenly spaced picks are distinct and keep first and last", () => {
  for (let length = 2; length < 40; length++) {
    for (let n = 2; n <= length; n++) {
      const picked = evenlySpaced(upTo(length), n);
      expect(new Set(picked).size).toBe(n);
      expect([picked[0], picked.at(-1)]).toEqual([0, length - 1]);
    }
  }
});

test("every value is drawn about equally often", () => {
  const drawn = upTo(10).map(() => 0);
  for (let seed = 0; seed < 2_000; seed++) {
    for (const value of sampleOf(upTo(10), 3, seed)) drawn[value] = (drawn[value] ?? 0) + 1;
  }
  for (const count of drawn) expect(Math.abs(count - 600)).toBeLessThan(100);
});
