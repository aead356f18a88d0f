/** A session on a stream the test holds: what is said when, and what is made up for after a pause. */

import { expect, test } from "vitest";
import type { Fence as WireFence } from "../../shared/gen/sai/agent/v1/session.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import {
  assignment,
  failureOf,
  fence,
  replayed,
  resultOf,
  settle,
} from "../attempt/attempts.test-support.js";
import { agentOf, type TestLink } from "./session.test-support.js";

const numbers = (fences: WireFence[]) => fences.map(({ n }) => Number(n));
const all = (link: TestLink, kind: "started" | "accepted" | "retracted") =>
  link.bodies(kind).map(({ fences }) => numbers(fences));
const assign = (link: TestLink, ...ns: number[]) =>
  link.answer({
    $case: "assign",
    value: { assignments: ns.map((n) => ({ ...assignment(n), model: "", suspects: [] })) },
  });
const ack = (link: TestLink, n: number, verdict = "COMMITTED") =>
  link.answer({ $case: "commitAck", value: { verdicts: [{ fence: fence(n), verdict }] } });
const totals = (link: TestLink) => link.bodies("credit").map(({ total }) => Number(total));

test("credits are slots and a little ahead, cumulative; what comes is accepted, started and answered in few messages", async () => {
  const { session, run } = await agentOf();
  const s = await session();
  await s.welcome();
  expect(s.link.kinds()).toEqual(["hello"]);
  await s.ready();
  expect(totals(s.link)).toEqual([3]);
  await assign(s.link, 1, 2, 3);
  run(1).hooks.started();
  run(2).hooks.started();
  await s.sent();
  expect([all(s.link, "accepted"), all(s.link, "started")]).toEqual([[[1, 2, 3]], [[1, 2]]]);
  expect(totals(s.link)).toEqual([3]);
  run(1).end({ kind: "result", result: resultOf(1) });
  run(2).end({ kind: "result", result: resultOf(2) });
  await settle();
  await s.sent();
  expect(s.link.bodies("results").map(({ results }) => results.length)).toEqual([2]);
  // One runs, none waits: two slots and 2 s of work ahead, less the one that is here.
  expect(totals(s.link).at(-1)).toBeGreaterThan(4);
  await s.end();
});

test("verdicts that come in several Welcomes count together, and nothing is said before the last", async () => {
  const { attempts, session, runs } = await agentOf();
  for (const n of [1, 2, 3]) attempts.accept(assignment(n));
  const s = await session();
  await s.welcome([[1, "STOP"]], 0, true);
  await s.welcome([[2, "KEEP"]], 0, true);
  expect(attempts.list()).toHaveLength(3);
  await s.welcome([[3, "STOP"]]);
  await s.ready();
  expect(attempts.list().map(({ assignment }) => Number(assignment.fence.n))).toEqual([2]);
  expect(runs).toHaveLength(1);
  expect(s.link.kinds().filter((kind) => kind === "hello")).toHaveLength(1);
  await s.end();
});

test("nothing starts before Ready and after the end of a session", async () => {
  const { attempts, session, runs } = await agentOf();
  attempts.accept(assignment(1));
  const s = await session();
  await s.welcome([[1, "KEEP"]]);
  expect(runs).toEqual([]);
  await s.ready();
  expect(runs).toHaveLength(1);
  await s.end();
  attempts.accept(assignment(2));
  await settle();
  expect(runs).toHaveLength(1);
});

test("an inventory that changes between Hello and Welcome is told, though the one before is known", async () => {
  const on = await agentOf();
  let hash = "before";
  const inventory = () => ({ hash, inventory: undefined });
  const { link, session, welcome, end } = await on.session({ inventory });
  hash = "after";
  session.inventoryChanged();
  expect(link.kinds()).toEqual(["hello"]);
  await welcome();
  expect(link.bodies("inventory").map((report) => report.hash)).toEqual(["after"]);
  await end();
  const again = await on.session({ inventory });
  await again.welcome();
  expect(again.link.kinds()).not.toContain("inventory");
  await again.end();
});

test("a stop verdict for an attempt that does not end holds up neither heartbeats nor results", async () => {
  const { attempts, session, run, clock } = await agentOf({ stubborn: true });
  attempts.connect(true);
  attempts.accept(assignment(1));
  attempts.restore(replayed(2, { kind: "stored", result: resultOf(2) }));
  const s = await session();
  await s.welcome([
    [1, "STOP"],
    [2, "KEEP"],
  ]);
  await clock.advance(1000);
  expect(s.link.bodies("heartbeat")).toMatchObject([{ seq: 1n, running: 1, unacknowledged: 1 }]);
  expect(s.link.bodies("results").flatMap(({ results }) => results)).toHaveLength(1);
  run(1).end({ kind: "cancelled" });
  await s.end();
});

