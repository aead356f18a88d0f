/** What holds for every plan, whatever the snapshot; checked without the scheduler's code, feasibility excepted. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { holdsFor } from "../../test/conformance/seeded.js";
import { feasible, mayRetryOn } from "./feasible.js";
import { schedule } from "./schedule.js";
import { type AgentSnapshot, type JobSnapshot, modelKey, type Schedule, type Snapshot } from "./snapshot.js";
import { agent, job } from "./snapshot.test-support.js";
import { anyNow, anySnapshot } from "./snapshots.test-support.js";

/** A load must be worth so many times its own time. */
const PAYS = 4;

/** What is wrong with a schedule by the numbered invariants 1, 2, 4, 6 and 7 of schedule.ts. */
function faults(snapshot: Snapshot, made: Schedule, nowMs: number): string[] {
  const out: string[] = [];
  const { maxWaitMs, loadMs = maxWaitMs / 4 } = snapshot.options;
  const left = new Map(snapshot.jobs.map((j) => [j, shardsOf(j)]));
  const lanes = new Map(
    snapshot.agents.flatMap((a) =>
      a.lanes.map((now) => {
        const { slots = 1 } = a.capability.lanes.find(({ lane }) => lane === now.lane) ?? {};
        const held = [...now.held.values()].reduce((sum, n) => sum + n, 0);
        const warm = new Set([...a.loadedModels, ...(now.lastModel ? [now.lastModel] : [])]);
        return [
          `${a.id}/${now.lane}`,
          { a, now, slots, held, credits: now.credits, on: now.lastModel, warm },
        ];
      }),
    ),
  );
  const quotas = new Map<string, number>();
  for (const [tenant, most] of snapshot.options.tenantLimits ?? []) {
    const own = snapshot.jobs.filter((j) => j.tenant === tenant);
    const has = own.reduce((sum, { inFlight = 0 }) => sum + inFlight, 0);
    quotas.set(tenant, own.some(({ held }) => held) ? 0 : Math.max(0, most - has));
  }
  const feasibleAgents = (j: JobSnapshot) =>
    snapshot.agents.filter((a) => feasible(a, j).ok).map((a) => a.id);
  const allowed = (j: JobSnapshot, a: AgentSnapshot, lane: string, shard: number) => {
    const fit = feasible(a, j);
    const failedOn = j.pending.retries.find((r) => r.shards.has(shard))?.failedOn ?? [];
    const able = feasibleAgents(j);
    const open = j.gate !== undefined && !j.held && !j.paused;
    return (
      open &&
      fit.ok &&
      fit.lanes.includes(lane) &&
      mayRetryOn(a.id, failedOn, able.length, (id) => able.includes(id))
    );
  };
  /** Shards given to campaigns, and those of them that had not starved. */
  const given = new Map<string, { all: number; rest: number }>();
  for (const x of made.assignments) {
    const sum = given.get(x.campaign) ?? { all: 0, rest: 0 };
    const rest = sum.rest + (x.why === "starved" ? 0 : x.count);
    given.set(x.campaign, { all: sum.all + x.count, rest });
    const j = snapshot.jobs.find((y) => y.campaign === x.campaign && y.job === x.job);
    const lane = lanes.get(`${x.agent}/${x.lane}`);
    if (!j || !lane) throw new Error(`${x.campaign}/${x.job} or ${x.agent}/${x.lane} is unknown`);
    const name = `${x.agent}/${x.lane}`;
    for (let shard = x.first; shard < x.first + x.count; shard++) {
      if (!allowed(j, lane.a, x.lane, shard)) out.push(`infeasible ${name} ${x.job}#${shard}`);
      if (!left.get(j)?.delete(shard)) out.push(`twice ${x.campaign}/${x.job}#${shard}`);
    }
    const quota = quotas.get(j.tenant);
    if (quota !== undefined) quotas.set(j.tenant, quota - x.count);
    if (quota !== undefined && quota < x.count) out.push(`quota of ${j.tenant}`);
    lane.credits -= x.count;
    lane.held += x.count;
    if (lane.credits < 0) out.push(`overdrawn ${name}`);
    if (j.modelLoads) lane.on = modelKey(j);
    if (j.modelLoads) lane.warm.add(modelKey(j));
  }
  /** Whether lanes that are on the model will be done with it before this one had paid for its load. */
  const savesALoad = (j: JobSnapshot, slots: number) => {
    const like = snapshot.jobs.filter((y) => requirement(y) === requirement(j));
    const since = Math.max(...like.filter((y) => y.campaign === j.campaign).map((y) => y.waitingSinceMs));
    const ran = like.reduce((sum, y) => sum + (y.ran?.shards ?? 0), 0);
    if (ran === 0 || nowMs - since > maxWaitMs) return false;
    const shardMs = like.reduce((sum, y) => sum + (y.ran?.ms ?? 0), 0) / ran;
    const pending = like
      .filter((y) => y.gate !== undefined && !y.held && !y.paused)
      .reduce((sum, y) => sum + (left.get(y)?.size ?? 0), 0);
    let on = 0;
    for (const lane of lanes.values()) {
      const fit = feasible(lane.a, j);
      if (fit.ok && fit.lanes.includes(lane.now.lane) && lane.on === modelKey(j)) on += lane.slots;
    }
    return on > 0 && (pending * shardMs) / (on + slots) < PAYS * loadMs;
  };
  /** Who of a job's tenant was given what this job's campaign should have had of the quota. */
  const ahead = (j: JobSnapshot) =>
    [...given].flatMap(([campaign, n]) => {
      const other = snapshot.jobs.find((y) => y.campaign === campaign);
      if (!other || other.tenant !== j.tenant || n.rest === 0 || other.priority > j.priority) return [];
      const more = other.priority < j.priority || onNodes(campaign) > onNodes(j.campaign) + 1;
      return more ? [campaign] : [];
    });
  /** Whether all that its quota leaves may be kept for others' work that no lower is than it, where no lane is free yet. */
  const isKept = (j: JobSnapshot) => {
    const others = snapshot.jobs.filter((y) => {
      const since = snapshot.jobs.filter((z) => z.campaign === y.campaign).map((z) => z.waitingSinceMs);
      if (y.tenant !== j.tenant || y.campaign === j.campaign || y.priority < j.priority) return false;
      return nowMs - Math.max(...since) <= 2 * maxWaitMs && feasibleAgents(y).length > 0;
    });
    const wanted = others.reduce((sum, y) => sum + (left.get(y)?.size ?? 0), 0);
    return quotas.has(j.tenant) && wanted >= (quotas.get(j.tenant) ?? 0);
  };
  const onNodes = (campaign: string) => {
    const before = snapshot.jobs.filter((y) => y.campaign === campaign);
    return before.reduce((sum, { inFlight = 0 }) => sum + inFlight, given.get(campaign)?.all ?? 0);
  };
  for (const [name, lane] of lanes) {
    const mine = made.assignments.filter((x) => `${x.agent}/${x.lane}` === name && x.why !== "starved");
    for (const [j, shards] of left) {
      if (![...shards].some((s) => allowed(j, lane.a, lane.now.lane, s))) continue;
      const cold = j.modelLoads && !lane.warm.has(modelKey(j));
      if (cold && savesALoad(j, lane.slots)) continue;
      const isIdle = Math.min(lane.credits, lane.slots - lane.held) > 0;
      if (isIdle && quotas.has(j.tenant))
        for (const other of ahead(j)) out.push(`quota of ${j.campaign} goes to ${other}`);
      if (quotas.get(j.tenant) === 0) continue;
      if (isIdle && !isKept(j)) out.push(`idle ${name} while ${j.campaign}/${j.job} waits`);
      const lower = mine.some(({ campaign }) => {
        const other = snapshot.jobs.find((y) => y.campaign === campaign);
        return other?.tenant === j.tenant && (other?.priority ?? 0) < j.priority;
      });
      if (lower) out.push(`priority on ${name}`);
    }
  }
  return out;
}

