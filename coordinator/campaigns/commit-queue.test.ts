/** Group commit against a store that is slow, away, full, loses requests and answers, or has another leader. */
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRandom } from "../../shared/benchmark/seeded.js";
import { parseFence } from "../../shared/domain/fence.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import { ManualClock, settle } from "../../test/conformance/manual-clock.js";
import { SEED } from "../../test/conformance/seeded.js";
import { del, FencedStore, put } from "../store/fenced-store.js";
import { decode, keys } from "../store/keys.js";
import { MemoryCore } from "../store/memory-core.js";
import { MemoryStore, type StoreHook } from "../store/memory-store.js";
import { type Op, StoreError, type Txn } from "../store/store.js";
import type { DoneValue } from "../store/values.js";
import { CommitQueue, type CommitQueueOptions } from "./commit-queue.js";

let close: (() => Promise<void>)[] = [];
beforeEach(() => {
  close = [];
});
afterEach(async () => {
  for (const each of close) await each();
});

const result = (n: number, more: Partial<DoneValue & { kind: "result" }> = {}): DoneValue => ({
  ...{ kind: "result", fence: `1.${n}`, agent: "n1", uri: "u", sha256: "s", sizeBytes: 1, counts: { ok: 1 } },
  ...more,
});
const shard = (index: number, job = "j0000") => ({ campaign: "c", job, index });

/** A queue on a store of its own; `hook` decides what happens to its transactions from then on. */
async function queue(
  hook: Partial<StoreHook> = {},
  options: Partial<CommitQueueOptions> = {},
  quotaBytes = 2 ** 30,
) {
  const clock = new ManualClock();
  const core = new MemoryCore({ clock, quotaBytes });
  let hooked = false;
  const txns: Txn[] = [];
  const state = new MemoryStore(core, {
    clock,
    hook: {
      request: async (call) => void (hooked && call === "txn" && (await hook.request?.(call))),
      reply: async (call) => void (hooked && call === "txn" && (await hook.reply?.(call))),
    },
  });
  const clean = new MemoryStore(core, { clock });
  const self = { replica: "r", nonce: "n", address: "" };
  const acquired = await FencedStore.acquire(state, self, { ttlMs: 3_600_000, clock });
  if (acquired.kind !== "acquired") throw new Error("nobody else can lead here");
  const { store } = acquired;
  const gates = new Map<string, bigint>();
  for (const job of ["j0000", "j0001"]) {
    const { rev } = await clean.txn({ compare: [], success: [put(keys.gate("c", job), { epoch: 1n })] });
    gates.set(job, rev);
  }
  const send = state.txn.bind(state);
  state.txn = (txn) => {
    txns.push(txn);
    return send(txn);
  };
  hooked = true;
  const logs: string[] = [];
  const commits = new CommitQueue(
    {
      ...{ store, clock, metrics: { observeStoreTxn: () => {} } },
      random: { next: seededRandom(1), id: () => "" },
      log: lineLogger((line) => logs.push(JSON.parse(line).msg), "info"),
    },
    { intervalMs: 8, ...options },
  );
  close.push(async () => {
    await state.close();
    await clean.close();
    core.dispose();
  });
  const gate = (job = "j0000") => gates.get(job) ?? 0n;
  const done = async (index: number, job = "j0000") => {
    const key = keys.done("c", job, index);
    const { kv } = await clean.get(key.key);
    return kv && decode(key.codec, kv);
  };
  return { commits, clean, txns, logs, clock, store, gate, done };
}

test("what comes together goes together, in as few transactions as the store's limit allows", async () => {
  const { commits, clock, txns, gate, done } = await queue();
  const verdicts = Array.from({ length: 1000 }, (_, i) => commits.commit(shard(i), gate(), result(i)));
  await clock.advance(8);
  expect(new Set(await Promise.all(verdicts))).toEqual(new Set(["COMMITTED"]));
  expect(txns).toHaveLength(8);
  for (const { compare, success, failure = [] } of txns) {
    expect(Math.max(compare.length, success.length, failure.length)).toBeLessThanOrEqual(128);
  }
  expect(await done(999)).toEqual(result(999));
  expect(commits.waiting).toBe(0);
});