test("what began between Hello and Ready is said at Ready", async () => {
  const { attempts, session, run } = await agentOf();
  attempts.connect(true);
  attempts.accept(assignment(1));
  const s = await session();
  await s.welcome([[1, "KEEP"]]);
  run(1).hooks.started();
  expect(s.link.kinds()).toEqual(["hello"]);
  await s.ready();
  expect(all(s.link, "started")).toEqual([[1]]);
  await s.end();
});

test("what a crash cut short is in Hello with what was in flight, and goes on at KEEP", async () => {
  const { attempts, session, runs, states, dropped } = await agentOf();
  attempts.restore(replayed(1, { kind: "unfinished" }, [4, 5]));
  attempts.restore(replayed(2, { kind: "unfinished" }));
  attempts.restore(replayed(3, { kind: "complete", result: resultOf(3, 9) }));
  attempts.restore(replayed(4, { kind: "failed", failure: failureOf(4) }));
  const s = await session();
  const [hello] = s.link.bodies("hello");
  expect(hello?.held.map(({ fence: f, state }) => [Number(f?.n), state])).toEqual([
    [1, "running"],
    [2, "running"],
    [3, "uploaded"],
    [4, "failed"],
  ]);
  expect(hello?.begun).toMatchObject([
    { fence: fence(1), ordinal: 4, incarnation: 1n },
    { fence: fence(1), ordinal: 5, incarnation: 1n },
  ]);
  await s.welcome([
    [1, "KEEP"],
    [2, "STOP"],
    [3, "COMMITTED"],
    [4, "STOP"],
  ]);
  await s.ready();
  expect(runs.map(({ n, resumes }) => [n, resumes])).toEqual([[1, true]]);
  expect([states(), dropped.sort()]).toEqual([["1 RUNNING"], [2, 3, 4]]);
  await s.end();
});

test("a failure is told until it is answered: on a stream that breaks, and after it", async () => {
  const { attempts, session, run, states } = await agentOf();
  attempts.connect(true);
  attempts.accept(assignment(1));
  await settle();
  const first = await session();
  await first.welcome([[1, "KEEP"]]);
  first.link.open = false;
  run(1).end({ kind: "failed", failure: failureOf(1) });
  await settle();
  await first.end();

  const second = await session();
  expect(second.link.bodies("hello")[0]?.held.map(({ state }) => state)).toEqual(["failed"]);
  await second.welcome([[1, "KEEP"]]);
  expect(second.link.bodies("failed")).toMatchObject([{ class: "resource", fence: fence(1), items: [] }]);
  expect(states()).toEqual(["1 FAILED"]);
  await second.end();

  const third = await session();
  await third.welcome([[1, "KEEP"]]);
  expect(third.link.bodies("failed")).toHaveLength(1);
  await ack(third.link, 1, "NOTED");
  expect(states()).toEqual([]);
  await third.end();
});

test("unstarted attempts are given back when the agent drains, also between Hello and Welcome", async () => {
  const { attempts, session, run } = await agentOf();
  attempts.connect(true);
  for (const n of [1, 2, 3, 4]) attempts.accept(assignment(n));
  const s = await session();
  attempts.drain();
  expect(s.link.kinds()).toEqual(["hello"]);
  await s.welcome([1, 2, 3, 4].map((n) => [n, "KEEP"]));
  expect(all(s.link, "retracted")).toEqual([[3, 4]]);
  await s.ready();
  run(1).end({ kind: "result", result: resultOf(1) });
  await settle();
  await s.sent();
  expect([s.link.bodies("results").length, totals(s.link)]).toEqual([1, []]);
  await s.end();
});

test("asked to drain it takes nothing more, finishes what runs, waits for the answers and says goodbye", async () => {
  const { session, run, clock, states } = await agentOf();
  const s = await session();
  await s.welcome([], 60_000);
  await s.ready();
  await assign(s.link, 1, 2);
  await s.link.answer({ $case: "drain", value: { deadlineMs: 10_000 } });
  await s.sent();
  await assign(s.link, 3);
  await s.sent();
  expect(s.link.bodies("rejected")).toMatchObject([{ fences: [fence(3)], reason: "draining" }]);
  run(1).end({ kind: "result", result: resultOf(1) });
  await clock.advance(9_000);
  expect(run(2).signal.aborted).toBe(false);
  await clock.advance(1_000);
  expect([run(2).signal.aborted, s.link.bodies("bye")]).toEqual([true, []]);
  await ack(s.link, 1);
  expect([states(), s.link.kinds().at(-1)]).toEqual([[], "bye"]);
  expect(await s.ran).toEqual({ kind: "drained" });
});