const requirement = ({ engine, model, modelLoads, lanes, deviceClass, namesServer }: JobSnapshot) =>
  JSON.stringify({ engine, model, modelLoads, lanes, deviceClass, namesServer });

const shardsOf = ({ pending }: JobSnapshot) =>
  new Set(
    [pending.untried, ...pending.retries.map((r) => r.shards)].flatMap(({ ranges }) =>
      ranges.flatMap((r) => Array.from({ length: r.to - r.from }, (_, i) => r.from + i)),
    ),
  );

test("feasible only, no overdraft, nothing twice, no slot idle, priority first; what is left is explained", () => {
  holdsFor(
    "schedule",
    fc.property(anySnapshot, anyNow, (snapshot, nowMs) => {
      const made = schedule(snapshot, nowMs);
      expect(faults(snapshot, made, nowMs)).toEqual([]);
      for (const j of snapshot.jobs) {
        const given = made.assignments
          .filter((a) => a.campaign === j.campaign && a.job === j.job)
          .reduce((sum, { count }) => sum + count, 0);
        const told = made.waiting.filter((w) => w.campaign === j.campaign && w.job === j.job);
        expect(told).toHaveLength(given < j.pending.ready + j.pending.waiting ? 1 : 0);
      }
    }),
    1500,
  );
});

