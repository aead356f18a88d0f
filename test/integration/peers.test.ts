/** Agents that break the protocol: each is answered or closed, and the coordinator and its campaigns survive. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { sha256 } from "../../shared/runtime/hash.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { RawAgent } from "../support/raw-agent.js";
import { startRelay } from "../support/relay.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
const open: RawAgent[] = [];
beforeAll(async () => {
  fleet = await startFleet({
    config: (config) => {
      config.coordinator.slowPeerTimeoutMs = 200;
      config.coordinator.outboxMaxMessages = 10;
    },
  });
});
afterAll(() => fleet?.stop());
afterEach(() => {
  for (const agent of open.splice(0)) agent.close();
});

function raw(id: string, incarnation = 1n, address = fleet.coordinator.agentAddress): RawAgent {
  const agent = new RawAgent(fleet, id, incarnation, address);
  open.push(agent);
  return agent;
}

/** Nothing that a broken agent did has hurt: a good one joins and a campaign succeeds. */
async function works(): Promise<void> {
  await fleet.agent("good");
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 4 }) });
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
  expect(await fleet.api.records(id)).toHaveLength(4);
  await fleet.stopAgent("good");
}

const hello = (more: object = {}) =>
  ({
    $case: "hello",
    value: {
      ...{
        protocol: 1,
        newest: 2,
        version: "raw",
        inventoryHash: "x",
        held: [],
        begun: [],
        more: false,
        probe: undefined,
        notOffering: "",
      },
      ...more,
    },
  }) as const;

test("the first message must be Hello, and what follows a refusal counts for nothing", async () => {
  const agent = raw("eager");
  agent.send({ $case: "credit", value: { lane: "cpu", total: 5n } });
  agent.send(hello());
  expect(await agent.refused()).toMatchObject({
    code: "failed_precondition",
    message: "the first message must be Hello",
  });
  expect((await fleet.api.listNodes()).map(({ id }) => id)).not.toContain("eager");
});

test.each([
  {
    ...{ what: "a protocol of the future", id: "p9", more: { protocol: 8, newest: 9 } },
    says: 'agent p9 (version "raw") speaks protocol 8 to 9, this coordinator 1 to 2 (upgrade the coordinators first',
  },
  {
    ...{ what: "a protocol of the past", id: "p0", more: { protocol: 0, newest: 0 } },
    says: "speaks protocol 0, this coordinator 1 to 2 (upgrade the agent",
  },
  { what: "no id", id: "", more: {}, says: "the agent's id" },
  { what: "an id that is a path", id: "../../etc", more: {}, says: "the agent's id" },
  { what: "an endless id", id: "x".repeat(5000), more: {}, says: "the agent's id" },
])("a Hello with $what is refused with the reason", async ({ id, more, says }) => {
  const agent = raw(id);
  agent.send(hello(more));
  const { message, hint } = await agent.refused();
  expect(`${message} (${hint})`).toContain(says);
});

test("a held attempt without a fence, a fence missing later, a second Hello: the session ends", async () => {
  const held = raw("no-fence");
  held.send(hello({ held: [{ fence: undefined, shard: undefined, state: "running" }] }));
  expect((await held.refused()).message).toContain("without fence");
  const later = raw("no-fence-later");
  await later.join();
  later.send({
    $case: "failed",
    value: {
      fence: undefined,
      shard: undefined,
      class: "infra",
      cause: "",
      message: "",
      items: [],
      spent: undefined,
    },
  });
  expect((await later.refused()).message).toContain("without fence");
  const twice = raw("twice");
  await twice.join();
  twice.send(hello());
  expect((await twice.refused()).message).toContain("second Hello");
});

test("an older start of an agent is refused while the newer is there, and the newer displaces it", async () => {
  const old = raw("same", 3n);
  await old.join();
  const newer = raw("same", 4n);
  await newer.join();
  expect((await old.refused()).message).toContain("took over");
  const stale = raw("same", 2n);
  stale.send(hello());
  expect(await stale.refused()).toMatchObject({ code: "already_exists" });
  expect(newer.ended).toBe(false);
  expect(await fleet.api.node("same")).toMatchObject({ state: "ready", incarnation: 4 });
  newer.send({ $case: "bye", value: { reason: "done" } });
  await until("it is lost", async () => (await fleet.api.node("same")).state === "lost");
  // A machine whose disk was replaced counts its starts from 1 again.
  await raw("same", 1n).join();
});

