/** Drains: of nodes that are just coming back, and of nodes that come and go. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { GpuDescription } from "../../shared/gen/sai/v1/node.js";
import { sha256 } from "../../shared/runtime/hash.js";
import { nodeMessage } from "../api/convert.js";
import { decode, keys } from "../store/keys.js";
import { HASH, INVENTORY, Sessions } from "./sessions.test-support.js";

let on: Sessions;
beforeEach(async () => {
  on = await Sessions.open();
});
afterEach(() => on.close());

test("a drain of a node that is being reconciled lets it be reconciled first: what it was told to keep goes on", async () => {
  const entry = await on.term.campaign({ items: 4, shardSize: 4 });
  const shard = { campaign: entry.value.id, job: "j0000", index: 0 };
  const fence = on.term.give(shard);
  const agent = await on.welcome("n1", [{ fence, shard }], { probe: true });
  expect(on.node().state.kind).toBe("RECONCILING");
  const drained = on.world.get(on.admin.drain("n1", 0, "new driver"));
  agent.say({ $case: "inventory", value: { hash: HASH, inventory: INVENTORY, part: 0, more: false } });
  await drained;
  expect(on.node()).toMatchObject({ state: { kind: "DRAINING" }, cordon: { kind: "draining" } });
  expect(agent.of("ready")).toHaveLength(1);
  expect(agent.of("cancel")).toEqual([]);
  await on.world.get(on.admin.uncordon("n1"));
  expect(on.node()).toMatchObject({ state: { kind: "READY" }, cordon: { kind: "open" } });
});

test("a drain that is taken back while the node is being reconciled leaves no trace", async () => {
  const agent = await on.welcome();
  await on.world.get(on.admin.drain("n1", 1000, ""));
  await on.world.get(on.admin.uncordon("n1"));
  // Not probed, so not ready, whatever people do.
  expect(on.node().state.kind).toBe("RECONCILING");
  expect(agent.of("ready")).toEqual([]);
  await on.world.clock.advance(2000);
  expect(on.withdrawn).toEqual([]);
});

test("the deadline counts from the drain on, however often the node comes back meanwhile", async () => {
  const { clock } = on.world;
  const first = await on.ready();
  const askedMs = clock.nowMs();
  await on.world.get(on.admin.drain("n1", 60_000, ""));
  let stream = first;
  for (let i = 0; i < 3; i += 1) {
    await clock.advance(25_000);
    stream.one.ended("the stream broke");
    stream = await on.ready();
  }
  const [firstTime] = on.withdrawn;
  expect(firstTime).toBe(`${askedMs + 60_000} n1`);
  // Whoever comes back later is over at once.
  expect(on.withdrawn).toHaveLength(1);
  await clock.advance(1);
  expect(on.withdrawn).toHaveLength(2);
});

test("a later leader keeps the deadline that was asked for", async () => {
  await on.ready();
  await on.world.get(on.admin.drain("n1", 600_000, "fire"));
  const { kv } = await on.campaigns.state.get(keys.agent("n1").key);
  if (kv === undefined) throw new Error("the node has no record");
  await on.world.clock.advance(400_000);
  const later = await Sessions.open(on.world);
  later.fleet.restore(decode(keys.agent("n1").codec, kv), undefined);
  await later.ready();
  expect(later.node().state).toMatchObject({ kind: "DRAINING", reason: "fire" });
  await on.world.clock.advance(150_000);
  expect(later.withdrawn).toEqual([]);
  await on.world.clock.advance(50_000);
  expect(later.withdrawn).toHaveLength(1);
  later.admin.stop();
  await later.records.stop();
});

test.each([
  ["cordoned", () => on.admin.cordon("n1", "later"), "cordoned"],
  ["drained", () => on.admin.drain("n1", 0, "later"), "draining"],
] as const)("a node that is %s while it is uncordoned stays so, also with a quarantine to end", async (_, act, kind) => {
  await on.ready();
  on.health.restore({
    node: "n1",
    level: 1,
    reason: "r",
    forMs: 60_000,
    untilMs: on.world.clock.wallMs() + 60_000,
  });
  await on.world.get(Promise.all([on.admin.uncordon("n1"), act()]));
  expect(on.node()).toMatchObject({ cordon: { kind }, quarantine: { kind: "none" } });
  const { kv } = await on.campaigns.state.get(keys.agent("n1").key);
  expect(kv && decode(keys.agent("n1").codec, kv).cordon.kind).toBe(kind);
});

test("a node that is removed while it is uncordoned leaves no record", async () => {
  await on.ready();
  on.health.restore({
    node: "n1",
    level: 1,
    reason: "r",
    forMs: 60_000,
    untilMs: on.world.clock.wallMs() + 60_000,
  });
  on.fleet.event(on.node(), { kind: "disconnect" });
  on.fleet.lose(on.node());
  await on.world.get(Promise.all([on.admin.uncordon("n1"), on.admin.remove("n1")]));
  await on.world.clock.advance(1000);
  expect((await on.campaigns.state.get(keys.agent("n1").key)).kv).toBeUndefined();
});

/** Says that the node has these GPUs now. */
function has(agent: Awaited<ReturnType<Sessions["ready"]>>, uuids: readonly string[], gpuLook = "seen") {
  const gpus = uuids.map((uuid) => GpuDescription.fromPartial({ uuid, name: "H100", memoryBytes: 1e9 }));
  const inventory = { ...INVENTORY, gpus, gpuLook };
  const hash = sha256([gpuLook, ...uuids].join());
  agent.say({ $case: "inventory", value: { hash, inventory, part: 0, more: false } });
}