test("the checker itself sees each planted fault", () => {
  const snapshot: Snapshot = {
    agents: [agent("n1", { lanes: [{ lane: "cpu", slots: 2 }] }), agent("n2", { state: "SUSPECT" })],
    jobs: [job("c-1", "j0000"), job("c-2", "j0000", { priority: 1 })],
    options: { maxWaitMs: 1 },
  };
  const give = (first: number, count: number, more = {}) => ({
    ...{ campaign: "c-2", job: "j0000", first, count, agent: "n1", lane: "cpu", why: "loads" as const },
    ...more,
  });
  const seen = (...assignments: Schedule["assignments"]) => faults(snapshot, { assignments, waiting: [] }, 0);
  expect(seen(give(0, 2))).toEqual([]);
  expect(seen(give(0, 1), give(0, 1))).toContain("twice c-2/j0000#0");
  expect(seen(give(0, 3))).toContain("overdrawn n1/cpu");
  const limited = { ...snapshot, options: { maxWaitMs: 1, tenantLimits: new Map([["t", 1]]) } };
  expect(faults(limited, { assignments: [give(0, 1)], waiting: [] }, 0)).toEqual([]);
  expect(faults(limited, { assignments: [give(0, 2)], waiting: [] }, 0)).toContain("quota of t");
  const two = { maxWaitMs: 1, tenantLimits: new Map([["t", 2]]) };
  const low = give(0, 1, { campaign: "c-1" });
  const alike = [job("c-1", "j0000", { inFlight: 1 }), job("c-2", "j0000")];
  const wide = { ...snapshot, agents: [agent("n1", { lanes: [{ lane: "cpu", slots: 3 }] })], options: two };
  const divided = (jobs: JobSnapshot[], ...assignments: Schedule["assignments"]) =>
    faults({ ...wide, jobs }, { assignments, waiting: [] }, 0);
  expect(divided(snapshot.jobs as JobSnapshot[], low)).toContain("quota of c-2 goes to c-1");
  expect(divided(alike, low)).toContain("quota of c-2 goes to c-1");
  expect(divided(alike, give(0, 1))).toEqual([]);
  expect(seen(give(0, 1, { agent: "n2" }))).toContain("infeasible n2/cpu j0000#0");
  expect(seen(give(0, 1))).toContain("idle n1/cpu while c-1/j0000 waits");
  expect(seen(give(0, 1), give(0, 1, { campaign: "c-1" }))).toContain("priority on n1/cpu");
});

test("the order of agents and jobs in the snapshot does not matter", () => {
  holdsFor(
    "deterministic",
    fc.property(anySnapshot, anyNow, fc.integer(), (snapshot, nowMs, turn) => {
      const turned = <T>(list: readonly T[]) => {
        const at = Math.abs(turn) % Math.max(1, list.length);
        const cut = [...list.slice(at), ...list.slice(0, at)];
        return turn < 0 ? cut.reverse() : cut;
      };
      const other = { ...snapshot, agents: turned(snapshot.agents), jobs: turned(snapshot.jobs) };
      expect(schedule(other, nowMs)).toEqual(schedule(snapshot, nowMs));
    }),
    500,
  );
});
