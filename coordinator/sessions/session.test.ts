/** What an agent is answered, and when, by a session over a real board, fleet and store. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import { AgentMessage, CoordinatorMessage } from "../../shared/gen/sai/agent/v1/session.js";
import { silentLogger } from "../../shared/runtime/logger.js";
import { settle } from "../../test/conformance/manual-clock.js";
import type { ShardKey } from "../campaigns/board.js";
import { failAttempt } from "../campaigns/complete-attempt.js";
import type { CampaignParts } from "../campaigns/parts.js";
import { type Term, World } from "../campaigns/world.test-support.js";
import { agentsPort } from "./agents-port.js";
import { Fleet } from "./fleet.js";
import { deaf } from "./fleet.test-support.js";
import { FleetRecords } from "./fleet-records.js";
import type { CoordinatorBody } from "./peer.js";
import { AgentSession } from "./session.js";

let world: World;
let term: Term;
let fleet: Fleet;
let campaigns: CampaignParts;
/** While it is set the store takes transactions and does not carry them out. */
let stalled: Promise<void> | undefined;
let records: FleetRecords;
/** What counts for and against the node. */
let judged: string[];

beforeEach(async () => {
  world = new World();
  stalled = undefined;
  judged = [];
  const stall = async () => stalled;
  term = await world.term({ hook: { request: stall, reply: async () => {} } });
  const { clock } = world;
  const log = silentLogger();
  records = new FleetRecords(term.parts.store, clock, log);
  fleet = new Fleet({
    ...{ clock, log, records, events: term.parts.events },
    timers: { suspectAfterMs: 30_000, lostAfterMs: 60_000 },
    listener: deaf,
  });
  campaigns = { ...term.parts, agents: agentsPort(fleet, () => {}) };
});
afterEach(async () => {
  await records.stop();
  await world.close();
});

/** A session of n1 that has been welcomed, and what it was sent. */
async function session(held: { fence: Fence; shard: ShardKey; state?: string }[] = []) {
  const sent: CoordinatorBody[] = [];
  const { artifacts, log } = campaigns;
  const one = new AgentSession(
    {
      ...{ campaigns, board: term.board, fleet, artifacts, clock: world.clock, log },
      ...{
        clusterId: "c",
        heartbeatIntervalMs: 10_000,
        lostAfterMs: 60_000,
        admit: () => 0,
        reconciled: () => {},
        health: {
          reconciled: () => {},
          succeeded: (_, shard) => void judged.push(`${shard.index} done`),
          failed: (_, shard) => void judged.push(`${shard.index} failed`),
        },
      },
    },
    { send: (body) => void sent.push(body), close: () => {} },
  );
  const say = (body: AgentMessage["body"]) =>
    one.receive(AgentMessage.fromPartial({ agentId: "n1", incarnation: 1n, body }));
  const named = held.map(({ fence, shard, state = "running" }) => ({
    ...{ fence, state, lane: "cpu" },
    shard: { ...shard, first: 0, count: 1 },
  }));
  const value = {
    protocol: 1,
    newest: 2,
    version: "1",
    inventoryHash: "",
    held: named,
    begun: [],
    more: false,
  };
  say({ $case: "hello", value: { ...value, probe: undefined, notOffering: "" } });
  await world.until("it is welcome", () => sent.some(({ $case }) => $case === "welcome"));
  const noted = () =>
    sent.flatMap((body) => (body.$case === "commitAck" ? body.value.verdicts : [])).map((v) => v.verdict);
  return { one, say, sent, noted };
}

