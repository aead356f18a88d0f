/** What ended on nodes: the sums, what a sample killed, and what one more ending costs in a large fleet. */
import { expect, test } from "vitest";
import { seededRandom } from "../../shared/benchmark/seeded.js";
import { Endings } from "./endings.js";
import { blame, type Ending, jobOf, QUARANTINE_LIMITS as LIMITS } from "./quarantine-state.js";

const WINDOW = LIMITS.window;
const done = (job: string): Ending => ({ campaign: "c", job });
const failed = (job: string, ...samples: number[]): Ending => ({ ...done(job), failed: { samples } });

test("the last twenty count", () => {
  const endings = new Endings<string>();
  for (let i = 0; i < WINDOW; i++) endings.add("n1", failed("j"), WINDOW);
  for (let i = 0; i < 9; i++) endings.add("n1", done("j"), WINDOW);
  expect(endings.of("n1")).toHaveLength(WINDOW);
  expect(endings.elsewhere("n2", new Set(["c/j"]))).toEqual({ done: 9, failed: 11 });
  expect(endings.elsewhere("n1", new Set(["c/j"]))).toEqual({ done: 0, failed: 0 });
});

test("what a named sample killed counts on no node, whatever else was in flight", () => {
  const endings = new Endings<string>();
  endings.add("n1", failed("j", 3, 4), WINDOW);
  endings.add("n1", failed("j", 1000, 5), WINDOW);
  endings.add("n2", failed("j", 4), WINDOW);
  endings.add("n2", failed("k", 4), WINDOW);
  const named = (sample: number) => [...endings.exonerate({ campaign: "c", job: "j", sample })];
  expect(named(7)).toEqual([]);
  expect(named(4)).toEqual(["n1", "n2"]);
  expect(named(4)).toEqual([]);
  expect(endings.of("n1")).toEqual([failed("j", 1000, 5)]);
  expect(endings.of("n2")).toEqual([failed("k", 4)]);
  expect(named(1000)).toEqual(["n1"]);
  expect(endings.elsewhere("n3", new Set(["c/j", "c/k"]))).toEqual({ done: 0, failed: 1 });
});

test.each([
  1, 2, 3,
])("the sums are those of all windows, whatever is added and taken out (seed %i)", (seed) => {
  const next = seededRandom(seed);
  const pick = (n: number) => Math.floor(next() * n);
  const endings = new Endings<number>();
  for (let step = 0; step < 2000; step++) {
    const [node, job] = [pick(5), `j${pick(3)}`];
    if (pick(40) === 0) endings.take(node);
    else if (pick(10) === 0) endings.exonerate({ campaign: "c", job, sample: pick(600) });
    else endings.add(node, pick(2) ? done(job) : failed(job, pick(600), pick(600)), WINDOW);
    const jobs = new Set([`c/${job}`]);
    const others = [0, 1, 2, 3, 4].filter((other) => other !== node).flatMap((other) => endings.of(other));
    const here = others.filter((one) => jobOf(one) === `c/${job}`);
    const bad = here.filter((one) => one.failed).length;
    expect(endings.elsewhere(node, jobs)).toEqual({ done: here.length - bad, failed: bad });
  }
  for (let node = 0; node < 5; node++) endings.take(node);
  expect(JSON.stringify(endings, (_, value) => (value instanceof Map ? [...value] : value))).toBe(
    JSON.stringify({ windows: [], jobs: [], deaths: [] }),
  );
});

/** How many endings are looked at for one more failure in a fleet where everything fails, and for a named sample. */
function looks(nodes: number): { failure: number; named: number } {
  let looked = 0;
  const seen = (one: Ending): Ending => ({
    ...one,
    get job() {
      looked++;
      return one.job;
    },
  });
  const endings = new Endings<number>();
  let sample = 0;
  for (let node = 0; node < nodes; node++)
    for (let i = 0; i < WINDOW; i++) {
      sample += 64;
      const inFlight = Array.from({ length: 8 }, (_, n) => sample + n);
      endings.add(node, seen(failed(`j${i % 4}`, ...inFlight)), WINDOW);
    }
  looked = 0;
  const own = endings.add(1, seen(failed("j1", sample)), WINDOW);
  expect(blame(own, (jobs) => endings.elsewhere(1, jobs), LIMITS)).toBeUndefined();
  const failure = looked;
  looked = 0;
  endings.exonerate({ campaign: "c", job: "j3", sample });
  return { failure, named: looked };
}

test("what a failure and a named sample cost does not depend on the size of the fleet", () => {
  const [small, large] = [looks(50), looks(2000)];
  expect(large).toEqual(small);
  expect(large.failure).toBeLessThan(10 * WINDOW);
  expect(large.named).toBeLessThan(WINDOW);
});
