/** The end of jobs: which attempts go to nodes that became free, and which get a duplicate. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { holdsFor } from "../../test/conformance/seeded.js";
import type { Lane } from "./lanes.js";
import type { Job } from "./queues.js";
import { plan } from "./schedule.js";
import type { AgentSnapshot, JobSnapshot, Snapshot } from "./snapshot.js";
import { agent, job } from "./snapshot.test-support.js";
import { anyNow, anySnapshot } from "./snapshots.test-support.js";
import { Standing } from "./standing.js";
import { type Look, longMs, openings, type Placed, p75Of, toDuplicate, toTakeBack } from "./tail.js";

const OPTIONS = { maxWaitMs: 120_000 };
const draftOf = (agents: AgentSnapshot[], jobs: JobSnapshot[], options: Snapshot["options"] = OPTIONS) =>
  plan(Standing.of({ agents, jobs, options }), 0);
const on = (
  id: string,
  held: number,
  more: { slots?: number; lastModel?: string; deviceClass?: string } = {},
) => agent(id, { lanes: [{ lane: "cpu", slots: 2, credits: 4 - held, held: { "c-1": held }, ...more }] });
const done = (more = {}) => job("c-1", "j0000", { pending: 0, inFlight: 3, modelLoads: false, ...more });

/** The attempts of the only job that wait on n1, the first at first. */
function waitingOn(draft: ReturnType<typeof draftOf>, count: number, failedOn: string[] = []) {
  const only = draft.standing.job("c-1", "j0000") as Job;
  return Array.from({ length: count }, (_, i) => ({
    ...{ job: only, agent: "n1", lane: "cpu", index: i, failedOn },
  }));
}
const takenBack = (draft: ReturnType<typeof draftOf>, count: number, failedOn: string[] = []) =>
  toTakeBack(draft, openings(draft), newLook(), of(waitingOn(draft, count, failedOn))).map(
    (one) => one.index,
  );
const newLook = (left = 10_000): Look => ({ left, after: undefined });
/** Those of some attempts that are on a lane, the last first. */
const of =
  <T extends Placed>(all: readonly T[]) =>
  (lane: Lane) =>
    all.filter((one) => one.agent === lane.agent && one.lane === lane.pool.kind).reverse();

test("what waits behind busy slots goes to a node that is free, the last first, as much as it has room for", () => {
  expect(takenBack(draftOf([on("n1", 3), on("n2", 1)], [done()]), 1)).toEqual([0]);
  expect(takenBack(draftOf([on("n1", 4), on("n2", 1)], [done()]), 2)).toEqual([1]);
  expect(takenBack(draftOf([on("n1", 4), on("n2", 0)], [done()]), 2)).toEqual([1, 0]);
});

test.each<[string, AgentSnapshot[], JobSnapshot, string[]]>([
  ["nobody else is free", [on("n1", 3), on("n2", 2)], done(), []],
  ["its own node will begin it at once", [on("n1", 2), on("n2", 0)], done(), []],
  ["it failed there", [on("n1", 3), on("n2", 0)], done(), ["n2"]],
  [
    "it does not run there",
    [on("n1", 3), on("n2", 0, { deviceClass: "x" })],
    done({ deviceClass: "cpu" }),
    [],
  ],
  ["it will begin soon anyway", [on("n1", 3), on("n2", 0)], done({ ran: { shards: 9, ms: 900 } }), []],
  [
    "a load would take longer than it waits",
    [on("n1", 3, { lastModel: "ollama:a" }), on("n2", 0)],
    done({ modelLoads: true, ran: { shards: 9, ms: 270_000 } }),
    [],
  ],
])("what waits stays when %s", (_, agents, one, failedOn) => {
  expect(takenBack(draftOf(agents, [one]), 1, failedOn)).toEqual([]);
});

test("a node that must load the model gets what would wait far longer", () => {
  const one = (ms: number) => done({ modelLoads: true, ran: { shards: 9, ms: 9 * ms } });
  const agents = [on("n1", 3, { slots: 1, lastModel: "ollama:a" }), on("n2", 0, { slots: 1 })];
  expect(takenBack(draftOf(agents, [one(100_000)]), 2)).toEqual([]);
  expect(takenBack(draftOf(agents, [one(500_000)]), 2)).toEqual([1]);
});

test("a free slot that work is waiting for takes nothing back", () => {
  const draft = draftOf([on("n1", 3), on("n2", 1)], [done(), job("c-2", "j0000", { modelLoads: false })]);
  expect(openings(draft)).toEqual([]);
});

test("a plan that is full leaves no openings: another is to follow", () => {
  const draft = draftOf([on("n1", 0), on("n2", 0)], [done({ pending: 3 })], { ...OPTIONS, mostShards: 1 });
  expect([draft.full, openings(draft)]).toEqual([true, []]);
});

test("a look is bounded, and the next goes on where it ended", () => {
  const ids = ["n1", "n2", "n3", "n4", "n5"];
  const draft = draftOf([on("n0", 0, { slots: 1 }), ...ids.map((id) => on(id, 3))], [done({ inFlight: 15 })]);
  const looked: string[] = [];
  const waitingOn = ({ agent: id }: Lane) => {
    looked.push(id);
    return [];
  };
  const look = newLook();
  for (let i = 0; i < 4; i++) {
    look.left = 2;
    toTakeBack(draft, openings(draft), look, waitingOn);
  }
  expect(looked).toEqual(["n1", "n2", "n3", "n4", "n5", "n1", "n2", "n3"]);
  look.left = 100;
  looked.length = 0;
  toTakeBack(draft, openings(draft), look, waitingOn);
  expect(looked).toEqual(["n4", "n5", "n1", "n2", "n3"]);
});

