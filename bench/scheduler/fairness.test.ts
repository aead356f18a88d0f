/** Over a long time, with loads that take little of it, everybody gets the slot-time that is due, whatever shards take. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { plan } from "../../coordinator/scheduler/schedule.js";
import { Standing } from "../../coordinator/scheduler/standing.js";
import { holdsFor } from "../../test/conformance/seeded.js";
import { type Ran, simulate } from "./simulate.js";
import { generator, type WorkJob } from "./workload.js";

const MINUTE = 60_000;
const LOAD_MS = 5_000;
/** Each campaign has work for at least so long on the slots that are due to it. */
const LASTS_MS = 60 * MINUTE;
const WARM_UP_MS = 10 * MINUTE;

interface Case {
  agents: number;
  campaigns: { tenant: string; models: string[]; shardS: number }[];
  seed: number;
}

const anyCase: fc.Arbitrary<Case> = fc.record({
  agents: fc.integer({ min: 30, max: 60 }),
  campaigns: fc.array(
    fc.record({
      tenant: fc.constantFrom("light", "heavy"),
      models: fc.subarray(["a", "b", "c"], { minLength: 1 }),
      shardS: fc.integer({ min: 5, max: 60 }),
    }),
    { minLength: 2, maxLength: 6 },
  ),
  seed: fc.integer(),
});
const WEIGHTS = new Map([["heavy", 3]]);

/** Part of all slots that is due to each campaign: 1 to 3 between the tenants, alike within each. */
function dueOf({ campaigns }: Case): number[] {
  const weight = (tenant: string) => WEIGHTS.get(tenant) ?? 1;
  const all = [...new Set(campaigns.map((c) => c.tenant))].reduce((sum, t) => sum + weight(t), 0);
  return campaigns.map(({ tenant }) => {
    return weight(tenant) / all / campaigns.filter((c) => c.tenant === tenant).length;
  });
}

function workOf(world: Case): WorkJob[] {
  const random = generator(world.seed);
  const due = dueOf(world);
  return world.campaigns.flatMap(({ tenant, models, shardS }, i) =>
    models.map((model, j): WorkJob => {
      const part = ((due[i] ?? 0) * world.agents * LASTS_MS) / models.length;
      const n = Math.ceil((part * (1 + random())) / (shardS * 1000));
      return {
        spec: {
          ...{ tenant, campaign: `c-${i}`, job: `j${j}`, priority: 0, createdMs: i, engine: "ollama", model },
          ...{ modelLoads: true, lanes: ["gpu"], gate: 1n },
        },
        shardMs: Float64Array.from({ length: n }, () => shardS * 1000 * (0.7 + 0.6 * random())),
      };
    }),
  );
}

/** Slots each campaign had on average, from the warm-up to when the first has a tenth of its work left. */
function slotsOf(world: Case): number[] {
  const standing = new Standing({ maxWaitMs: 2 * MINUTE, loadMs: LOAD_MS, tenantWeights: WEIGHTS });
  const ran: Ran[] = [];
  const policy = {
    agent: standing.putAgent.bind(standing),
    job: standing.putJob.bind(standing),
    decide: (nowMs: number) => plan(standing, nowMs).assignments,
  };
  simulate(workOf(world), world.agents, LOAD_MS, policy, (shard) => ran.push(shard));
  const of = world.campaigns.map((_, i) => ran.filter(({ campaign }) => campaign === `c-${i}`));
  const endMs = Math.min(...of.map((own) => own[Math.floor(own.length * 0.9)]?.fromMs ?? 0));
  return of.map((own) => {
    const within = own.map(({ fromMs, toMs }) => Math.min(toMs, endMs) - Math.max(fromMs, WARM_UP_MS));
    return within.reduce((sum, ms) => sum + Math.max(0, ms), 0) / (endMs - WARM_UP_MS);
  });
}

/** What is due and what was had, in slots, where they differ by more than a tenth and by more than one and a half lanes. */
function unfair(world: Case): string[] {
  const slots = slotsOf(world);
  const used = slots.reduce((sum, n) => sum + n, 0);
  const due = dueOf(world).map((part) => part * used);
  const tenants = [...new Set(world.campaigns.map((c) => c.tenant))];
  const sum = (list: number[], tenant: string) =>
    list.reduce((total, n, i) => total + (world.campaigns[i]?.tenant === tenant ? n : 0), 0);
  const pairs = [
    ...slots.map((has, i) => ({ name: `c-${i}`, has, due: due[i] ?? 0 })),
    ...tenants.map((tenant) => ({ name: tenant, has: sum(slots, tenant), due: sum(due, tenant) })),
  ];
  return pairs
    .filter((p) => Math.abs(p.has - p.due) > Math.max(p.due / 10, 1.5))
    .map((p) => `${p.name} had ${p.has.toFixed(2)} slots of ${p.due.toFixed(2)}`);
}

test("tenants of weights 1 and 3, and their campaigns alike, get the slot-time that is due within a tenth or one and a half lanes", () => {
  holdsFor(
    "fairness over time",
    fc.property(anyCase, (world) => {
      expect(unfair(world)).toEqual([]);
    }),
    8,
  );
}, 60_000);
