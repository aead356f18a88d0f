/** Whole fleets of the real coordinator and agent logic, under faults. `npm run test:simulation` runs many more. */
import { availableParallelism } from "node:os";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fixtures } from "./fixtures.js";
import { type Built, buildSimulation, simulate, Worker } from "./simulate.js";

const MINUTES = { timeout: 600_000 };

let built: Built;
beforeAll(async () => {
  built = await buildSimulation();
});
afterAll(() => built.close());

const seeds = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

test("500 schedules violate nothing", MINUTES, async () => {
  const { outcomes } = await simulate(built.file, seeds(500), availableParallelism());
  const violated = outcomes.flatMap(({ seed, violation }) =>
    violation ? [`SEED=${seed} ${violation.invariant}: ${violation.text}`] : [],
  );
  expect(violated).toEqual([]);
  const requeued = outcomes.filter((outcome) => outcome.requeued).length;
  expect(requeued / outcomes.length).toBeGreaterThan(0.5);
});

test("a seed decides everything: 200 of them leave equal traces in any order", MINUTES, async () => {
  const once = await simulate(built.file, seeds(200), 1);
  const again = await simulate(built.file, seeds(200).toReversed(), 1);
  const hashes = ({ outcomes }: typeof once) => outcomes.map(({ seed, hash }) => `${seed} ${hash}`).sort();
  expect(hashes(again)).toEqual(hashes(once));
});

test("what once failed, or fails with a planted bug, does not fail", MINUTES, async () => {
  const worker = new Worker(built.file);
  try {
    const all = await fixtures();
    expect(all.size).toBeGreaterThan(0);
    for (const [name, { schedule }] of all) {
      const { outcome } = await worker.ask({ kind: "one", seed: schedule.seed, schedule, keepsLines: false });
      expect({ name, violation: outcome.violation }).toEqual({ name, violation: undefined });
    }
  } finally {
    await worker.close();
  }
});
