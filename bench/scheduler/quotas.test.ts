/** Over an hour, what a quota leaves goes to campaigns by priority and alike, though one shard of it is free at a time. */
import { expect, test } from "vitest";
import { plan } from "../../coordinator/scheduler/schedule.js";
import { Standing } from "../../coordinator/scheduler/standing.js";
import { simulate } from "./simulate.js";
import type { WorkJob } from "./workload.js";

const MINUTE = 60_000;
const SHARD_MS = 2000;
const LOAD_MS = 5000;
const EVER = 100_000;

interface Given {
  tenant?: string;
  model: string;
  lane: string;
  shards?: number;
  priority?: number;
  fromMs?: number;
  /** ms. */
  shardMs?: number;
  /** Whether changing to its model costs a load. */
  loads?: boolean;
}

/** Slots that campaigns had on average, and when each ended its last shard, ms. */
function hour(
  agents: number,
  lanes: readonly string[],
  quota: number,
  campaigns: { [name: string]: Given },
  minutes = 60,
): { slots: { [name: string]: number }; endMs: { [name: string]: number } } {
  const work = Object.entries(campaigns).map(([campaign, given], i): WorkJob => {
    const { tenant = "t", model, lane, priority = 0, fromMs = 0, loads = true } = given;
    return {
      spec: {
        ...{ tenant, campaign, job: "j0000", priority, createdMs: i, engine: "ollama", model },
        ...{ modelLoads: loads, lanes: [lane], gate: 1n },
      },
      ...{ fromMs, shardMs: new Float64Array(given.shards ?? EVER).fill(given.shardMs ?? SHARD_MS) },
    };
  });
  const standing = new Standing({
    maxWaitMs: 2 * MINUTE,
    loadMs: LOAD_MS,
    tenantLimits: new Map([["t", quota]]),
  });
  const held = new Map<string, number>();
  const policy = {
    agent: standing.putAgent.bind(standing),
    job: standing.putJob.bind(standing),
    decide: (nowMs: number) => {
      const { assignments } = plan(standing, nowMs);
      const { has = 0 } = standing.quotaOf("t") ?? {};
      const more = assignments.filter(({ campaign }) => (campaigns[campaign]?.tenant ?? "t") === "t");
      expect(has + more.reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(quota);
      return assignments;
    },
  };
  const untilMs = minutes * MINUTE;
  const endMs: { [name: string]: number } = {};
  simulate(
    work,
    agents,
    LOAD_MS,
    policy,
    (ran) => {
      held.set(ran.campaign, (held.get(ran.campaign) ?? 0) + ran.toMs - ran.fromMs);
      endMs[ran.campaign] = ran.toMs;
    },
    { lanes, untilMs },
  );
  const slots = Object.keys(campaigns).map((name) => [name, (held.get(name) ?? 0) / untilMs] as const);
  return { slots: Object.fromEntries(slots), endMs };
}

test("what is of higher priority has the whole quota until it ends, whatever pools are its own", () => {
  for (const [high, low] of [
    ["cpu", "remote"],
    ["remote", "cpu"],
  ] as const) {
    const { slots, endMs } = hour(16, ["cpu", "remote"], 4, {
      low: { model: "a", lane: low, priority: -10, loads: false },
      high: { model: "b", lane: high, priority: 10, loads: false, shards: 2000, fromMs: 3000 },
    });
    // 2,000 shards of 2 s on four slots.
    expect(endMs["high"]).toBeLessThan(17.5 * MINUTE);
    expect((slots["low"] ?? 0) + (slots["high"] ?? 0)).toBeGreaterThan(3.9);
  }
});

test("what comes later and is of lower priority gets what starves alone", () => {
  const { slots } = hour(16, ["cpu", "remote"], 4, {
    high: { model: "b", lane: "remote", priority: 1, loads: false },
    low: { model: "a", lane: "cpu", loads: false, fromMs: 3000 },
  });
  expect(slots["high"]).toBeGreaterThan(3.9);
  expect(slots["low"]).toBeGreaterThan(0);
});

test("campaigns of equal priority have the same, on one pool or several, whatever their shards take", () => {
  const cases: [string[], { [name: string]: Given }][] = [
    [["cpu"], { c1: { model: "a", lane: "cpu" }, c2: { model: "b", lane: "cpu", fromMs: 3000 } }],
    [
      ["cpu", "remote"],
      {
        c1: { model: "a", lane: "cpu", shardMs: 500, loads: false },
        c2: { model: "b", lane: "remote", loads: false },
      },
    ],
  ];
  for (const [lanes, campaigns] of cases) {
    const { slots } = hour(16, lanes, 4, campaigns);
    for (const name of ["c1", "c2"]) expect(Math.abs((slots[name] ?? 0) - 2)).toBeLessThan(0.2);
  }
});

test("a quota of one goes from campaign to campaign in turns, not with a load for each shard", () => {
  const { slots } = hour(1, ["cpu"], 1, {
    c1: { model: "a", lane: "cpu" },
    c2: { model: "b", lane: "cpu" },
  });
  for (const name of ["c1", "c2"]) expect(slots[name]).toBeGreaterThan(0.35);
  expect((slots["c1"] ?? 0) + (slots["c2"] ?? 0)).toBeGreaterThan(0.9);
});

test("what is due among others' work is kept for it, though no lane is free when a shard of the quota is", () => {
  const { slots } = hour(16, ["cpu", "remote"], 8, {
    other: { tenant: "u", model: "c", lane: "remote", loads: false, shardMs: 3100 },
    low: { model: "a", lane: "cpu", loads: false },
    high: { model: "b", lane: "remote", priority: 1, loads: false, fromMs: MINUTE, shardMs: 2900 },
  });
  // Half of eight lanes is due to it: with what waits behind the others' shards that takes most of the quota.
  expect(slots["high"]).toBeGreaterThan(3);
});
