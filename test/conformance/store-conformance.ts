/**
 * What "the same semantics" means for every state store: a numbered list, run against a factory. An item that cannot
 * apply to an implementation says why in its test's name, so that nothing is left out silently.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FencedStore, put } from "../../coordinator/store/fenced-store.js";
import { keys } from "../../coordinator/store/keys.js";
import { reflect } from "../../coordinator/store/reflect.js";
import {
  type Cmp,
  type KV,
  type Op,
  prefix,
  type Range,
  type Rev,
  rev,
  type StateStore,
  type StoreAdmin,
  type WatchMsg,
} from "../../coordinator/store/store.js";

type Store = StateStore & StoreAdmin;
export interface StoreWorld {
  /** Two clients of one empty store. A slow watcher may have 100 events waiting. */
  a: Store;
  b: Store;
  clock: Parameters<typeof FencedStore.acquire>[2]["clock"];
  /** Time passes, for `stall` as for a process that was stopped. */
  advance(ms: number): Promise<void>;
  stall(ms: number): Promise<void>;
  /** The next txn of `a` happens and its reply is lost. */
  loseReply(): void;
  /** A new store from a snapshot. */
  restore(chunks: AsyncIterable<Uint8Array>): Promise<Store>;
  close(): Promise<void>;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (kv: KV | undefined) => (kv ? new TextDecoder().decode(kv.value) : undefined);
const putOp = (key: string, value = "x", lease?: bigint): Op => ({
  put: { key, value: bytes(value), ...(lease === undefined ? {} : { lease }) },
});
const create = (key: string, operand = 0n): Cmp => ({ key, target: "create", op: "=", operand });
const write = (s: Store, ...success: Op[]) => s.txn({ compare: [], success });
const ALL = prefix("/t/");
const never = () => new AbortController().signal;

async function listAll(s: Store, range: Range = ALL, atRev?: Rev): Promise<{ rev: Rev; kvs: KV[] }> {
  let at: Rev | undefined;
  const kvs: KV[] = [];
  for await (const page of s.list(range, atRev === undefined ? {} : { atRev })) {
    at ??= page.rev;
    expect(page.rev).toBe(at);
    kvs.push(...page.kvs);
  }
  if (at === undefined) throw new Error("no page");
  return { rev: at, kvs };
}

/** The next `n` messages, then the watch is left. */
async function take(watch: AsyncIterable<WatchMsg>, n: number): Promise<WatchMsg[]> {
  const out: WatchMsg[] = [];
  for await (const msg of watch) if (out.push(msg) === n) break;
  return out;
}
const flat = (msgs: WatchMsg[]) =>
  msgs.flatMap((m) => m.events.map((e) => `${m.rev} ${e.type} ${e.kv.key} ${text(e.kv)}`));

/** How a store meets an item in its own way. */
export interface OwnWays {
  /** Item number → why it cannot apply. */
  notApplicable?: { [item: number]: string };
  /** Item number → the test that stands for it, where a process has to die or to be stopped. */
  own?: { [item: number]: () => Promise<void> };
  /** For an item; servers that have to be started take a while. */
  timeoutMs?: number;
}

