/** When a node is blamed, row by row. */
import { expect, test } from "vitest";
import {
  blame,
  type Ending,
  isStillBlamed,
  isWell,
  jobOf,
  QUARANTINE_LIMITS as LIMITS,
  mostQuarantined,
  termMs,
} from "./quarantine-state.js";

/** So many endings, dealt to so many jobs in turn; the failures first. */
function endings(failed: number, done: number, jobs: number): Ending[] {
  return Array.from({ length: failed + done }, (_, i) => ({
    ...{ campaign: "c", job: `j${i % jobs}` },
    ...(i < failed ? { failed: { samples: [i] } } : {}),
  }));
}

/** How shards of some jobs ended on other nodes. */
const on = (others: Ending[][]) => (jobs: ReadonlySet<string>) => {
  const theirs = others.flat().filter((one) => jobs.has(jobOf(one)));
  const failed = theirs.filter((one) => one.failed).length;
  return { done: theirs.length - failed, failed };
};

test.each<[what: string, own: Ending[], others: Ending[][], blamed: boolean]>([
  ["more than half fail here, nothing elsewhere", endings(11, 9, 3), [endings(0, 5, 3)], true],
  ["just half fail here", endings(10, 10, 3), [endings(0, 5, 3)], false],
  ["too few have ended here", endings(19, 0, 3), [endings(0, 5, 3)], false],
  ["all failed, of two jobs only", endings(20, 0, 2), [endings(0, 5, 2)], false],
  [
    "those that failed are of two jobs, all together of four",
    [...endings(12, 0, 2), ...endings(0, 8, 4)],
    [endings(0, 5, 4)],
    false,
  ],
  ["nobody else is there", endings(20, 0, 3), [], false],
  ["others did nothing yet", endings(20, 0, 3), [[]], false],
  [
    "others did well in other jobs",
    endings(20, 0, 3),
    [endings(0, 9, 1).map((e) => ({ ...e, job: "x" }))],
    false,
  ],
  ["others fail in them too", endings(20, 0, 3), [endings(6, 5, 3)], false],
  ["of the others half fail", endings(20, 0, 3), [endings(5, 5, 3)], true],
  ["the others are many", endings(12, 8, 3), [endings(2, 1, 3), endings(0, 3, 3)], true],
])("%s", (_, own, others, blamed) => {
  expect(blame(own, on(others), LIMITS) !== undefined).toBe(blamed);
});

test("the reason says what failed, and how it went elsewhere", () => {
  expect(blame(endings(12, 8, 3), on([endings(1, 5, 3)]), LIMITS)).toBe(
    "12 of its last 20 shards failed, of 3 jobs; of those jobs elsewhere 1 of 6",
  );
});

test("nobody asks how others did while the node's own endings do not speak against it", () => {
  const asked = () => {
    throw new Error("asked");
  };
  for (const own of [endings(19, 0, 3), endings(10, 10, 3), endings(20, 0, 2)])
    expect(blame(own, asked, LIMITS)).toBeUndefined();
});

test("a quarantine stands as long as enough failures of enough jobs are left", () => {
  expect(isStillBlamed(endings(11, 0, 3), LIMITS)).toBe(true);
  expect(isStillBlamed(endings(10, 9, 3), LIMITS)).toBe(false);
  expect(isStillBlamed(endings(12, 0, 2), LIMITS)).toBe(false);
});

test("a node has done well when half of the next twenty did not fail", () => {
  expect(isWell(endings(10, 10, 1), LIMITS)).toBe(true);
  expect(isWell(endings(11, 9, 1), LIMITS)).toBe(false);
  expect(isWell(endings(0, 19, 1), LIMITS)).toBe(false);
});

test.each([
  [0, 0],
  [1, 0],
  [2, 0],
  [3, 1],
  [4, 1],
  [5, 1],
  [9, 1],
  [10, 2],
  [1000, 200],
])("of %i nodes %i may be out at once", (nodes, most) => {
  expect(mostQuarantined(nodes, LIMITS)).toBe(most);
});

test("5, 15, and then 60 minutes", () => {
  expect([1, 2, 3, 4, 9].map((level) => termMs(level, LIMITS) / 60_000)).toEqual([5, 15, 60, 60, 60]);
});
