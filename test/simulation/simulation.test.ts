/** Whole fleets of the real coordinator and agent logic, under faults. `npm run test:simulation` runs many more. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { apply } from "./build.js";
import { type Built, buildSimulation, simulate } from "./simulate.js";

let built: Built;
beforeAll(async () => {
  built = await buildSimulation();
});
afterAll(() => built.close());

const seeds = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);

test("a seed decides everything: two runs leave equal traces", { timeout: 120_000 }, async () => {
  const some = seeds(1, 40);
  const once = await simulate(built.file, some, 1);
  const again = await simulate(built.file, some.toReversed(), 1);
  const hashes = ({ outcomes }: typeof once) => outcomes.map(({ seed, hash }) => `${seed} ${hash}`).sort();
  expect(hashes(again)).toEqual(hashes(once));
});

test("a planted change must find its place", () => {
  const patch = { file: "f.ts", find: "one", replace: "two" };
  expect(apply("a one b", patch)).toBe("a two b");
  expect(() => apply("nothing", patch)).toThrow("0 places");
  expect(() => apply("one one", patch)).toThrow("2 places");
});