test("a drain whose stream breaks is over: the agent takes work again, and nothing is stopped at its deadline", async () => {
  const { session, run, clock, states } = await agentOf();
  const s = await session();
  await s.welcome([], 60_000);
  await s.ready();
  await assign(s.link, 1);
  await s.link.answer({ $case: "drain", value: { deadlineMs: 10_000 } });
  await s.link.close();
  expect(await s.ran).toEqual({ kind: "closed" });
  const next = await session();
  await next.welcome([[1, "KEEP"]], 60_000);
  await next.ready();
  expect(totals(next.link)).not.toEqual([]);
  await assign(next.link, 2);
  await next.sent();
  expect([states(), next.link.bodies("rejected")]).toEqual([["1 RUNNING", "2 RUNNING"], []]);
  await clock.advance(20_000);
  expect(run(1).signal.aborted).toBe(false);
  await next.end();
});

test("a verdict that is not known here drops nothing, and is said", async () => {
  const { session, run, states, dropped } = await agentOf();
  const logs: string[] = [];
  const s = await session({ log: lineLogger((line) => logs.push(line), "debug") });
  await s.welcome();
  await s.ready();
  await assign(s.link, 1);
  run(1).end({ kind: "result", result: resultOf(1) });
  await settle();
  await s.sent();
  for (const verdict of ["", "committed", "MAYBE"]) await ack(s.link, 1, verdict);
  expect([states(), dropped]).toEqual([["1 UPLOADED"], []]);
  expect(logs.filter((line) => line.includes("not known here"))).toHaveLength(3);
  await ack(s.link, 1, "CLOSED");
  expect([states(), dropped]).toEqual([[], [1]]);
  await s.end();
});

test("what was not offered to be taken is refused", async () => {
  const { session, states } = await agentOf();
  const s = await session();
  await s.welcome();
  await s.ready();
  await assign(s.link, 1, 2, 3, 4);
  await s.sent();
  expect(s.link.bodies("rejected")).toMatchObject([{ fences: [fence(4)], reason: "no_credit" }]);
  expect(states()).toHaveLength(3);
  await s.end();
});

test("unstarted work that is wanted back is given back; what has begun is not", async () => {
  const { session, states } = await agentOf();
  const s = await session();
  await s.welcome();
  await s.ready();
  await assign(s.link, 1, 2, 3);
  const fences = [1, 2, 3, 9].map(fence);
  await s.link.answer({ $case: "retract", value: { fences } });
  await s.sent();
  expect([all(s.link, "retracted"), states()]).toEqual([[[3]], ["1 RUNNING", "2 RUNNING"]]);
  await s.end();
});

test("thousands of results go in windows and small messages, and no credit is offered before all have gone", async () => {
  const { attempts, session } = await agentOf();
  const inline = Buffer.alloc(1024);
  for (let n = 1; n <= 2500; n += 1)
    attempts.restore(replayed(n, { kind: "stored", result: { ...resultOf(n, 1024), inline } }));
  const s = await session();
  expect(s.link.kinds()).toEqual(["hello", "heldMore", "heldMore"]);
  expect([s.link.bodies("hello")[0]?.more, s.link.bodies("heldMore").map(({ more }) => more)]).toEqual([
    true,
    [true, false],
  ]);
  await s.welcome(Array.from({ length: 2500 }, (_, i) => [i + 1, "KEEP"]));
  await s.ready();
  const sent = () => s.link.bodies("results").flatMap(({ results }) => results).length;
  expect([sent(), totals(s.link)]).toEqual([1000, []]);
  for (let n = 1; n <= 1400; n += 1) await ack(s.link, n);
  await s.sent();
  expect([sent(), totals(s.link)]).toEqual([2400, []]);
  for (let n = 1401; n <= 1500; n += 1) await ack(s.link, n);
  await s.sent();
  expect([sent(), totals(s.link)]).toEqual([2500, [3]]);
  expect(s.link.largest).toBeLessThanOrEqual(256 * 1024);
  await s.end();
});

