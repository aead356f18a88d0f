import { expect, test } from "vitest";
import { LanePace } from "./lane-pace.js";

const paceOf = (...ms: number[]) => {
  const pace = new LanePace();
  for (const one of ms) pace.took(one);
  return pace;
};

test.each([
  ["nothing is known yet", [], 4, 0, 1],
  ["attempts of 5 s and more", [5000], 4, 0, 1],
  ["2 s of work", [100], 1, 0, 20],
  ["2 s of work of every slot", [100], 4, 0, 80],
  ["at most a thousand", [0.01], 64, 0, 1000],
  ["at least one", [4999], 1, 0, 1],
  ["one that takes long already counts more than quick ones before", [1, 1, 1], 1, 500, 4],
] as const)("%s", (_, took, slots, longestMs, ahead) => {
  expect(paceOf(...took).ahead(slots, longestMs)).toBe(ahead);
});

test("the newest attempts weigh most", () => {
  const pace = paceOf(1000);
  for (let i = 0; i < 20; i += 1) pace.took(10);
  expect(pace.ahead(1, 0)).toBeGreaterThan(90);
});