test("after a Bye nothing is to be stopped, and what came back with the agent goes on", async () => {
  const agent = raw("leaver");
  await agent.join();
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 1, shardSize: 1 }) });
  const { fence, shard } = await agent.take();
  agent.send({ $case: "started", value: { fences: [fence] } });
  const state = async () => (await fleet.api.job(id, "j0000")).shards.map(({ state }) => state);
  await until("it runs", async () => (await state()).join() === "running");
  agent.send({ $case: "bye", value: { reason: "stopped" } });
  await until("it is given back", async () => (await state()).join() === "pending");
  const again = raw("leaver", 2n);
  await again.join({ held: [{ fence, shard, state: "running", lane: "cpu" }] });
  // A Cancel would have it remove its journal.
  expect(agent.seen.map(({ $case }) => $case)).not.toContain("cancel");
  expect((await again.answer("welcome")).verdicts.map(({ verdict }) => verdict)).toEqual(["KEEP"]);
  expect(await state()).toEqual(["running"]);
  await fleet.api.cancel(id);
});

test("results that may not count: their verdicts, and the first good one wins", async () => {
  const agent = raw("results");
  await agent.join();
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 1, shardSize: 1 }) });
  const { fence, shard, gate } = await agent.take();
  const inline = Buffer.from(`${JSON.stringify({ ordinal: 0 })}\n`);
  const good = {
    fence,
    shard,
    gate,
    uri: "",
    inline,
    sha256: sha256(inline),
    sizeBytes: inline.byteLength,
    counts: { ok: 1 },
  };
  const bad = [
    { ...good, shard: { ...shard, campaign: "c-none" } },
    { ...good, shard: { ...shard, job: "j9999" } },
    { ...good, shard: { ...shard, index: 77 } },
    { ...good, shard: { ...shard, index: 4_000_000_000 } },
    { ...good, gate: gate + 1n },
    { ...good, inline: Buffer.alloc(0), uri: "run/other/j0000/0/1.1/records.jsonl" },
    { ...good, inline: Buffer.alloc(0), uri: "../../../../etc/passwd" },
  ];
  for (const result of bad) expect(await agent.verdict(result)).toBe("CLOSED");
  expect((await fleet.api.get(id)).progress?.shardsDone).toBe(0);
  await fleet.api.cancel(id);
  expect(await agent.verdict(good)).toBe("CLOSED");
  await works();
});

test("the second result for a shard is superseded, whatever its fence", async () => {
  const agent = raw("second");
  await agent.join();
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 2, shardSize: 1 }) });
  const { fence, shard, gate } = await agent.take();
  const inline = Buffer.from("{}\n");
  const counts = { ok: 1 };
  const result = { fence, shard, gate, uri: "", inline, sha256: sha256(inline), sizeBytes: 3, counts };
  expect(await agent.verdict(result)).toBe("COMMITTED");
  expect(await agent.verdict(result)).toBe("COMMITTED");
  expect(await agent.verdict({ ...result, fence: { epoch: 9n, n: 9n } })).toBe("SUPERSEDED");
  expect((await fleet.api.get(id)).progress?.shardsDone).toBe(1);
  await fleet.api.cancel(id);
});

test.each([
  { what: "counts that are not its samples", more: { counts: { ok: 3 } }, says: "3 records for 1 samples" },
  { what: "a status that is none", more: { counts: { splendid: 1 } }, says: "splendid" },
  { what: "no hash", more: { sha256: "" }, says: "sha256 is none" },
  {
    what: "another hash than its bytes have",
    more: { sha256: "0".repeat(64) },
    says: "do not have the hash",
  },
])("a result with $what is dropped, and the shard is tried again", async ({ more, says }) => {
  const id = `liar-${says.length}`;
  const agent = raw(id);
  await agent.join();
  const campaign = await fleet.api.create({ suite: suiteOf({ items: 1 }) });
  const { fence, shard, gate } = await agent.take();
  const inline = Buffer.from("{}\n");
  const good = {
    fence,
    shard,
    gate,
    uri: "",
    inline,
    sha256: sha256(inline),
    sizeBytes: 3,
    counts: { ok: 1 },
  };
  expect(await agent.verdict({ ...good, ...more })).toBe("CLOSED");
  const events = await fleet.api.eventsOf(campaign.id, (seen) =>
    seen.some((e) => e.kind === "shard.requeued"),
  );
  expect(events.find((e) => e.kind === "shard.requeued")?.message).toContain(says);
  await fleet.api.cancel(campaign.id);
  agent.send({ $case: "bye", value: { reason: "done" } });
});

