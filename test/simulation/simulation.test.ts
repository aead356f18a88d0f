/** Whole fleets of the real coordinator and agent logic, under faults. `npm run test:simulation` runs many more. */
import { availableParallelism } from "node:os";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fixtures } from "./fixtures.js";
import type { Schedule } from "./schedule.js";
import { type Built, buildSimulation, simulate, Worker } from "./simulate.js";
import { EVERY_SHAPE } from "./workload.js";

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

test("what waits behind busy slots goes to a node that becomes free", MINUTES, async () => {
  const shape = EVERY_SHAPE.findIndex(({ name }) => name === "round"); // five shards of 3 s
  const schedule: Schedule = {
    ...{ seed: 1, coordinators: 1, poison: [] },
    agents: [3, 2].map((cpuSlots) => ({ cpuSlots, testSlots: 0 })),
    // The second one is away when the first takes all five: three of them run, and two wait there.
    faults: [{ kind: "agent_killed", who: "a1", atMs: 500, ms: 1500, size: 0 }],
    actions: [{ kind: "submit", atMs: 1000, key: "k", shape, priority: 0, twice: false }],
  };
  const worker = new Worker(built.file);
  try {
    const { outcome } = await worker.ask({ kind: "one", seed: 1, schedule, keepsLines: true });
    expect(outcome.violation).toBeUndefined();
    expect(outcome.lines?.some((line) => line.includes('"$case":"retracted"'))).toBe(true);
    // It is back at 2 s; two rounds on the first would last until 7 s.
    expect(outcome.virtualMs).toBeLessThan(6000);
  } finally {
    await worker.close();
  }
});
