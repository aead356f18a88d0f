import { expect, test } from "vitest";
import { type Alternation, cellFigures, median, tally } from "./figures.js";

const result = (over: Partial<Alternation["cells"][number]["result"]> = {}) => ({
  ...{ tasks: 100, windowS: 2, p50Ms: 1, p99Ms: 5, submitted: 150, acknowledged: 150 },
  ...{ acknowledgedTwice: 0, wrong: 0, ...over },
});
const alternation = (over: Parameters<typeof result>[0], counts = { executed: 150, distinct: 150 }) => ({
  cells: [{ outstanding: 32, result: result(over), cpuS: { server: 0.5, worker: 0.2, client: 0 } }],
  counts,
});

test("the median of an even number is the mean of the middle two, of nothing NaN", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test("a cell is its median over the alternations, its range, and processor time for 1,000 tasks", () => {
  const all = [
    alternation({ tasks: 100 }),
    alternation({ tasks: 300, p99Ms: 9 }),
    alternation({ tasks: 200 }),
  ];
  const figures = cellFigures(all, 32);
  expect(figures?.tasksPerS).toEqual({ median: 100, min: 50, max: 150 });
  expect(figures?.p99Ms).toBe(5);
  expect(figures?.cpuS.server).toBeCloseTo(2.5);
});

test("a cell that nobody ran, or without a task in its window, has no figures", () => {
  expect(cellFigures([alternation({})], 256)).toBeUndefined();
  expect(cellFigures([alternation({ tasks: 0 })], 32)).toBeUndefined();
});

test("lost is what was not acknowledged, and what was acknowledged but not run", () => {
  expect(tally([alternation({})])).toEqual({ acknowledged: 150, lost: 0, doubled: 0, wrong: 0 });
  expect(tally([alternation({ acknowledged: 148 })]).lost).toBe(2);
  expect(tally([alternation({}, { executed: 149, distinct: 149 })]).lost).toBe(1);
});

test("doubled is what ran more than once, and what was acknowledged more than once", () => {
  const ran = alternation({}, { executed: 152, distinct: 150 });
  const said = alternation({ acknowledgedTwice: 3, wrong: 1 });
  expect(tally([ran, said])).toEqual({ acknowledged: 300, lost: 0, doubled: 5, wrong: 1 });
});
