import { expect, test } from "vitest";
import { classOf, durability, parseStrace } from "./fsyncs.js";

test("a task waited if a sync began and ended between its submit and its acknowledgement", () => {
  const spans = [
    [1, 2],
    [2, 3],
    [3, 4],
  ] as const;
  const syncs = [
    [0.5, 0.6], // before all
    [1.2, 1.8],
    [1.9, 2.1], // neither's own
    [3.5, 3.6],
  ] as const;
  expect(durability(spans, syncs)).toEqual({ tasks: 3, syncsPerTask: 1, waited: 2 / 3 });
});

test("a class is what 99 % of the tasks show; no task shows none", () => {
  const of = (tasks: number, waited: number) => classOf({ tasks, waited, syncsPerTask: 1 });
  expect(of(1000, 0.99)).toBe("durable before the acknowledgement");
  expect(of(1000, 0.98)).toBe("not durable before the acknowledgement");
  expect(of(0, Number.NaN)).toBe("not durable before the acknowledgement");
});

test("strace's lines become calls; what was interrupted ends where it is resumed", () => {
  const text = [
    "12 100.500000 fdatasync(7) = 0 <0.250000>",
    "13 101.000000 fsync(8 <unfinished ...>",
    "12 101.100000 fdatasync(7 <unfinished ...>",
    "13 101.400000 <... fsync resumed>) = 0 <0.400000>",
    "12 101.900000 +++ exited with 0 +++",
    "",
  ].join("\n");
  const calls = parseStrace(text);
  expect(calls).toHaveLength(2);
  expect(calls[0]?.[0]).toBeCloseTo(100.5);
  expect(calls[0]?.[1]).toBeCloseTo(100.75);
  expect(calls[1]?.[0]).toBeCloseTo(101);
  expect(calls[1]?.[1]).toBeCloseTo(101.4);
});
