import { expect, test, vi } from "vitest";
import { Draft } from "./draft.js";
import { schedule } from "./schedule.js";
import type { AgentSnapshot, JobSnapshot, SchedulerOptions } from "./snapshot.js";
import { agent, job, listed } from "./snapshot.test-support.js";

const A = "ollama:a";
const B = "ollama:b";
const MINUTE = 60_000;

const run = (
  agents: AgentSnapshot[],
  jobs: JobSnapshot[],
  nowMs = 0,
  options: Partial<SchedulerOptions> = {},
) => schedule({ agents, jobs, options: { maxWaitMs: 2 * MINUTE, ...options } }, nowMs);
const given = (...args: Parameters<typeof run>) => listed(run(...args).assignments);
const why = (...args: Parameters<typeof run>) => run(...args).assignments.map((a) => a.why);
/** A lane that holds one attempt and has one credit left. */
const busy = (id: string, campaign: string, lastModel = A, more = {}) =>
  agent(id, { lanes: [{ lane: "cpu", credits: 1, held: { [campaign]: 1 }, lastModel, ...more }] });
/** A lane that has nothing to do, its model loaded. */
const warm = (id: string, lastModel = A, more = {}) =>
  agent(id, { lanes: [{ lane: "cpu", credits: 1, lastModel, ...more }] });
/** An hour's work is left, and how long shards take is known. */
const hours = { pending: 120, ran: { shards: 100, ms: 3_000_000 } };

test("higher priority first, then fair between campaigns, the older first, then plan order", () => {
  const jobs = [
    job("c-old", "j0001", { createdMs: 1 }),
    job("c-old", "j0000", { createdMs: 1, pending: [{ from: 4, to: 5 }] }),
    job("c-new", "j0000", { createdMs: 2 }),
    job("c-top", "j0000", { createdMs: 3, priority: 1, pending: 1 }),
  ];
  const one = agent("n1", { lanes: [{ lane: "cpu", slots: 5, credits: 5 }] });
  expect(given([one], jobs)).toEqual([
    "n1:c-top/j0000#0",
    "n1:c-old/j0000#4",
    "n1:c-new/j0000#0",
    "n1:c-old/j0001#0",
    "n1:c-new/j0000#1",
  ]);
});

test("tenants share by weight, whatever their campaigns' number and priority", () => {
  const jobs = [
    ...["c-1", "c-2", "c-3"].map((c) => job(c, "j0000", { tenant: "many", priority: 9 })),
    job("c-4", "j0000", { tenant: "one" }),
  ];
  const lane = { lane: "cpu", slots: 8, credits: 8 };
  const shares = (tenantWeights?: ReadonlyMap<string, number>) => {
    const all = given([agent("n1", { lanes: [lane] })], jobs, 0, tenantWeights ? { tenantWeights } : {});
    return all.filter((text) => text.includes("c-4")).length;
  };
  expect(shares()).toBe(4);
  expect(shares(new Map([["one", 3]]))).toBe(6);
});

test("a plan gives out no more than it may, and those that follow the rest", () => {
  const jobs = (from: number) => [job("c-1", "j0000", { pending: [{ from, to: 9 }] })];
  const agents = [1, 2, 3].map((i) =>
    agent(`n${i}`, { lanes: [{ lane: "cpu", slots: 2, credits: 3, lastModel: A }] }),
  );
  expect(given(agents, jobs(0), 0, { mostShards: 4 })).toHaveLength(4);
  expect(given(agents, jobs(4), 0, { mostShards: 4 })).toHaveLength(4);
  expect(given(agents, jobs(8), 0, { mostShards: 4 })).toHaveLength(1);
});

test("one after the other takes a lane each, then work waits behind what runs", () => {
  const jobs = [job("c-1", "j0000", { pending: 5 })];
  expect(given([warm("n1"), agent("n2", { lanes: [{ lane: "cpu", lastModel: A }] })], jobs)).toEqual([
    "n1:c-1/j0000#0",
    "n2:c-1/j0000#1",
    "n2:c-1/j0000#2",
  ]);
});