test("a node that has lost a GPU is drained, told about, and takes work again when people say so", async () => {
  const agent = await on.ready();
  has(agent, ["a", "b"]);
  has(agent, [], "failed");
  await on.world.clock.advance(1000);
  expect(on.node().cordon).toEqual({ kind: "open" });
  has(agent, ["b"]);
  expect(on.node()).toMatchObject({
    state: { kind: "DRAINING" },
    cordon: { kind: "draining", deadlineMs: 0 },
  });
  const shown = () => nodeMessage(on.node(), undefined).cordonReason;
  const accepts = "`sai node uncordon n1` takes it as it is";
  expect(shown()).toBe(`its hardware is not what it was: 1 of 2 GPUs are gone: H100 a; ${accepts}`);
  // It goes on and off the bus: shown as it is, told once.
  has(agent, []);
  expect(shown()).toContain("2 of 2 GPUs are gone: H100 a, H100 b");
  has(agent, [], "none");
  has(agent, ["b"]);
  expect(shown()).toContain("1 of 2 GPUs are gone: H100 a;");
  const told: string[] = [];
  const about = { campaign: "", node: "n1" };
  for await (const event of on.campaigns.events.follow(0, about, new AbortController().signal, true))
    if (event.kind === "node.contradiction") told.push(event.message);
  expect(told).toEqual(["n1: 1 of 2 GPUs are gone: H100 a"]);
  await on.world.clock.advance(1000);
  await on.world.get(on.admin.uncordon("n1"));
  has(agent, [], "failed");
  has(agent, ["b"]);
  await on.world.clock.advance(1000);
  expect(on.node()).toMatchObject({ state: { kind: "READY" }, cordon: { kind: "open" } });
});

test("a later leader knows which GPUs a node had, also when they were not seen last", async () => {
  const agent = await on.ready();
  has(agent, ["a", "b"]);
  has(agent, [], "failed");
  await on.world.clock.advance(1000);
  const { kv } = await on.campaigns.state.get(keys.agent("n1").key);
  if (kv === undefined) throw new Error("the node has no record");
  const later = await Sessions.open(on.world);
  later.fleet.restore(decode(keys.agent("n1").codec, kv), undefined);
  const back = await later.ready();
  expect(later.node().cordon.kind).toBe("open");
  has(back, ["a"]);
  expect(later.node().cordon).toMatchObject({ kind: "draining", deadlineMs: 0 });
  later.admin.stop();
  await later.records.stop();
});

test("what people have said about a node stands when it has lost a GPU", async () => {
  const agent = await on.ready();
  has(agent, ["a", "b"]);
  await on.world.get(on.admin.cordon("n1", "mine"));
  has(agent, ["b"]);
  await on.world.clock.advance(1000);
  expect(on.node().cordon).toEqual({ kind: "cordoned", reason: "mine" });
  expect(nodeMessage(on.node(), undefined).cordonReason).toMatch(/^mine: 1 of 2 GPUs are gone: H100 a; /);
  // Whoever takes it as it is takes it without the GPU.
  await on.world.get(on.admin.uncordon("n1"));
  has(agent, ["b"]);
  expect(on.node().cordon.kind).toBe("open");
  expect(on.node().registered.map(({ uuid }) => uuid)).toEqual(["b"]);
});

test("what another agent tells under the same hash does not drain a node", async () => {
  const agent = await on.ready();
  has(agent, ["a", "b"]);
  const other = await on.ready("n2");
  const inventory = { ...INVENTORY, gpus: [], gpuLook: "seen" };
  const hash = sha256("seen,a,b");
  other.say({ $case: "inventory", value: { hash, inventory, part: 0, more: false } });
  agent.one.ended("the stream broke");
  const again = on.stream("n1", { incarnation: 2n });
  again.hello({ inventoryHash: hash });
  await on.world.until("n1 is welcome", () => again.of("welcome").length > 0);
  expect(on.node()).toMatchObject({ cordon: { kind: "open" }, contradiction: "" });
  expect(on.node().registered).toHaveLength(2);
});