test("a probe that is not the agent's own is neither believed nor removed", async () => {
  const bytes = Buffer.from("somebody's dataset");
  const hash = sha256(bytes);
  const head = { sha256: hash, sizeBytes: bytes.byteLength };
  await fleet.api.upload([
    { $case: "head", value: head },
    { $case: "chunk", value: bytes },
  ]);
  const agent = raw("prober");
  agent.send(hello({ probe: { key: `cas/sha256/${hash.slice(0, 2)}/${hash}`, sha256: hash } }));
  expect((await agent.answer("goodbye")).reason).toContain("not its own");
  expect(await fleet.api.missing([hash])).toEqual([]);
});

test("an inline result over 1 KiB ends the session, and its shard goes to another", async () => {
  const agent = raw("fat");
  await agent.join();
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 1 }) });
  const { fence, shard, gate } = await agent.take();
  agent.send({
    $case: "results",
    value: {
      results: [
        {
          ...{ fence, shard, gate, uri: "", sha256: "", sizeBytes: 2000, counts: {} },
          ...{ inline: Buffer.alloc(2000), spent: undefined },
        },
      ],
    },
  });
  expect((await agent.refused()).message).toContain("2000 bytes, at most 1024");
  const again = raw("fat", 2n);
  await again.join();
  await fleet.agent("good");
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
  await fleet.stopAgent("good");
});

test("nobody fails another agent's attempt", async () => {
  const owner = raw("owner");
  const thief = raw("thief");
  await owner.join();
  await thief.join();
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 1 }) });
  const { fence, shard } = await owner.take();
  thief.send({
    $case: "failed",
    value: { fence, shard, class: "config", cause: "", message: "mine now", items: [], spent: undefined },
  });
  thief.send({ $case: "heartbeat", value: { ...heartbeat, seq: 1n } });
  await thief.answer("heartbeatAck");
  expect((await fleet.api.job(id, "j0000")).shards[0]).toMatchObject({ state: "assigned", node: "owner" });
  await fleet.api.cancel(id);
  await until("the owner is told", () => owner.seen.some((body) => body.$case === "cancel"));
  expect((await fleet.api.node("owner")).attempts).toBe(0);
});

const heartbeat = {
  ...{ seq: 0n, loopLagMs: 0, loadedModels: [], running: 0 },
  ...{
    loads: [],
    unacknowledged: 0,
    unacknowledgedBytes: 0,
    notOffering: "",
    gpuStates: undefined,
    gpuEvents: [],
  },
};

test("an agent that never reads is closed, and the others do not notice", async () => {
  const relay = await startRelay(fleet.coordinator.agentAddress);
  const deaf = raw("deaf", 1n, relay.address);
  await deaf.join();
  relay.deafen();
  const flood = setInterval(() => {
    for (let i = 0; i < 500; i += 1)
      deaf.send({ $case: "heartbeat", value: { ...heartbeat, seq: BigInt(i) } });
  }, 2);
  const seen = await until("the deaf agent is dropped", () =>
    fleet.logs.find((line) => line.node === "deaf" && String(line.reason).includes("slowly")),
  ).finally(() => clearInterval(flood));
  expect(seen).toBeDefined();
  await relay.close();
  await works();
});

test("a message over 256 KiB ends its session only", async () => {
  const agent = raw("huge");
  await agent.join();
  agent.send({ $case: "bye", value: { reason: "x".repeat(257 * 1024) } });
  expect((await agent.refused()).code).toBe("resource_exhausted");
  await works();
});

test("an agent that is connected and does not read is cut off, and is told although it does not read", async () => {
  const idle = raw("idle");
  await idle.join();
  idle.stream.pause();
  const flood = setInterval(() => {
    for (let i = 0; i < 500; i += 1)
      idle.send({ $case: "heartbeat", value: { ...heartbeat, seq: BigInt(i) } });
  }, 10);
  const { code } = await idle.refused().finally(() => clearInterval(flood));
  expect(code).toBe("resource_exhausted");
  await works();
});