test("many short shards go ahead in one piece, long and unknown ones one ahead of each slot", () => {
  const agents = [agent("n1", { lanes: [{ lane: "cpu", credits: 900, lastModel: A }] })];
  const ahead = (ms?: number) => {
    const ran = ms === undefined ? {} : { ran: { shards: 10, ms: 10 * ms } };
    return run(agents, [job("c-1", "j0000", { pending: 5000, ...ran })]).assignments;
  };
  const range = { campaign: "c-1", job: "j0000", first: 0, agent: "n1", lane: "cpu", why: "stays" };
  expect(ahead()).toEqual([{ ...range, count: 2 }]);
  expect(ahead(5000)).toEqual([{ ...range, count: 2 }]);
  expect(ahead(10)).toEqual([{ ...range, count: 201 }]);
  expect(ahead(0.01)).toEqual([{ ...range, count: 900 }]);
});

test("a lane stays on its model, then uses one that is loaded, then loads one", () => {
  const jobs = [job("c-1", "j0000", hours), job("c-1", "j0001", { ...hours, model: "b" })];
  expect(run([warm("n1", B)], jobs).assignments).toMatchObject([{ job: "j0001", why: "stays" }]);
  const both = agent("n1", {
    loadedModels: [B],
    lanes: [{ lane: "cpu", credits: 1, lastModel: "ollama:c" }],
  });
  expect(run([both], jobs).assignments).toMatchObject([{ job: "j0001", why: "loaded" }]);
  expect(run([warm("n1", "ollama:c")], jobs).assignments).toMatchObject([{ job: "j0000", why: "loads" }]);
  expect(why([warm("n1", "ollama:c")], [job("c-1", "j0000", { modelLoads: false })])).toEqual(["no_load"]);
});

test("cold lanes spread over models as there is work for them", () => {
  const jobs = [job("c-1", "j0000", { pending: 300 }), job("c-1", "j0001", { pending: 100, model: "b" })];
  const cold = Array.from({ length: 8 }, (_, i) => agent(`n${i}`, { lanes: [{ lane: "cpu", credits: 1 }] }));
  const made = given(cold, jobs);
  expect(made.filter((text) => text.includes("j0000"))).toHaveLength(6);
  expect(made.filter((text) => text.includes("j0001"))).toHaveLength(2);
});

test("a model is loaded once more only if the lane will work on it four times as long as loading takes", () => {
  const left = (pending: number) => [job("c-1", "j0000", { pending, ran: { shards: 10, ms: 300_000 } })];
  const lanes = [busy("n1", "c-1"), agent("n2")];
  // 30 s to load, 30 s a shard, two lanes: from eight shards on each has four.
  expect(given(lanes, left(7))).toEqual(["n1:c-1/j0000#0"]);
  expect(given(lanes, left(8))).toEqual(["n2:c-1/j0000#0", "n2:c-1/j0000#1", "n1:c-1/j0000#2"]);
  expect(run([agent("n2")], left(1)).assignments).toMatchObject([{ agent: "n2", why: "loads" }]);
  expect(given(lanes, left(3), 3 * MINUTE)[0]).toBe("n2:c-1/j0000#0");
});

test("models run out together: a lane goes over to the one of which much more is left", () => {
  const jobs = (b: number) => [
    job("c-1", "j0000", { ...hours, pending: 100 }),
    job("c-1", "j0001", { ...hours, pending: b, model: "b" }),
  ];
  const others = [
    ...["n2", "n3"].map((id) => busy(id, "c-1", A, { credits: 0 })),
    busy("n4", "c-1", B, { credits: 0 }),
  ];
  // Two of four lanes are due to each; the one that is free is a third for a, unless a has more than half of the work.
  expect(run([warm("n1"), ...others], jobs(99)).assignments).toMatchObject([{ job: "j0000", why: "stays" }]);
  expect(run([warm("n1"), ...others], jobs(101)).assignments).toMatchObject([
    { job: "j0001", why: "takes_over" },
  ]);
  // A busy lane gets its first shard for the other model behind what it runs, so that no slot waits between them.
  expect(given([busy("n1", "c-1"), ...others], jobs(101))).toEqual(["n1:c-1/j0001#0"]);
});

test("a lane changes hands once, when the other would still not have more", () => {
  const jobs = [job("c-1", "j0000", hours), job("c-2", "j0000", { ...hours, model: "b", createdMs: 1 })];
  const held = (n: number) =>
    Array.from({ length: n }, (_, i) => busy(`n${i + 2}`, "c-1", A, { credits: 0 }));
  expect(run([warm("n1"), ...held(0)], jobs).assignments).toMatchObject([{ campaign: "c-1", why: "stays" }]);
  expect(run([warm("n1"), ...held(1)], jobs).assignments).toMatchObject([
    { campaign: "c-2", why: "takes_over" },
  ]);
  expect(run([warm("n1", B), ...held(1)], jobs).assignments).toMatchObject([
    { campaign: "c-2", why: "stays" },
  ]);
});