test("of a lane whose work begins soon, or runs nowhere else, no attempt is looked at", () => {
  const soon = draftOf([on("n1", 4), on("n2", 0)], [done({ ran: { shards: 9, ms: 900 } })]);
  const elsewhere = draftOf([on("n1", 4), on("n2", 0, { deviceClass: "x" })], [done({ deviceClass: "cpu" })]);
  for (const draft of [soon, elsewhere]) {
    const free = openings(draft);
    expect(free).toHaveLength(1);
    toTakeBack(draft, free, newLook(), () => expect.fail("it was looked at"));
  }
});

const straggler = (draft: ReturnType<typeof draftOf>, forMs: number, more = {}) => {
  const only = draft.standing.job("c-1", "j0000") as Job;
  return { ...{ job: only, agent: "n1", lane: "cpu", index: 7, failedOn: [], p75Ms: 4000 }, forMs, ...more };
};
const duplicatesOf = (draft: ReturnType<typeof draftOf>, forMs: number, more = {}) =>
  toDuplicate(draft, openings(draft), [straggler(draft, forMs, more)]).map(({ lane }) => lane.agent);

test("a shard that runs longer than twice the usual gets one duplicate, on another node of the class", () => {
  const free = draftOf([on("n1", 1), on("n2", 0, { deviceClass: "x" }), on("n3", 0)], [done()]);
  expect(duplicatesOf(free, 8001)).toEqual(["n3"]);
  expect(duplicatesOf(free, 8000)).toEqual([]);
  expect(duplicatesOf(free, 8001, { failedOn: ["n3"] })).toEqual([]);
  expect(duplicatesOf(draftOf([on("n1", 1), on("n3", 2)], [done()]), 8001)).toEqual([]);
  expect(duplicatesOf(draftOf([on("n1", 1)], [done()]), 8001)).toEqual([]);
});

test("no duplicate beyond a quota, or on a node that would still be loading", () => {
  const limit = (most: number) => ({ ...OPTIONS, tenantLimits: new Map([["t", most]]) });
  const agents = [on("n1", 1), on("n2", 0)];
  expect(duplicatesOf(draftOf(agents, [done()], limit(4)), 8001)).toEqual(["n2"]);
  expect(duplicatesOf(draftOf(agents, [done()], limit(3)), 8001)).toEqual([]);
  expect(duplicatesOf(draftOf(agents, [done({ modelLoads: true })]), 8001)).toEqual([]);
  expect(duplicatesOf(draftOf(agents, [done({ modelLoads: true })]), 8000 + 30_001)).toEqual(["n2"]);
});

test("the usual time is what three of four stay within, once three are known; what is short is never too long", () => {
  expect(p75Of([1, 2])).toBeUndefined();
  expect(p75Of([9, 1, 1, 1])).toBe(1);
  expect(p75Of([4, 3, 2, 1, 8, 7, 6, 5])).toBe(6);
  expect([longMs(10), longMs(4000)]).toEqual([1000, 8000]);
});

test("whatever stands: only free slots are filled, with what is elsewhere, each once", () => {
  const anyPlaced = fc.array(
    fc.record({
      agent: fc.constantFrom("n0", "n1", "n2"),
      lane: fc.constantFrom("cpu", "gpu"),
      index: fc.integer({ min: 0, max: 9 }),
      failedOn: fc.subarray(["n0", "n1", "n2"]),
      forMs: fc.integer({ min: 0, max: 90_000 }),
    }),
    { maxLength: 8 },
  );
  holdsFor(
    "tail",
    fc.property(anySnapshot, anyNow, anyPlaced, fc.nat(), (snapshot, nowMs, placed, pick) => {
      const draft = plan(Standing.of(snapshot), nowMs);
      const jobs = [...draft.standing.campaigns.keys()].flatMap((id) => draft.standing.jobsOf(id));
      const free = openings(draft);
      const room = new Map(free.map(({ lane, free: slots }) => [lane, slots]));
      for (const { lane } of free) expect(draft.idle(lane)).toBeGreaterThan(0);
      if (jobs.length === 0) return;
      const all = placed.map((one, i) => ({
        ...one,
        ...{ job: jobs[(pick + i) % jobs.length] as Job, p75Ms: 1000 },
      }));
      const again = free.map((one) => ({ ...one }));
      const taken = toTakeBack(draft, free, newLook(), of(all));
      for (const { lane, free: slots } of free) expect(slots).toBeLessThanOrEqual(room.get(lane) ?? 0);
      expect(new Set(taken).size).toBe(taken.length);
      expect(taken.length).toBeLessThanOrEqual([...room.values()].reduce((sum, n) => sum + n, 0));
      const given = toDuplicate(draft, again, all);
      for (const { of, lane } of given) {
        expect(lane.agent).not.toBe(of.agent);
        expect(of.failedOn).not.toContain(lane.agent);
        expect(of.forMs).toBeGreaterThan(2000);
        room.set(lane, (room.get(lane) ?? 0) - 1);
        expect(room.get(lane)).toBeGreaterThanOrEqual(0);
      }
      for (const [tenant] of snapshot.options.tenantLimits ?? []) {
        const own = given.filter(({ of }) => of.job.snapshot.tenant === tenant);
        expect(own.length).toBeLessThanOrEqual(draft.quotaLeft(tenant));
      }
    }),
    500,
  );
});