export function storeConformance(
  name: string,
  open: () => Promise<StoreWorld>,
  { notApplicable = {}, own = {}, timeoutMs = 30_000 }: OwnWays,
): void {
  describe(`state store conformance: ${name}`, () => {
    let w: StoreWorld;
    let a: Store;
    beforeEach(async () => {
      w = await open();
      a = w.a;
    });
    afterEach(() => w.close());
    const item = (n: number, what: string, run: () => Promise<void>) => {
      const why = notApplicable[n];
      const ownWay = own[n];
      if (ownWay) test(`${n}. ${what}`, ownWay, 120_000);
      else if (why === undefined) test(`${n}. ${what}`, run, timeoutMs);
      else test.skip(`${n}. ${what} [not applicable: ${why}]`, run);
    };
    const elsewhere = (n: number, what: string) =>
      item(n, what, async () => {
        throw new Error(`item ${n} needs a test of its own for ${name}`);
      });

    item(1, "an empty store has a revision; the first write adds 1", async () => {
      const before = (await a.get("/t/a")).rev;
      expect(before).toBeGreaterThan(0n);
      expect((await write(a, putOp("/t/a"))).rev).toBe(before + 1n);
    });

    item(2, "an n-op txn is one revision; failed and read-only ones add none", async () => {
      const { rev: r } = await write(a, putOp("/t/a"), putOp("/t/b"), putOp("/t/c"));
      expect((await listAll(a)).kvs.map((kv) => kv.modRev)).toEqual([r, r, r]);
      expect((await a.txn({ compare: [create("/t/a")], success: [putOp("/t/d")] })).rev).toBe(r);
      expect((await write(a, { get: ALL }, { del: { key: "/none" } })).rev).toBe(r);
    });

    item(3, "create = 0 race: exactly one of 100 wins", async () => {
      const wins = await Promise.all(
        Array.from({ length: 100 }, (_, i) =>
          (i % 2 ? a : w.b).txn({ compare: [create("/t/a")], success: [putOp("/t/a", `${i}`)] }),
        ),
      );
      expect(wins.filter((x) => x.ok)).toHaveLength(1);
      expect(text((await a.get("/t/a")).kv)).toBe(`${wins.findIndex((x) => x.ok)}`);
    });

    item(4, "a stale mod compare fails; the failure branch returns the current value", async () => {
      const { rev: old } = await write(a, putOp("/t/a", "1"));
      await write(a, putOp("/t/a", "2"));
      const stale = await a.txn({
        compare: [{ key: "/t/a", target: "mod", op: "=", operand: old }],
        success: [putOp("/t/a", "3")],
        failure: [{ get: { key: "/t/a" } }],
      });
      expect([stale.ok, text(stale.results[0]?.[0])]).toEqual([false, "2"]);
    });

    item(5, "delete and recreate changes createRev and resets version to 1", async () => {
      const { rev: first } = await write(a, putOp("/t/a"));
      await write(a, putOp("/t/a"));
      expect((await a.get("/t/a")).kv).toMatchObject({ createRev: first, version: 2n });
      await write(a, { del: { key: "/t/a" } });
      const { rev: again } = await write(a, putOp("/t/a"));
      expect((await a.get("/t/a")).kv).toMatchObject({ createRev: again, version: 1n });
    });

    item(6, "duplicate key, 129 operations, oversize: refused, no effect, the next call works", async () => {
      const many = Array.from({ length: 129 }, (_, i) => putOp(`/t/${i}`));
      const refused: [Op[], Cmp[], string][] = [
        [[putOp("/t/a"), putOp("/t/a")], [], "BadRequest"],
        [[putOp("/t/a"), { del: ALL }], [], "BadRequest"],
        [many, [], "TooManyOps"],
        [[], many.map((_, i) => create(`/t/${i}`)), "TooManyOps"],
        [[putOp("/t/a", "x".repeat(1.5 * 1024 * 1024 + 1))], [], "TooLarge"],
      ];
      const before = await listAll(a);
      for (const [success, compare, kind] of refused) {
        await expect(a.txn({ compare, success })).rejects.toMatchObject({ detail: { kind } });
      }
      expect(await listAll(a)).toEqual(before);
      expect((await write(a, ...many.slice(1))).rev).toBe(before.rev + 1n);
    });

    item(7, "compares see the state before; keys order bytewise; a prefix has its 0xff edge", async () => {
      const first = await a.txn({ compare: [create("/t/a")], success: [putOp("/t/a")] });
      expect(first.ok).toBe(true);
      await write(a, { del: { key: "/t/a" } });
      const inside = ["/t/", "/t/B", "/t/a", "/t/a\0", "/t/a/b", "/t/\u00ff", "/t/\uffff", "/t/\u{10ffff}"];
      await write(a, ...[...inside].reverse().map((k) => putOp(k)), putOp("/s/z"), putOp("/t0"), putOp("/t"));
      expect((await listAll(a)).kvs.map((kv) => kv.key)).toEqual(inside);
    });

    item(8, "listing in pages under writes is consistent at one revision", async () => {
      for (let i = 0; i < 12; i++) {
        await write(a, ...Array.from({ length: 100 }, (_, j) => putOp(`/t/${i * 100 + j}`, "old")));
      }
      const seen: KV[] = [];
      let pages = 0;
      for await (const page of a.list(ALL)) {
        pages++;
        seen.push(...page.kvs);
        await write(w.b, { del: { key: `/t/${pages}` } }, putOp("/t/999", "new"), putOp(`/t/new${pages}`));
      }
      expect(pages).toBeGreaterThan(1);
      expect(seen.map(text)).toEqual(Array(1200).fill("old"));
    });

    /** 50 revisions of puts and deletions; what a watch from the first must say. */
    async function history(): Promise<{ from: Rev; expected: string[] }> {
      const from = rev((await a.get("/t/a")).rev + 1n);
      const expected: string[] = [];
      for (let i = 0; i < 50; i++) {
        const k = `/t/${i % 7}`;
        const gone = i % 5 === 4 && (await a.get(k)).kv !== undefined;
        const { rev: r } = await write(
          a,
          gone ? { del: { key: k } } : putOp(k, `${i}`),
          putOp(`/other/${i}`),
        );
        expected.push(gone ? `${r} delete ${k} ` : `${r} put ${k} ${i}`);
      }
      return { from, expected };
    }

    item(9, "a watch from a past revision: exact, ordered, no gap, no duplicate", async () => {
      const { from, expected } = await history();
      const watch = a.watch([ALL], { fromRev: from, signal: never() });
      const { rev: last } = await write(w.b, putOp("/t/last"));
      expect(flat(await take(watch, 51))).toEqual([...expected, `${last} put /t/last x`]);
    });

    item(
      10,
      "cut at every point during catch-up and resumed after the last delivered: same result",
      async () => {
        const { from, expected } = await history();
        for (let cut = 1; cut < 50; cut++) {
          const first = await take(a.watch([ALL], { fromRev: from, signal: never() }), cut);
          const resumeAt = rev((first.at(-1)?.rev ?? 0n) + 1n);
          const rest = await take(a.watch([ALL], { fromRev: resumeAt, signal: never() }), 50 - cut);
          expect(flat([...first, ...rest])).toEqual(expected);
        }
      },
    );

    item(11, "a txn's events arrive together across ranges, also beyond 4 MiB of watched data", async () => {
      const ranges = [prefix("/t/"), prefix("/u/"), { key: "/v" }];
      const watch = a.watch(ranges, { fromRev: rev((await a.get("/v")).rev + 1n), signal: never() });
      const big = "x".repeat(700_000);
      for (let i = 0; i < 5; i++) {
        await write(w.b, putOp(`/t/${i}`, big), putOp(`/u/${i}`, big), putOp("/v"), putOp("/w"));
      }
      const got = await take(watch, 5);
      expect(got.map((m) => m.events.map((e) => e.kv.key))).toEqual(
        [0, 1, 2, 3, 4].map((i) => [`/t/${i}`, `/u/${i}`, "/v"]),
      );
    });

    item(12, "below the compaction: Compacted with its revision; a future revision waits", async () => {
      const { from } = await history();
      const at = rev(from + 20n);
      await a.compact(at);
      const compacted = { detail: { kind: "Compacted", compactRev: at } };
      const early = rev(at - 1n);
      await expect(take(a.watch([ALL], { fromRev: early, signal: never() }), 1)).rejects.toMatchObject(
        compacted,
      );
      await expect(listAll(a, ALL, early)).rejects.toMatchObject(compacted);
      expect((await listAll(a, ALL, at)).rev).toBe(at);
      const head = (await a.get("/t/a")).rev;
      const future = take(a.watch([ALL], { fromRev: rev(head + 2n), signal: never() }), 1);
      await write(a, putOp("/t/a", "too early"));
      await write(a, putOp("/t/a", "now"));
      expect(flat(await future)).toEqual([`${head + 2n} put /t/a now`]);
    });

    item(13, "after compaction reflect emits the deletes it missed", async () => {
      await write(a, putOp("/t/kept"), putOp("/t/gone"), putOp("/t/changed", "1"));
      const stop = new AbortController();
      const mirror = reflect(a, [ALL], { signal: stop.signal });
      const first = (await mirror.next()).value;
      expect([first?.source, first?.events.length]).toEqual(["list", 3]);
      await write(w.b, putOp("/t/changed", "2"));
      expect((await mirror.next()).value?.source).toBe("watch"); // now it watches, and does not read
      await write(w.b, { del: { key: "/t/gone" } }, putOp("/t/changed", "3"));
      let last = rev(0n);
      for (let i = 0; i < 150; i++) last = (await write(w.b, putOp("/t/busy", `${i}`))).rev;
      await w.b.compact(last);
      const missed = (await mirror.next()).value;
      expect(missed?.source).toBe("relist");
      expect(missed?.events.map((e) => `${e.type} ${e.kv.key} ${text(e.kv)}`).sort()).toEqual([
        "delete /t/gone ",
        "put /t/busy 149",
        "put /t/changed 3",
      ]);
      stop.abort();
      expect((await mirror.next()).done).toBe(true);
    });

    item(14, "a slow watcher delays nobody and ends with Lagged; cancelling frees it", async () => {
      const fromRev = rev((await a.get("/t/a")).rev + 1n);
      const slow = a.watch([ALL], { fromRev, signal: never() });
      const cancel = new AbortController();
      const cancelled = a.watch([ALL], { fromRev, signal: cancel.signal });
      const quick = take(a.watch([ALL], { fromRev, signal: never() }), 150);
      for (let i = 0; i < 150; i++) {
        await write(w.b, putOp("/t/a", `${i}`));
        if (i === 20) cancel.abort();
      }
      expect(await quick).toHaveLength(150);
      await expect(take(slow, 150)).rejects.toMatchObject({ detail: { kind: "Lagged" } });
      expect(await take(cancelled, 1)).toEqual([]);
    });

    item(
      15,
      "expiry deletes every attached key and emits the deletes; put with a dead lease fails",
      async () => {
        const lease = await a.grantLease(6_000);
        const { rev: r } = await write(
          a,
          putOp("/t/a", "x", lease.id),
          putOp("/t/b", "x", lease.id),
          putOp("/t/c"),
        );
        const gone = take(w.b.watch([ALL], { fromRev: rev(r + 1n), signal: never() }), 1);
        await w.advance(20_000); // renewed all the while
        expect((await listAll(w.b)).kvs).toHaveLength(3);
        await w.stall(7_000);
        expect(flat(await gone)).toEqual([`${r + 1n} delete /t/a `, `${r + 1n} delete /t/b `]);
        expect((await listAll(w.b)).kvs.map((kv) => kv.key)).toEqual(["/t/c"]);
        await expect(write(a, putOp("/t/d", "x", lease.id))).rejects.toMatchObject({
          detail: { kind: "LeaseNotFound", lease: lease.id },
        });
        expect((await w.b.get("/t/d")).kv).toBeUndefined();
      },
    );

    item(16, "lost fires before the store's expiry, also after the process was stopped", async () => {
      const lease = await a.grantLease(6_000);
      await write(a, putOp("/t/a", "x", lease.id));
      let stillThere: Promise<{ kv?: KV }> | undefined;
      lease.lost.addEventListener("abort", () => {
        stillThere = w.b.get("/t/a");
      });
      await w.stall(4_500);
      expect(lease.lost.aborted).toBe(true);
      expect(lease.remainingMs(w.clock.nowMs())).toBe(0);
      expect((await stillThere)?.kv?.key).toBe("/t/a");
      const late = await a.grantLease(6_000);
      await w.stall(60_000);
      expect(late.lost.aborted).toBe(true);
    });

    item(17, "revoke deletes its keys; a put without lease detaches", async () => {
      const lease = await a.grantLease(6_000);
      await write(a, putOp("/t/a", "x", lease.id), putOp("/t/b", "x", lease.id));
      await write(a, putOp("/t/b", "kept"));
      await lease.revoke();
      expect(lease.lost.aborted).toBe(true);
      expect((await listAll(a)).kvs.map((kv) => kv.key)).toEqual(["/t/b"]);
      await lease.revoke();
    });

    item(18, "a fenced write by a deposed leader fails", async () => {
      const lead = async (s: Store, replica: string) => {
        const self = { replica, nonce: replica, address: replica };
        const got = await FencedStore.acquire(s, self, { ttlMs: 6_000, clock: w.clock });
        if (got.kind !== "acquired") throw new Error(got.kind);
        return got.store;
      };
      const old = await lead(a, "old");
      await write(w.b, { del: { key: keys.leader.key } });
      const now = await lead(w.b, "new");
      expect(now.epoch).toBeGreaterThan(old.epoch);
      const ops = [put(keys.cluster, { id: "x", createdMs: 1 })];
      expect((await old.commit({ ops })).kind).toBe("deposed");
      expect((await a.get(keys.cluster.key)).kv).toBeUndefined();
      expect((await now.commit({ ops })).kind).toBe("committed");
    });

    item(19, "a lost reply is OutcomeUnknown, never a plain false", async () => {
      w.loseReply();
      const t = { compare: [create("/t/a")], success: [putOp("/t/a", "mine")] };
      await expect(a.txn(t)).rejects.toMatchObject({ detail: { kind: "OutcomeUnknown" } });
      expect(text((await a.get("/t/a")).kv)).toBe("mine");
      expect((await a.txn(t)).ok).toBe(false);
    });

    elsewhere(20, "kill -9 after the ack: the write is there");

    item(21, "snapshot and restore: revisions never go back", async () => {
      await write(a, putOp("/t/a", "1"));
      await write(a, putOp("/t/a", "2"), putOp("/t/b"));
      const chunks: Uint8Array[] = [];
      for await (const chunk of a.snapshot()) chunks.push(chunk);
      const { rev: later } = await write(a, putOp("/t/lost"));
      const again = await w.restore(
        (async function* () {
          yield* chunks;
        })(),
      );
      const found = await listAll(again);
      expect(found.kvs.map((kv) => [kv.key, text(kv), kv.version])).toEqual([
        ["/t/a", "2", 2n],
        ["/t/b", "x", 1n],
      ]);
      expect((await write(again, putOp("/t/c"))).rev).toBeGreaterThan(later);
      await expect(take(again.watch([ALL], { fromRev: later, signal: never() }), 1)).rejects.toMatchObject({
        detail: { kind: "Compacted" },
      });
      await again.close();
    });

    item(22, "a denied watch or call poisons nothing else", async () => {
      await write(a, putOp("/t/a"), putOp("/t/b"));
      const { rev: old } = await write(a, putOp("/t/a"));
      await a.compact((await write(a, putOp("/t/a"))).rev);
      const fromRev = rev((await a.get("/t/a")).rev + 1n);
      const good = take(a.watch([ALL], { fromRev, signal: never() }), 3);
      for (let i = 0; i < 3; i++) {
        const watch = (range: Range, from: Rev) =>
          take(a.watch([range], { fromRev: from, signal: never() }), 1);
        await expect(watch({ from: "/t0", to: "/t/" }, fromRev)).rejects.toMatchObject({
          detail: { kind: "BadRequest" },
        });
        await expect(watch(ALL, old)).rejects.toMatchObject({ detail: { kind: "Compacted" } });
        await expect(write(a, putOp("/t/c", "x", 999n))).rejects.toMatchObject({
          detail: { kind: "LeaseNotFound" },
        });
        await expect(a.get("")).rejects.toMatchObject({ detail: { kind: "BadRequest" } });
        await write(w.b, putOp("/t/b", `${i}`));
      }
      expect((await good).map((m) => m.events.map((e) => `${e.kv.key} ${text(e.kv)}`))).toEqual([
        ["/t/b 0"],
        ["/t/b 1"],
        ["/t/b 2"],
      ]);
    });

    elsewhere(23, "a second process on the folder is refused; a dead owner's folder opens");
    elsewhere(24, "the leader of three is killed under load: writes resume, no event is lost or doubled");
  });
}