test("asked to slow down it sends no results for that long, and everything else", async () => {
  const { session, run, clock } = await agentOf();
  const s = await session();
  await s.welcome();
  await s.ready();
  await assign(s.link, 1, 2);
  await s.link.answer({ $case: "throttle", value: { retryAfterMs: 3000 } });
  run(1).end({ kind: "result", result: resultOf(1) });
  run(2).end({ kind: "failed", failure: failureOf(2) });
  await clock.advance(2900);
  expect([s.link.bodies("results").length, s.link.bodies("failed").length]).toEqual([0, 1]);
  expect(s.link.bodies("heartbeat").length).toBeGreaterThan(1);
  await clock.advance(200);
  expect(s.link.bodies("results")).toHaveLength(1);
  await s.end();
});

test("a coordinator that answers no heartbeat is hung up on, counted from the last one it answered", async () => {
  const { session, clock } = await agentOf();
  const s = await session();
  await s.welcome([], 6000);
  await clock.advance(2000);
  await s.link.answer({ $case: "heartbeatAck", value: { seq: 1n } });
  await s.link.answer({ $case: "heartbeatAck", value: { seq: 99n } });
  await clock.advance(4900);
  expect(s.link.open).toBe(true);
  await clock.advance(200);
  expect(s.link.open).toBe(false);
  expect(await s.ran).toMatchObject({ code: "unavailable", message: expect.stringContaining("6000 ms") });
});

test("a coordinator that never welcomes is hung up on", async () => {
  const { session, clock } = await agentOf();
  const s = await session();
  await clock.advance(60_000);
  expect(await s.ran).toMatchObject({ code: "unavailable" });
});

test("a lower epoch and another cluster end the session before they change anything", async () => {
  const { session, identity } = await agentOf();
  const s = await session();
  await s.link.answer({ $case: "ready", value: {} }, { epoch: 7n });
  expect(identity.envelope()).toMatchObject({ clusterId: "c", epoch: 7n });
  await s.link.answer({ $case: "cancel", value: { fences: [], graceMs: 0, reason: "" } }, { epoch: 6n });
  expect(await s.ran).toMatchObject({
    code: "failed_precondition",
    message: expect.stringContaining("epoch 6"),
  });

  const other = await session();
  await other.link.answer({ $case: "ready", value: {} }, { clusterId: "d", epoch: 9n });
  expect(await other.ran).toMatchObject({ hint: expect.stringContaining("/a/identity.json") });
  expect(identity.envelope()).toMatchObject({ clusterId: "c", epoch: 7n });
});

test("nothing is said before Hello, not even goodbye; an agent without a store says Hello without a probe", async () => {
  const { session } = await agentOf();
  let found = () => {};
  const s = await session({
    probe: () =>
      new Promise((resolve) => {
        found = () => resolve(undefined);
      }),
  });
  s.session.bye("the agent was stopped");
  expect(s.link.kinds()).toEqual([]);
  found();
  await settle();
  s.session.bye("the agent was stopped");
  expect(s.link.kinds()).toEqual(["hello", "bye"]);
  expect(s.link.bodies("hello")[0]?.probe).toBeUndefined();
  await s.end();
});

test("an agent whose spool is full offers nothing, refuses what still comes, says why, and goes on alone", async () => {
  const { session, run, clock, states } = await agentOf({ quotaBytes: 20_000 });
  const s = await session();
  await s.welcome();
  await s.ready();
  await assign(s.link, 1);
  run(1).end({ kind: "result", result: resultOf(1, 30_000) });
  await settle();
  await assign(s.link, 2);
  await clock.advance(1000);
  expect(s.link.bodies("rejected")).toMatchObject([{ fences: [fence(2)], reason: "spool_full" }]);
  expect(s.link.bodies("heartbeat").at(-1)?.notOffering).toContain("agent.spool_quota");
  const before = totals(s.link).at(-1) ?? 0;
  await ack(s.link, 1);
  await clock.advance(1000);
  expect([states(), s.link.bodies("heartbeat").at(-1)?.notOffering]).toEqual([[], ""]);
  expect(totals(s.link).at(-1)).toBeGreaterThan(before);
  await s.end();
});

test("what was told to stop is not said to be held, though its sample still runs to its end", async () => {
  const { attempts, session, run, states } = await agentOf();
  attempts.connect(true);
  attempts.accept(assignment(1));
  attempts.accept(assignment(2));
  await settle();
  const stopped = attempts.cancel(fence(1), "it is no longer wanted", 1000);
  await settle();
  expect(states()).toEqual(["1 RUNNING", "2 RUNNING"]);
  const s = await session();
  expect(s.link.bodies("hello")[0]?.held.map(({ fence: f }) => Number(f?.n))).toEqual([2]);
  run(1).end({ kind: "result", result: resultOf(1) });
  await stopped;
  await s.end();
});
