import { expect, test } from "vitest";
import { STEPS, uncovered } from "./coverage.js";
import { FAULT_KINDS } from "./faults.js";

test("a long run must have begun every fault and taken every step often", () => {
  const all = (names: readonly string[]) => new Map(names.map((name) => [name, 100]));
  const [faults, steps] = [all(FAULT_KINDS), all(STEPS)];
  expect(uncovered(20_000, faults, steps)).toEqual([]);
  faults.set("clock_jump", 99);
  steps.delete("shard: PENDING assign → ASSIGNED");
  expect(uncovered(20_000, faults, steps)).toEqual(["clock_jump 99", "shard: PENDING assign → ASSIGNED 0"]);
  expect(uncovered(19_999, faults, steps)).toEqual([]);
});
