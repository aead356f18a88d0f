import { afterEach, beforeEach, expect, test } from "vitest";
import type { Clock } from "../../shared/runtime/clock.js";
import { ManualClock } from "../../test/conformance/manual-clock.js";
import { absent, createdAt, del, FencedStore, put } from "./fenced-store.js";
import { keys } from "./keys.js";
import { MemoryCore } from "./memory-core.js";
import { MemoryStore, type StoreHook } from "./memory-store.js";
import { StoreError } from "./store.js";
import type { DoneValue } from "./values.js";

let clock: ManualClock;
beforeEach(() => {
  clock = new ManualClock();
});
const opened: MemoryStore[] = [];
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
});

function world(hook?: StoreHook) {
  const core = new MemoryCore({ clock });
  const open = () => {
    const store = new MemoryStore(core, { clock, ...(hook ? { hook } : {}) });
    opened.push(store);
    return store;
  };
  return { core, open };
}
const leader = (replica: string) => ({ replica, nonce: `nonce-${replica}`, address: `${replica}:50052` });
const gate = keys.gate("c-1", "j0000");
const done = keys.done("c-1", "j0000", 3);
const split: DoneValue = { kind: "split", children: [] };

async function lead(store: MemoryStore, replica: string): Promise<FencedStore> {
  const got = await FencedStore.acquire(store, leader(replica), { ttlMs: 6_000, clock });
  if (got.kind !== "acquired") throw new Error(`${replica} does not lead`);
  return got.store;
}

test("one leads, the other learns who; resigning lets it lead at once, with a higher epoch", async () => {
  const { open } = world();
  const [a, b] = [open(), open()];
  const first = await lead(a, "a");
  expect(await FencedStore.acquire(b, leader("b"), { ttlMs: 6_000, clock })).toMatchObject({
    kind: "held",
    leader: leader("a"),
  });
  await first.resign();
  expect(first.lost.aborted).toBe(true);
  const second = await lead(b, "b");
  expect(second.epoch).toBeGreaterThan(first.epoch);
});

test("a paused leader's write fails and tells who leads now", async () => {
  const { open } = world();
  const [a, b] = [open(), open()];
  const old = await lead(a, "a");
  const rival = open();
  await rival.txn({ compare: [], success: [del(keys.leader)] });
  const now = await lead(b, "b");
  expect(await old.commit({ ops: [put(done, split)] })).toEqual({ kind: "deposed", leader: leader("b") });
  expect((await b.get(done.key)).kv).toBeUndefined();
  expect(old.lost.aborted).toBe(true);
  expect(now.lost.aborted).toBe(false);
  expect(await old.commit({ ops: [put(done, split)] })).toEqual({ kind: "deposed" });
});

test("after the lease's time nothing is sent any more", async () => {
  const { open, core } = world();
  const store = open();
  const fenced = await lead(store, "a");
  expect(fenced.remainingMs(clock.nowMs())).toBe(4_000);
  await clock.stall(4_000);
  const before = core.rev;
  expect(await fenced.commit({ ops: [put(done, split)] })).toEqual({ kind: "deposed" });
  expect(core.rev).toBe(before);
  expect(fenced.remainingMs(clock.nowMs())).toBe(0);
});

test("a process that was stopped commits nothing, even before any timer has fired", async () => {
  const { open, core } = world();
  // Its clock has jumped and no timer has fired yet, as after SIGCONT; the store itself would still take the write.
  let jumpMs = 0;
  const jumping: Clock = {
    wallMs: () => clock.wallMs(),
    nowMs: () => clock.nowMs() + jumpMs,
    nowNs: () => clock.nowNs(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
    after: (ms, run) => clock.after(ms, run),
  };
  const got = await FencedStore.acquire(open(), leader("a"), { ttlMs: 6_000, clock: jumping });
  if (got.kind !== "acquired") throw new Error(got.kind);
  jumpMs = 4_000;
  const before = core.rev;
  expect(await got.store.commit({ ops: [put(done, split)] })).toEqual({ kind: "deposed" });
  expect([core.rev, got.store.lost.aborted]).toEqual([before, true]);
});

test("commit, conflict by key, and the gate that was closed", async () => {
  const { open } = world();
  const fenced = await lead(open(), "a");
  const opening = await fenced.commit({ compare: [absent(gate)], ops: [put(gate, { epoch: fenced.epoch })] });
  if (opening.kind !== "committed") throw new Error(opening.kind);
  const write = { compare: [createdAt(gate, opening.rev), absent(done)], ops: [put(done, split)] };
  expect((await fenced.commit(write)).kind).toBe("committed");

  const again = await fenced.commit(write);
  expect(again).toMatchObject({ kind: "conflict", conflicts: [{ key: done.key, kv: { version: 1n } }] });
  await fenced.commit({ ops: [del(gate)] });
  const late = await fenced.commit({
    compare: [createdAt(gate, opening.rev), absent(keys.done("c-1", "j0000", 4))],
    ops: [put(keys.done("c-1", "j0000", 4), split)],
  });
  expect(late).toMatchObject({ kind: "conflict", conflicts: [{ key: gate.key }] });
});

test("a lost reply: acquire finds its own nonce, commit says unknown", async () => {
  let lose = false;
  const { open } = world({
    request: async () => undefined,
    reply: async (call) => {
      if (lose && call === "txn") throw new Error("cut");
    },
  });
  const store = open();
  lose = true;
  const fenced = await lead(store, "a");
  expect((await store.get(keys.leader.key)).kv?.createRev).toBe(fenced.epoch);
  const answer = await fenced.commit({ compare: [absent(done)], ops: [put(done, split)] });
  expect(answer.kind).toBe("unknown");
  lose = false;
  expect(await fenced.commit({ compare: [absent(done)], ops: [put(done, split)] })).toMatchObject({
    kind: "conflict",
    conflicts: [{ key: done.key }],
  });
});

test("a store that is unreachable is thrown, and leaves no lease behind", async () => {
  let down = false;
  const { open } = world({
    request: async (call) => {
      if (down && call === "txn") throw new StoreError({ kind: "Unavailable", what: "test" });
    },
    reply: async () => undefined,
  });
  const store = open();
  down = true;
  await expect(FencedStore.acquire(store, leader("a"), { ttlMs: 6_000, clock })).rejects.toThrow("test");
  expect(clock.pendingTimers).toBe(0);
});

test("a store that takes no writes is told apart: it is away, or full", async () => {
  let trouble: StoreError | undefined;
  const request = async () => {
    if (trouble) throw trouble;
  };
  const { open } = world({ request, reply: async () => undefined });
  const fenced = await lead(open(), "a");
  const seen = async (error?: StoreError) => {
    trouble = error;
    await fenced.commit({ ops: [put(done, split)] }).catch(() => {});
    return { answers: fenced.answers(clock.nowMs()), full: fenced.full };
  };
  const full = new StoreError({ kind: "NoSpace", usedBytes: 1, quotaBytes: 1 });
  const away = new StoreError({ kind: "Unavailable", what: "test" });
  expect(await seen()).toEqual({ answers: true, full: false });
  expect(await seen(full)).toEqual({ answers: false, full: true });
  expect(await seen(away)).toEqual({ answers: false, full: false });
  expect(await seen(full)).toEqual({ answers: false, full: true });
  expect(await seen()).toEqual({ answers: true, full: false });
});