test.each([
  "infra",
  "poison",
])("a %s failure that is told again on a new stream is answered when the first word is durable, and counts once", async (failureClass) => {
  const entry = await term.campaign({ items: 4, shardSize: 4, run: { retry: { max: 5 } } });
  const shard = { campaign: entry.value.id, job: "j0000", index: 0 };
  const fence = term.give(shard);
  const before = await session();
  fleet.adopted(fleet.meet("n1"), { fence, shard, lane: "cpu" });
  let goOn = () => {};
  stalled = new Promise((resolve) => {
    goOn = resolve;
  });
  const items = failureClass === "poison" ? [2] : [];
  const wire = { ...shard, first: 0, count: 4 };
  const value = {
    fence,
    shard: wire,
    class: failureClass,
    message: "it died",
    cause: "",
    items,
    spent: undefined,
  };
  before.say({ $case: "failed", value });
  await settle();
  before.one.ended("the stream broke");

  const after = await session([{ fence, shard }]);
  const [welcome] = after.sent.flatMap((body) => (body.$case === "welcome" ? [body.value] : []));
  expect(welcome?.verdicts.map(({ verdict }) => verdict)).toEqual(["KEEP"]);
  after.say({ $case: "failed", value });
  for (let i = 0; i < 10; i += 1) await world.clock.advance(10);
  expect(after.noted()).toEqual([]);
  expect(judged).toEqual([]);

  stalled = undefined;
  goOn();
  await world.until("it is answered", () => after.noted().length > 0);
  expect(after.noted()).toEqual(["NOTED"]);
  expect(judged).toEqual(["0 failed"]);
  expect(term.board.shard(shard)).toMatchObject({ kind: "PENDING", failures: { [failureClass]: 1 } });
  // What was answered outlives the leader, and counts once there as well.
  term = await world.term();
  expect(term.board.shard(shard)).toMatchObject({ kind: "PENDING", failures: { [failureClass]: 1 } });
  expect(term.board.job(shard.campaign, shard.job)?.failed.has(`0/${fenceText(fence)}`)).toBe(true);
});

test("a node is judged by what is durable: results and failures wait alike while the store stalls", async () => {
  const entry = await term.campaign({ items: 3, shardSize: 1 });
  const one = await session();
  let goOn = () => {};
  stalled = new Promise((resolve) => {
    goOn = resolve;
  });
  const key = (index: number) => ({ campaign: entry.value.id, job: "j0000", index });
  const wire = (index: number) => ({ ...key(index), first: index, count: 1 });
  const done = async (index: number) => {
    const fence = term.give(key(index));
    fleet.adopted(fleet.meet("n1"), { fence, shard: key(index), lane: "cpu" });
    const { counts, inline, ...result } = await term.result(key(index), fence);
    const value = { ...result, shard: wire(index), records: inline, inline, counts };
    return { $case: "results" as const, value: { results: [value as never] } };
  };
  const [first, last] = [await done(0), await done(2)];
  const fence = term.give(key(1));
  fleet.adopted(fleet.meet("n1"), { fence, shard: key(1), lane: "cpu" });
  const failure = {
    fence,
    shard: wire(1),
    class: "infra",
    message: "it died",
    cause: "",
    items: [],
    spent: undefined,
  };
  one.say(first);
  one.say({ $case: "failed", value: failure });
  one.say(last);
  for (let i = 0; i < 10; i += 1) await world.clock.advance(10);
  expect(judged).toEqual([]);
  stalled = undefined;
  goOn();
  await world.until("all is answered", () => one.noted().length === 3);
  expect([...judged].sort()).toEqual(["0 done", "1 failed", "2 done"]);
  one.say(first);
  one.say({ $case: "failed", value: failure });
  await world.until("it is answered again", () => one.noted().length === 5);
  expect(judged).toHaveLength(3);
});

test("a death that names its sample counts against no node", async () => {
  const entry = await term.campaign({ items: 4, shardSize: 4, run: { retry: { max: 5 } } });
  const shard = { campaign: entry.value.id, job: "j0000", index: 0 };
  const one = await session();
  for (const times of [1, 2]) {
    const fence = term.give(shard);
    fleet.adopted(fleet.meet("n1"), { fence, shard, lane: "cpu" });
    const wire = { ...shard, first: 0, count: 4 };
    const value = {
      fence,
      shard: wire,
      class: "poison",
      message: "it died",
      cause: "",
      items: [2],
      spent: undefined,
    };
    one.say({ $case: "failed", value });
    await world.until("it is answered", () => one.noted().length === times);
    expect(judged).toEqual(["0 failed"]);
  }
});

