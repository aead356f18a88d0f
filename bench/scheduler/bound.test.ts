import { expect, test } from "vitest";
import { fewestLoads } from "./bound.js";
import { firstComeFirstServed, scheduler } from "./policies.js";
import { simulate } from "./simulate.js";
import { mixedCampaigns } from "./workload.js";

const LOAD_MS = 30_000;
const work = mixedCampaigns({ agents: 20, shards: 1500, campaigns: 6, models: 3, seed: 3, sizingError: 0 });

test("no schedule has fewer loads than the bound, and the scheduler's come near it", () => {
  const ours = simulate(work, 20, LOAD_MS, scheduler(120_000));
  const fifo = simulate(work, 20, LOAD_MS, firstComeFirstServed());
  const bound = fewestLoads(work, ours.makespanMs, LOAD_MS);
  expect(ours.loads).toBeGreaterThanOrEqual(bound);
  expect(fifo.loads).toBeGreaterThanOrEqual(fewestLoads(work, fifo.makespanMs, LOAD_MS));
  expect(ours.loads / bound).toBeLessThan(1.5);
  expect(fifo.loads).toBeGreaterThan(3 * ours.loads);
  expect(ours.makespanMs).toBeLessThan(fifo.makespanMs);
});

test("half a model's work more than one agent can do in the time needs a second load", () => {
  const [first] = work;
  if (!first) throw new Error("no work");
  const one = [{ ...first, shardMs: Float64Array.of(100, 50) }];
  expect(fewestLoads(one, 180, 30)).toBe(1);
  expect(fewestLoads(one, 130, 30)).toBe(2);
});
