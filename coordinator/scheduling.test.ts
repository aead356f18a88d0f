/** The loop around plans: what follows from time alone. */
import { afterEach, expect, test } from "vitest";
import { type Fence, fenceText } from "../shared/domain/fence.js";
import type { JobEntry } from "./campaigns/board.js";
import { EventLog } from "./events.js";
import { Metrics } from "./metrics.js";
import { world as newWorld, spec } from "./outlook.test-support.js";
import { Scheduling } from "./scheduling.js";

let close: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const each of close) await each();
  close = [];
});

const DEADLINE_MS = 10_000;
const GENERATION = { temperature: 0, timeoutS: 10, maxRetries: 0 };
const SIMULATED: object = { engine: "simulated", generation: GENERATION, warmup: 0, test: {} };

/** A job of 40 shards, all done but the one that n1 runs, and a scheduler that has not looked. */
async function lastShard() {
  const w = await newWorld();
  const { board, clock, fleet, log } = w;
  const n1 = w.join("n1", 40n);
  const entry = w.add("c-1", [spec("j0000", SIMULATED)]);
  const job = entry.jobs[0] as JobEntry;
  for (let i = 1; i < 40; i++) {
    const one = w.begin(entry, job, i, n1);
    if (one) w.end(one);
    job.done.set(i, {} as never);
  }
  w.begin(entry, job, 0, n1);
  const asked: string[] = [];
  const scheduling = new Scheduling({
    ...{ board, fleet, clock, log, events: new EventLog(clock), metrics: new Metrics({ clock }) },
    ...{ epoch: 1n, acceptDeadlineMs: DEADLINE_MS, maxWaitMs: 120_000, tenants: new Map() },
    retract: (agent: string, fences: readonly Fence[]) =>
      void asked.push(...fences.map((fence) => `${agent} ${fenceText(fence)}`)),
    leads: () => true,
  });
  close.push(async () => {
    scheduling.stop();
    await w.close();
  });
  await clock.advance(5000);
  return { asked, job, scheduling, w };
}

/** The same, and n2 is free: it runs the last one, too. */
async function straggling() {
  const { asked, job, scheduling, w } = await lastShard();
  const { clock } = w;
  w.join("n2", 2n);
  scheduling.wake();
  await clock.advance(0);
  const twin = job.twins.get(0);
  if (twin === undefined) throw new Error("n2 runs it, too");
  return { asked, clock, job, scheduling, twin };
}

test("a duplicate that its agent never answers is asked for again, until it is answered or gone", async () => {
  const { asked, clock, job, scheduling, twin } = await straggling();
  expect([twin.agent, twin.accepted]).toEqual(["n2", false]);
  const name = `n2 ${fenceText(twin.fence)}`;
  await clock.advance(DEADLINE_MS - 1);
  scheduling.sweep();
  expect(asked).toEqual([]);
  await clock.advance(1);
  scheduling.sweep();
  expect(asked).toEqual([name]);
  await clock.advance(DEADLINE_MS);
  scheduling.sweep();
  expect(asked).toEqual([name, name]);
  job.twins.delete(0);
  await clock.advance(DEADLINE_MS);
  scheduling.sweep();
  expect(asked).toHaveLength(2);
});

test("a look that would come too early comes by itself, whatever else happens", async () => {
  const { job, scheduling, w } = await lastShard();
  scheduling.wake();
  await w.clock.advance(0);
  w.join("n2", 2n);
  scheduling.touched();
  await w.clock.advance(50);
  expect(job.twins.size).toBe(0);
  await w.clock.advance(60);
  expect(job.twins.size).toBe(1);
});

test("one that was accepted is not asked for", async () => {
  const { asked, clock, scheduling, twin } = await straggling();
  twin.accepted = true;
  await clock.advance(DEADLINE_MS);
  scheduling.sweep();
  expect(asked).toEqual([]);
});

test("no more is given out than agents answer; one that never does takes its place for a second only", async () => {
  const w = await newWorld();
  const { board, clock, fleet, log } = w;
  for (let i = 0; i < 600; i++) w.join(`n${i}`);
  const job = w.add("c-1", [spec("j0000", { ...SIMULATED, samples: 9000 })]).jobs[0] as JobEntry;
  const scheduling = new Scheduling({
    ...{ board, fleet, clock, log, events: new EventLog(clock), metrics: new Metrics({ clock }) },
    ...{ epoch: 1n, acceptDeadlineMs: DEADLINE_MS, maxWaitMs: 120_000, tenants: new Map() },
    ...{ retract: () => {}, leads: () => true },
  });
  close.push(async () => {
    scheduling.stop();
    await w.close();
  });
  const given = () => job.inFlight;
  /** So many of those that were given and not answered. */
  const answer = (count: number) => {
    let left = count;
    for (const index of job.shards.keys()) {
      const state = board.shard({ campaign: "c-1", job: "j0000", index });
      if (state?.kind !== "ASSIGNED" || left-- <= 0) continue;
      board.shardEvent(
        { campaign: "c-1", job: "j0000", index },
        { kind: "accept", fence: state.fence },
        clock.nowMs(),
      );
    }
  };
  scheduling.wake();
  await clock.advance(500);
  expect(given()).toBe(500);
  answer(200);
  await clock.advance(100);
  expect(given()).toBe(1000); // 300, and a plan of 500, wait for answers
  await clock.advance(300);
  expect(given()).toBe(1000);
  await clock.advance(200);
  expect(given()).toBe(1000); // the 300 are a second old, and 500 still wait
  await clock.advance(500);
  expect(given()).toBe(1500);
});