test("a campaign that can get more on lanes with its models does not make others load", () => {
  const half = { ...hours, pending: 60, model: "b" };
  const jobs = [
    job("c-1", "j0000", hours),
    job("c-1", "j0001", half),
    job("c-2", "j0000", { ...half, createdMs: 1 }),
  ];
  const others = [busy("n2", "c-1", A, { credits: 0 }), busy("n3", "c-1", B, { credits: 0 })];
  expect(run([warm("n1"), ...others], jobs).assignments).toMatchObject([{ campaign: "c-1", why: "stays" }]);
  expect(run([warm("n1", B), ...others], jobs).assignments).toMatchObject([
    { campaign: "c-2", why: "stays" },
  ]);
});

test("a campaign that will be done before a load pays gets lanes of its models, and makes none load", () => {
  const jobs = (pending: number) => [
    job("c-1", "j0000", { ...hours, pending: 1200 }),
    job("c-2", "j0000", { ...hours, pending, model: "b", createdMs: 1 }),
  ];
  const others = [
    busy("n2", "c-1", A, { credits: 0 }),
    busy("n3", "c-1", A, { credits: 0 }),
    busy("n4", "c-2", B, { credits: 0 }),
  ];
  // Both are due two lanes; a load is 30 s, a shard 30 s, and 16 loads on each of two lanes are 32 shards.
  expect(run([warm("n1"), ...others], jobs(20)).assignments).toMatchObject([
    { campaign: "c-1", why: "stays" },
  ]);
  expect(run([warm("n1"), ...others], jobs(40)).assignments).toMatchObject([
    { campaign: "c-2", why: "takes_over" },
  ]);
});

test("more campaigns than lanes take turns: after the wait, and when the lane had its model as long", () => {
  const jobs = [
    job("c-1", "j0000", { ...hours, waitingSinceMs: 10 * MINUTE }),
    job("c-2", "j0000", { ...hours, model: "b", waitingSinceMs: 7 * MINUTE }),
  ];
  const first = (nowMs: number, modelSinceMs: number) =>
    run([warm("n1", A, { modelSinceMs })], jobs, nowMs).assignments[0];
  expect(first(9 * MINUTE, 0)).toMatchObject({ campaign: "c-1" });
  expect(first(9 * MINUTE + 1, 0)).toMatchObject({ campaign: "c-2", why: "takes_over" });
  expect(first(9 * MINUTE + 1, 7 * MINUTE + 1)).toMatchObject({ campaign: "c-1" });
});

test("what is loaded for one that waited is there for one of higher priority, which then goes first", () => {
  const jobs = [
    job("c-1", "j0000", { pending: 2 }),
    job("c-2", "j0000", {
      ...{ priority: 1, pending: 0, retries: [{ index: 3, failedOn: ["n1"] }] },
      ...{ ran: { shards: 1, ms: 1 }, waitingSinceMs: 1 },
    }),
  ];
  const cold = ["n1", "n2"].map((id) => agent(id, { lanes: [{ lane: "cpu", credits: 1 }] }));
  expect(given(cold, jobs, 2 * MINUTE + 1)).toEqual(["n1:c-1/j0000#0", "n2:c-2/j0000#3"]);
});

test("what starved gets one shard of a lane whatever its priority, and the lane is left alone for as long", () => {
  const jobs = [
    job("c-1", "j0000", { ...hours, priority: 5, waitingSinceMs: 12 * MINUTE }),
    job("c-2", "j0000", { ...hours, waitingSinceMs: 2 * MINUTE }),
    job("c-3", "j0000", { ...hours, waitingSinceMs: MINUTE }),
  ];
  const lanes = (rescuedMs?: number) => [busy("n1", "c-1", A, rescuedMs === undefined ? {} : { rescuedMs })];
  expect(given(lanes(), jobs, 11 * MINUTE)).toEqual(["n1:c-1/j0000#0"]);
  expect(run(lanes(), jobs, 12 * MINUTE + 1).assignments).toMatchObject([
    { campaign: "c-3", count: 1, why: "starved" },
  ]);
  expect(run(lanes(5 * MINUTE), jobs, 13 * MINUTE).assignments).toMatchObject([{ campaign: "c-1" }]);
  const holds = [busy("n2", "c-3", A, { credits: 0 }), busy("n3", "c-2", A, { credits: 0 })];
  expect(run([...lanes(), ...holds], jobs, 13 * MINUTE).assignments).toMatchObject([{ campaign: "c-1" }]);
});

