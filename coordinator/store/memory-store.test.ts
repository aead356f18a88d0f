import { expect, test } from "vitest";
import { ManualClock } from "../../test/conformance/manual-clock.js";
import { readSnapshot } from "./memory-snapshot.js";
import { openMemoryStore } from "./memory-store.js";
import { prefix, rev } from "./store.js";

const bytes = (text: string) => new TextEncoder().encode(text);

test("history is bounded by revisions and by bytes", async () => {
  const clock = new ManualClock();
  const few = openMemoryStore({ clock, historyRevs: 3 });
  const small = openMemoryStore({ clock, historyBytes: 100 });
  for (let i = 0; i < 10; i++) {
    const t = { compare: [], success: [{ put: { key: `/k/${i}`, value: bytes("x".repeat(40)) } }] };
    await few.txn(t);
    await small.txn(t);
  }
  for (const [store, oldest] of [
    [few, 9n],
    [small, 10n],
  ] as const) {
    const watch = (fromRev: bigint) =>
      store.watch([prefix("/k/")], { fromRev: rev(fromRev), signal: new AbortController().signal });
    const fine = watch(oldest)[Symbol.asyncIterator]();
    expect((await fine.next()).value.rev).toBe(oldest);
    await expect(
      watch(oldest - 1n)
        [Symbol.asyncIterator]()
        .next(),
    ).rejects.toMatchObject({
      detail: { kind: "Compacted", compactRev: oldest },
    });
    await store.close();
  }
});

test("a full store refuses puts and takes deletions", async () => {
  const store = openMemoryStore({ clock: new ManualClock(), quotaBytes: 10 });
  await store.txn({ compare: [], success: [{ put: { key: "/k/a", value: bytes("12345") } }] });
  const more = { compare: [], success: [{ put: { key: "/k/b", value: bytes("12345") } }] };
  await expect(store.txn(more)).rejects.toMatchObject({ detail: { kind: "NoSpace", usedBytes: 9 } });
  await store.txn({ compare: [], success: [{ del: { key: "/k/a" } }] });
  await store.txn(more);
  expect(await store.usage()).toEqual({ usedBytes: 9, quotaBytes: 10 });
  await store.close();
});

test("the last part of the quota is for what makes room: changes, leases, whatever creates nothing", async () => {
  const store = openMemoryStore({ clock: new ManualClock(), quotaBytes: 1_000 });
  const put = (key: string, n: number, lease?: bigint) =>
    store.txn({
      compare: [],
      success: [{ put: { key, value: new Uint8Array(n), ...(lease === undefined ? {} : { lease }) } }],
    });
  await put("/k/a", 900);
  await expect(put("/k/b", 60)).rejects.toMatchObject({ detail: { kind: "NoSpace" } });
  await put("/k/a", 930);
  const lease = await store.grantLease(6_000);
  await put("/k/l", 30, lease.id);
  await expect(put("/k/a", 970)).rejects.toMatchObject({ detail: { kind: "NoSpace" } });
  await put("/k/a", 10);
  await put("/k/b", 60);
  await store.close();
});

test("closing ends watches and leases and leaves no timer", async () => {
  const clock = new ManualClock();
  const store = openMemoryStore({ clock });
  const lease = await store.grantLease(6_000);
  const watch = store.watch([prefix("/k/")], { fromRev: rev(1n), signal: new AbortController().signal });
  const next = watch[Symbol.asyncIterator]().next();
  const ended = expect(next).rejects.toMatchObject({ detail: { kind: "Unavailable" } });
  await store.close();
  await ended;
  expect(lease.lost.aborted).toBe(true);
  expect(clock.pendingTimers).toBe(0);
  await expect(store.get("/k/a")).rejects.toMatchObject({ detail: { kind: "Unavailable" } });
});

test("a snapshot that is cut off anywhere, or changed in any byte, is not restored", async () => {
  const store = openMemoryStore({ clock: new ManualClock() });
  for (const key of ["/k/a", "/k/b", "/k/c"]) {
    await store.txn({ compare: [], success: [{ put: { key, value: bytes("1") } }] });
  }
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.snapshot()) chunks.push(chunk);
  await store.close();
  const whole = Buffer.concat(chunks);
  const read = (some: Uint8Array) =>
    readSnapshot(
      (async function* () {
        yield some;
      })(),
    );
  expect([...(await read(whole)).kvs].map(({ key }) => key)).toEqual(["/k/a", "/k/b", "/k/c"]);
  for (let at = 0; at < whole.byteLength - 1; at += 1) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ 1;
    for (const damaged of [whole.subarray(0, at), changed]) {
      await expect(read(damaged), `at byte ${at}`).rejects.toMatchObject({ code: "internal" });
    }
  }
});
