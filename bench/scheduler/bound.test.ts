import { expect, test } from "vitest";
import { fewestFairLoads, fewestLoads } from "./bound.js";
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

test("campaigns with models of their own need a load on each lane they get when another one ends", () => {
  const [first] = work;
  if (!first) throw new Error("no work");
  const campaign = (id: string, model: string, shards: number) => ({
    spec: { ...first.spec, campaign: id, model },
    shardMs: new Float64Array(shards).fill(1000),
  });
  // 12 lanes: 4 each, then 6 for each of the two that are left, then all 12 for the last.
  const own = [campaign("c-1", "a", 100), campaign("c-2", "b", 200), campaign("c-3", "c", 400)];
  expect(fewestLoads(own, 700_000, 0)).toBe(3);
  expect(fewestFairLoads(own, 12, 700_000, 0)).toBe(4 + 6 + 12);
  // With one model for all nothing need change.
  const shared = own.map((w) => ({ ...w, spec: { ...w.spec, model: "a" } }));
  expect(fewestFairLoads(shared, 12, 700_000, 0)).toBe(12);
  // One that may use both leaves it open who is on which: only what the others need by themselves is certain.
  const open = [...own.slice(0, 2), campaign("c-3", "a", 200), campaign("c-3", "b", 200)];
  expect(fewestFairLoads(open, 12, 700_000, 0)).toBe(12);
});