test("a failed shard waits for another node if there is one, and goes first there", () => {
  const jobs = [job("c-1", "j0000", { pending: 0, retries: [{ index: 3, failedOn: ["n1"] }] })];
  const full = agent("n2", { lanes: [{ lane: "cpu", credits: 0 }] });
  expect(given([agent("n1"), full], jobs)).toEqual([]);
  expect(given([agent("n1"), agent("n2")], jobs)).toEqual(["n2:c-1/j0000#3"]);
  expect(given([agent("n1"), agent("n2", { cordoned: true })], jobs)).toEqual(["n1:c-1/j0000#3"]);
  const more = [job("c-1", "j0000", { pending: 3, retries: [{ index: 3, failedOn: ["n1"] }] })];
  expect(given([warm("n2")], more)).toEqual(["n2:c-1/j0000#3"]);
});

test("times that are compared stay on one class of devices", () => {
  const agents = ["a100", "h200"].map((deviceClass) =>
    agent(deviceClass, { lanes: [{ lane: "gpu", deviceClass, credits: 1 }] }),
  );
  const jobs = [job("c-1", "j0000", { lanes: ["gpu"], deviceClass: "h200" })];
  expect(given(agents, jobs)).toEqual(["h200:c-1/j0000#0"]);
});

test("nothing of a paused, shut or held job is given out", () => {
  const { gate: _, ...shut } = job("c-1", "j0000");
  const jobs = [shut, job("c-2", "j0000", { held: true }), job("c-3", "j0000", { paused: true })];
  expect(given([agent("n1")], jobs)).toEqual([]);
});

test("a tenant at its quota has no idle lanes looked at, and one free shard of it few, however many there are", () => {
  const looks = (inFlight: number, lanes: number) => {
    const agents = Array.from({ length: lanes }, (_, i) => {
      const lane = { lane: i % 2 ? "cpu" : "gpu", lastModel: `ollama:${"abc"[i % 3]}` };
      return agent(`n${String(i).padStart(4, "0")}`, { lanes: [lane] });
    });
    const jobs = ["a", "b", "c"].map((model, i) =>
      job(`c-${i}`, "j0000", { model, lanes: ["cpu", "gpu"], inFlight: i === 0 ? inFlight : 0 }),
    );
    const options = { maxWaitMs: 1000, tenantLimits: new Map([["t", 4]]) };
    const idle = vi.spyOn(Draft.prototype, "idle");
    try {
      expect(schedule({ agents, jobs, options }, 0).assignments).toHaveLength(4 - inFlight);
      return idle.mock.calls.length;
    } finally {
      idle.mockRestore();
    }
  };
  // Explaining why they wait looks at none either.
  for (const lanes of [10, 1000]) expect(looks(4, lanes)).toBe(0);
  expect(looks(3, 1000)).toBe(looks(3, 100));
});

test("what a quota leaves goes by priority over all pools, and on where that finds no lane", () => {
  const agents = [agent("n1"), agent("n2", { lanes: [{ lane: "gpu" }] })];
  const busy = agent("n3", { lanes: [{ lane: "gpu", credits: 0 }] });
  const low = job("c-1", "j0000", { lanes: ["cpu"] });
  const high = { lanes: ["gpu"], priority: 1 };
  const most = (n: number) => ({ tenantLimits: new Map([["t", n]]) });
  const given = (...[jobs, quota]: [JobSnapshot[], number]) =>
    listed(schedule({ agents, jobs, options: { maxWaitMs: 1000, ...most(quota) } }, 0).assignments).sort();
  expect(given([low, job("c-2", "j0000", high)], 1)).toEqual(["n2:c-2/j0000#0"]);
  expect(given([low, job("c-2", "j0000", high)], 2)).toEqual(["n1:c-1/j0000#0", "n2:c-2/j0000#0"]);
  const failed = { ...high, pending: 0, retries: [{ index: 3, failedOn: ["n2"] }] };
  agents.push(busy);
  expect(given([low, job("c-2", "j0000", failed)], 1)).toEqual(["n1:c-1/j0000#0"]);
});