test("gates of many jobs count against the limit, too", async () => {
  const { commits, clean, clock, txns } = await queue();
  const all = [];
  for (let i = 0; i < 200; i += 1) {
    const job = `j${1000 + i}`;
    const { rev } = await clean.txn({ compare: [], success: [put(keys.gate("c", job), { epoch: 1n })] });
    all.push(commits.commit(shard(0, job), rev, result(i)));
  }
  await clock.advance(8);
  expect(new Set(await Promise.all(all))).toEqual(new Set(["COMMITTED"]));
  for (const { compare } of txns) expect(compare.length).toBeLessThanOrEqual(128);
});

test("the first commit wins; a later one is answered after it, and the same one again is a success", async () => {
  const { commits, clock, gate, done } = await queue();
  const answered: string[] = [];
  const say = (name: string) => (verdict: string) => void answered.push(`${name} ${verdict}`);
  void commits.commit(shard(1), gate(), result(1)).then(say("first"));
  void commits.commit(shard(1), gate(), result(2)).then(say("second"));
  void commits.commit(shard(1), gate(), result(1)).then(say("again"));
  await settle();
  expect(answered).toEqual([]);
  await clock.advance(8);
  expect(answered).toEqual(["first COMMITTED", "second SUPERSEDED", "again COMMITTED"]);
  void commits.commit(shard(1), gate(), result(3)).then(say("late"));
  void commits.commit(shard(1), gate(), result(1)).then(say("resent"));
  await clock.advance(8);
  expect(answered.slice(3)).toEqual(["late SUPERSEDED", "resent SUPERSEDED"]);
  void commits.commit(shard(1), gate(), result(1)).then(say("known"));
  await clock.advance(8);
  expect(answered.at(-1)).toBe("known COMMITTED");
  expect(await done(1)).toEqual(result(1));
});

test("a gate that is gone closes its own shards only", async () => {
  const { commits, clean, clock, gate, done } = await queue();
  await clean.txn({ compare: [], success: [del(keys.gate("c", "j0000"))] });
  const closed = commits.commit(shard(0), gate(), result(1));
  const stale = commits.commit(shard(1, "j0001"), gate("j0001") - 1n, result(2));
  const open = commits.commit(shard(0, "j0001"), gate("j0001"), result(3));
  await clock.advance(50);
  expect(await Promise.all([closed, stale, open])).toEqual(["CLOSED", "CLOSED", "COMMITTED"]);
  expect(await done(0)).toBeUndefined();
});

test("records that belong together are written together or not at all", async () => {
  const { commits, clock, gate, done } = await queue();
  const children = [{ index: 10, first: 0, count: 1 }];
  const poison: DoneValue = { kind: "failed", status: "poison", cause: "", reason: "" };
  const also = (n: number): Op[] => [put(keys.done("c", "j0000", n), poison)];
  const split = commits.write({
    shard: shard(1),
    gate: gate(),
    done: { kind: "split", children },
    also: also(10),
  });
  const late = commits.commit(shard(1), gate(), result(1));
  await clock.advance(8);
  expect([await split, await late]).toEqual(["COMMITTED", "SUPERSEDED"]);
  const early = commits.commit(shard(2), gate(), result(2));
  await clock.advance(8);
  const lost = commits.write({
    shard: shard(2),
    gate: gate(),
    done: { kind: "split", children },
    also: also(11),
  });
  await clock.advance(8);
  expect([await early, await lost]).toEqual(["COMMITTED", "SUPERSEDED"]);
  expect([await done(10), await done(11)]).toEqual([poison, undefined]);
});