test("in a large fleet an agent is told to beat more slowly, and to wait as much longer for an answer", async () => {
  for (let n = 2; n <= 2000; n += 1) fleet.meet(`n${n}`);
  const { sent } = await session();
  const [welcome] = sent.flatMap((body) => (body.$case === "welcome" ? [body.value] : []));
  expect(welcome).toMatchObject({ heartbeatIntervalMs: 20_000, lostAfterMs: 120_000 });
});

test("verdicts on thousands of attempts are several Welcomes, each below 256 KiB, the last of which says so", async () => {
  const shard = { campaign: "c-none", job: "j0000", index: 0 };
  const held = Array.from({ length: 12_000 }, (_, i) => ({
    shard,
    fence: { epoch: 2n ** 63n, n: BigInt(i) },
  }));
  const { sent } = await session(held);
  const welcomes = sent.flatMap((body) => (body.$case === "welcome" ? [body] : []));
  expect(welcomes.map(({ value }) => value.more)).toEqual([true, true, false]);
  for (const body of welcomes)
    expect(CoordinatorMessage.encode({ clusterId: "c", epoch: 1n, body }).finish().byteLength).toBeLessThan(
      256 * 1024,
    );
  const named = welcomes.flatMap(({ value }) => value.verdicts.map(({ fence }) => fence?.n));
  expect(named).toEqual(held.map(({ fence }) => fence.n));
});

test.each([
  "failed",
  "running",
])("what the last leader counted is answered and does not count again when an agent says that it is %s", async (state) => {
  const entry = await term.campaign({ items: 4, shardSize: 4, run: { retry: { max: 5 } } });
  const shard = { campaign: entry.value.id, job: "j0000", index: 0 };
  const fence = term.give(shard);
  const wire = { ...shard, first: 0, count: 4 };
  const value = {
    fence,
    shard: wire,
    class: "infra",
    message: "it died",
    cause: "",
    items: [],
    spent: undefined,
  };
  const { spent: _, ...failure } = value;
  await world.get(failAttempt(term.parts, shard, { ...failure, agent: "n1", class: "infra" }));
  term = await world.term();
  campaigns = { ...term.parts, agents: agentsPort(fleet, () => {}) };

  const one = await session([{ fence, shard, state }]);
  one.say({ $case: "failed", value });
  await world.until("it is answered", () => one.noted().length > 0);
  expect(one.noted()).toEqual(["NOTED"]);
  expect(judged).toEqual([]);
  expect(term.board.shard(shard)).toMatchObject({ kind: "PENDING", failures: { infra: 1 } });
});

test("a failure that no leader has counted is counted by the one that hears of it first", async () => {
  const entry = await term.campaign({ items: 4, shardSize: 4, run: { retry: { max: 5 } } });
  const shard = { campaign: entry.value.id, job: "j0000", index: 0 };
  const fence = term.give(shard);
  const wire = { ...shard, first: 0, count: 4 };
  term = await world.term();
  campaigns = { ...term.parts, agents: agentsPort(fleet, () => {}) };
  const one = await session([{ fence, shard, state: "failed" }]);
  const value = {
    fence,
    shard: wire,
    class: "infra",
    message: "it died",
    cause: "",
    items: [],
    spent: undefined,
  };
  one.say({ $case: "failed", value });
  await world.until("it is answered", () => one.noted().length > 0);
  expect(term.board.shard(shard)).toMatchObject({ kind: "PENDING", failures: { infra: 1 } });
});

test("what has begun and is given back all the same is gone: its shard goes to others", async () => {
  const entry = await term.campaign({ items: 2, shardSize: 2 });
  const shard = { campaign: entry.value.id, job: "j0000", index: 0 };
  const fence = term.give(shard);
  const { say } = await session([{ fence, shard }]);
  fleet.adopted(fleet.meet("n1"), { fence, shard, lane: "cpu" });
  expect(term.board.shard(shard)).toMatchObject({ kind: "RUNNING" });
  say({ $case: "retracted", value: { fences: [fence] } });
  await settle();
  expect(term.board.shard(shard)).toMatchObject({ kind: "PENDING", failedOn: [] });
});
