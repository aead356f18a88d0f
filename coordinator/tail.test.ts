/** Tails on a real board and fleet: what is found, and that it costs the same however much the fleet holds. */
import { afterEach, expect, test, vi } from "vitest";
import type { JobEntry } from "./campaigns/board.js";
import { world as newWorld, spec } from "./outlook.test-support.js";
import { plan } from "./scheduler/schedule.js";
import type { NodeEntry } from "./sessions/fleet.js";
import { MOST_COMPARED, newTailLook, planTail } from "./tail.js";

let close: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const each of close) await each();
  close = [];
});
const id = (i: number) => `n${String(i).padStart(5, "0")}`;
/** Needs no load, and answers the same each time. */
const SIMULATED: object = { engine: "simulated", generation: { temperature: 0 } };

/** Nodes of two slots that hold so many attempts each, two of them running, and some that hold none. */
async function busy(nodes: number, each: number, idle: number) {
  const w = await newWorld();
  close.push(w.close);
  const samples = nodes * each;
  const entry = w.add("c-1", [{ ...spec("j0000", SIMULATED), samples }]);
  const job = entry.jobs[0] as JobEntry;
  for (let i = 0; i < nodes; i++) {
    const node = w.join(id(i), BigInt(each));
    for (let k = 0; k < each; k++) w[k < 2 ? "begin" : "give"](entry, job, i * each + k, node);
  }
  for (let i = 0; i < idle; i++) w.join(`free${i}`, 2n);
  w.outlook.update(0, true);
  const look = newTailLook();
  const tails = (nowMs = w.clock.nowMs()) =>
    planTail(plan(w.outlook.standing, nowMs), w.board, w.fleet, nowMs, look);
  return { ...w, entry, job, look, tails };
}

test("what waits goes to nodes that are free, each shard once", async () => {
  const { tails } = await busy(3, 4, 1);
  const first = tails().takeBack;
  expect(first.map(({ agent, fences }) => [agent, fences.map(({ n }) => n)])).toEqual([[id(0), [4n, 3n]]]);
  expect(tails().takeBack).toMatchObject([{ agent: id(1) }]);
  expect(tails().takeBack).toMatchObject([{ agent: id(2) }]);
  expect(tails().takeBack).toEqual([]);
});

test("a look costs what it moves, not what the fleet holds", async () => {
  const spent: number[] = [];
  for (const nodes of [20, 200]) {
    const { board, fleet, look, tails } = await busy(nodes, 50, 1);
    const jobs = vi.spyOn(board, "job");
    const found = vi.spyOn(fleet, "node");
    const all = vi.spyOn(fleet, "list");
    expect(tails().takeBack.flatMap(({ fences }) => fences)).toHaveLength(2);
    expect(all).not.toHaveBeenCalled();
    spent.push(jobs.mock.calls.length + found.mock.calls.length);
    expect(MOST_COMPARED - look.left).toBeLessThan(100);
  }
  expect(spent[0]).toBeLessThan(10);
  expect(spent[1]).toBe(spent[0]);
});

test("a look in vain is bounded, and those after it come to everything", async () => {
  const nodes = 1000;
  const { board, fleet, job, look, tails } = await busy(nodes, 30, 1);
  for (let i = 0; i < job.shards.length; i++) job.takenBack.add(i);
  const last = fleet.node(id(nodes - 1)) as NodeEntry;
  for (const { shard } of last.attempts.values()) job.takenBack.delete(shard.index);
  const jobs = vi.spyOn(board, "job");
  let looks = 0;
  for (;;) {
    looks += 1;
    jobs.mockClear();
    const { takeBack } = tails();
    expect(jobs.mock.calls.length).toBeLessThanOrEqual(MOST_COMPARED + 100);
    if (takeBack.length > 0) {
      expect(takeBack).toMatchObject([{ agent: last.id }]);
      break;
    }
    expect(look.left).toBeGreaterThan(-100);
    expect(looks).toBeLessThan(20);
  }
  expect(looks).toBeGreaterThan(1);
});

test("a shard that runs far longer than the others has one duplicate", async () => {
  const { clock, end, fleet, job, join, outlook, tails } = await busy(1, 40, 0);
  join("n2", 2n);
  for (const { fence, shard } of [...(fleet.node(id(0)) as NodeEntry).attempts.values()].slice(2)) {
    end({ fence, shard, node: fleet.node(id(0)) as NodeEntry });
    job.done.set(shard.index, {} as never);
  }
  job.times.push(500, 500, 500);
  await clock.advance(900);
  expect([...job.begun]).toEqual([0, 1]);
  outlook.update(clock.nowMs(), true);
  expect(tails().duplicates).toEqual([]);
  await clock.advance(101);
  expect(tails().duplicates).toMatchObject([
    { shard: { index: 0 }, agent: "n2" },
    { shard: { index: 1 }, agent: "n2" },
  ]);
  job.duplicated.add(0).add(1);
  expect(tails().duplicates).toEqual([]);
});

test("attempts that began later than one that is not too long are not looked at", async () => {
  const { clock, fleet, job, outlook, tails } = await busy(50, 2, 1);
  for (let i = 0; i < 1000; i++) job.done.set(i, {} as never);
  job.times.push(500, 500, 500);
  await clock.advance(1000);
  outlook.update(clock.nowMs(), true);
  job.shards.fill(undefined as never, 1);
  expect(job.begun.size).toBe(100);
  const found = vi.spyOn(fleet, "node");
  expect(tails().duplicates).toEqual([]);
  expect(found).not.toHaveBeenCalled();
});