test("after a lost answer the same bytes are sent until they are answered", async () => {
  let lose = 3;
  const reply = async () => {
    if (lose-- > 0) throw new StoreError({ kind: "OutcomeUnknown", what: "lost" });
  };
  const { commits, clock, txns, gate, done } = await queue({ reply });
  const split: DoneValue = { kind: "split", children: [{ index: 9, first: 0, count: 2 }] };
  const verdicts = [
    commits.commit(shard(0), gate(), result(1)),
    commits.write({ shard: shard(1), gate: gate(), done: split }),
  ];
  await clock.advance(20_000);
  expect(await Promise.all(verdicts)).toEqual(["COMMITTED", "COMMITTED"]);
  expect(txns).toHaveLength(4);
  for (const { success } of txns) expect(success).toEqual(txns[0]?.success);
  expect(await done(1)).toEqual(split);
});

test("a store that is away or full is waited for: nothing is refused, and it is said once", async () => {
  for (const kind of ["Unavailable", "NoSpace"] as const) {
    let away = true;
    const request = async () => {
      if (!away) return;
      throw new StoreError(
        kind === "NoSpace" ? { kind, usedBytes: 9, quotaBytes: 9 } : { kind, what: "the disk is away" },
      );
    };
    const { commits, clock, logs, gate } = await queue({ request });
    const verdicts = Array.from({ length: 500 }, (_, i) => commits.commit(shard(i), gate(), result(i)));
    await clock.advance(600_000);
    expect([commits.waiting, logs]).toEqual([500, ["results wait for the state store"]]);
    away = false;
    await clock.advance(10_000);
    expect(new Set(await Promise.all(verdicts))).toEqual(new Set(["COMMITTED"]));
    expect(logs).toEqual(["results wait for the state store", "the state store answers again"]);
  }
});

test("results that wait are bounded; the one too many is refused and nothing else", async () => {
  let away = true;
  const request = async () => {
    if (away) throw new StoreError({ kind: "Unavailable", what: "away" });
  };
  const { commits, clock, gate } = await queue({ request }, { maxWaiting: 3 });
  const kept = [0, 0, 1].map((index, n) => commits.commit(shard(index), gate(), result(n)));
  await expect(commits.commit(shard(2), gate(), result(9))).rejects.toMatchObject({
    code: "resource_exhausted",
  });
  // Nobody would say again what the leader itself has decided.
  const own = [
    commits.commit(shard(3), gate(), { kind: "failed", status: "engine_error", cause: "", reason: "" }),
    commits.commit(shard(4), gate(), { kind: "split", children: [] }),
    commits.write({ shard: shard(5), gate: gate(), also: [] }),
  ];
  away = false;
  await clock.advance(10_000);
  expect(await Promise.all(own)).toEqual(["COMMITTED", "COMMITTED", "COMMITTED"]);
  expect(await Promise.all(kept)).toEqual(["COMMITTED", "SUPERSEDED", "COMMITTED"]);
  const now = commits.commit(shard(2), gate(), result(9));
  await clock.advance(8);
  expect(await now).toBe("COMMITTED");
});

test("when another leads, all that waits is refused as unavailable, and so is what comes", async () => {
  const { commits, clean, clock, gate, done } = await queue();
  const early = [commits.commit(shard(0), gate(), result(0)), commits.commit(shard(0), gate(), result(1))];
  await clean.txn({ compare: [], success: [del(keys.leader)] });
  const settled = Promise.allSettled(early);
  await clock.advance(8);
  for (const each of await settled) expect(each).toMatchObject({ reason: { code: "unavailable" } });
  await expect(commits.commit(shard(1), gate(), result(2))).rejects.toMatchObject({ code: "unavailable" });
  expect(await done(0)).toBeUndefined();
});

test("leadership that ends while the store is away ends the waiting", async () => {
  const request = () => Promise.reject(new StoreError({ kind: "Unavailable", what: "away" }));
  const { commits, clock, store, gate } = await queue({ request });
  const refused = expect(commits.commit(shard(0), gate(), result(0))).rejects.toMatchObject({
    code: "unavailable",
  });
  await clock.advance(1000);
  await store.resign().catch(() => {});
  await clock.advance(0);
  await refused;
  expect(commits.waiting).toBe(0);
});

test("a record the store cannot take is refused alone", async () => {
  const { commits, clock, gate } = await queue();
  const huge = commits.commit(shard(0), gate(), result(0, { inline: Buffer.alloc(2 ** 21) }));
  const others = [1, 2].map((i) => commits.commit(shard(i), gate(), result(i)));
  const refused = expect(huge).rejects.toMatchObject({ detail: { kind: "TooLarge" } });
  await clock.advance(100);
  await refused;
  expect(await Promise.all(others)).toEqual(["COMMITTED", "COMMITTED"]);
});

test("drained: at once when nothing waits, when all is answered, or when its time is over", async () => {
  let away = false;
  const request = async () => {
    if (away) throw new StoreError({ kind: "Unavailable", what: "away" });
  };
  const { commits, clock, gate } = await queue({ request });
  await commits.drained();
  const verdict = commits.commit(shard(0), gate(), result(0));
  await commits.drained(); // does not wait for the timer
  expect(await verdict).toBe("COMMITTED");
  away = true;
  const late = commits.commit(shard(1), gate(), result(1));
  let over = false;
  void commits.drained(500).then(() => {
    over = true;
  });
  await clock.advance(499);
  expect(over).toBe(false);
  await clock.advance(1);
  expect(over).toBe(true);
  away = false;
  await clock.advance(10_000);
  expect(await late).toBe("COMMITTED");
});

/** Something that happens: a commit of one of a few shards under one of a few fences, time, or weather. */
type Step =
  | { kind: "commit"; index: number; n: number }
  | { kind: "wait"; ms: number }
  | { kind: "weather"; request: number; reply: number }
  | { kind: "close" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("commit" as const), index: fc.nat(5), n: fc.nat(3) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(400) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      ...{ kind: fc.constant("weather" as const), request: fc.constantFrom(0, 0.5, 1) },
      reply: fc.constantFrom(0, 0.5),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "close" as const }) },
);

test("whatever the weather: verdicts are what the store holds, and each shard has one record", async () => {
  console.info(`commit queue: SEED=${SEED}, 300 runs`);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.nat(), async (steps, weatherSeed) => {
      const random = seededRandom(weatherSeed);
      let weather = { request: 0, reply: 0 };
      const { commits, clean, clock, gate, done } = await queue({
        async request() {
          await clock.sleep(random() * 30);
          if (random() < weather.request) throw new StoreError({ kind: "Unavailable", what: "away" });
        },
        async reply() {
          await clock.sleep(random() * 30);
          if (random() < weather.reply) throw new StoreError({ kind: "OutcomeUnknown", what: "lost" });
        },
      });
      let closed = false;
      const asked: { index: number; n: number; late: boolean; verdict: Promise<string> }[] = [];
      for (const each of steps) {
        if (each.kind === "commit") {
          const { index, n } = each;
          asked.push({ index, n, late: closed, verdict: commits.commit(shard(index), gate(), result(n)) });
        } else if (each.kind === "wait") await clock.advance(each.ms);
        else if (each.kind === "weather") weather = each;
        else if (!closed) {
          closed = true;
          await clean.txn({ compare: [], success: [del(keys.gate("c", "j0000"))] });
        }
      }
      weather = { request: 0, reply: 0 };
      await clock.advance(60_000);
      for (const { index, n, late, verdict } of asked) {
        const told = await verdict;
        const holder = await done(index);
        const fence = holder?.kind === "result" ? holder.fence : undefined;
        if (told === "COMMITTED") expect(fence).toBe(`1.${n}`);
        if (told === "SUPERSEDED") expect(fence).toBeDefined();
        if (told === "CLOSED") expect(closed).toBe(true);
        if (late && told === "COMMITTED") expect(parseFence(fence ?? "")).toBeDefined();
        if (!closed) expect(told).not.toBe("CLOSED");
      }
      expect(commits.waiting).toBe(0);
    }),
    { seed: SEED, numRuns: 300 },
  );
});

test("what has no gate is not written: a gate that is gone is no gate at revision 0", async () => {
  const { commits, clean, done, txns } = await queue();
  await clean.txn({ compare: [], success: [del(keys.gate("c", "j0000"))] });
  expect(await commits.commit(shard(0), 0n, result(0))).toBe("CLOSED");
  expect([await done(0), txns]).toEqual([undefined, []]);
});
