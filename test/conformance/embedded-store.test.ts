import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open as openLmdb } from "lmdb";
import { afterEach, expect } from "vitest";
import { openEmbeddedStore } from "../../coordinator/store/embedded/embedded-store.js";
import { readSnapshot } from "../../coordinator/store/memory-snapshot.js";
import { type KV, prefix, rev, type StateStore, type WatchMsg } from "../../coordinator/store/store.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { silentLogger } from "../../shared/runtime/logger.js";
import { systemRandom } from "../../shared/runtime/random.js";
import { type StoreProcess, startStoreProcess } from "../support/store-process.js";
import { ManualClock } from "./manual-clock.js";
import { SEED } from "./seeded.js";
import { storeConformance } from "./store-conformance.js";

const parts = { random: systemRandom, log: silentLogger() };
const folders: string[] = [];
const processes: StoreProcess[] = [];
const newFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), "sai-store-"));
  folders.push(folder);
  return folder;
};
const child = () => {
  const started = startStoreProcess();
  processes.push(started);
  return started;
};
afterEach(async () => {
  await Promise.all(processes.splice(0).map((p) => p.kill()));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});
const openHere = (folder: string) => openEmbeddedStore({ folder, clock: systemClock, ...parts });

async function all(store: StateStore): Promise<KV[]> {
  const kvs: KV[] = [];
  for await (const page of store.list(prefix("/t/"))) kvs.push(...page.kvs);
  return kvs;
}

storeConformance(
  "embedded",
  async () => {
    const clock = new ManualClock();
    let lose = false;
    const hook = {
      request: async () => undefined,
      reply: async () => {
        if (!lose) return;
        lose = false;
        throw new Error("connection cut");
      },
    };
    const a = await openEmbeddedStore({ folder: newFolder(), clock, ...parts, hook, watchBound: 100 });
    return {
      a,
      b: a,
      clock,
      advance: (ms) => clock.advance(ms),
      stall: (ms) => clock.stall(ms),
      loseReply: () => {
        lose = true;
      },
      restore: async (chunks) =>
        openEmbeddedStore({ folder: newFolder(), clock, ...parts, restore: await readSnapshot(chunks) }),
      close: () => a.close(),
    };
  },
  {
    own: {
      15: leasesEndWithTheirProcess,
      16: aStoppedProcessKeepsItsLeases,
      20: killedAfterTheAck,
      23: oneOwner,
    },
    notApplicable: { 24: "it has one node" },
  },
);

async function leasesEndWithTheirProcess(): Promise<void> {
  const folder = newFolder();
  const holder = child();
  await holder.ask({ do: "open", folder });
  const held = await holder.ask({ do: "hold", ttlMs: 6_000 });
  await holder.kill();
  const store = await openHere(folder);
  const at = BigInt(String(held["rev"]));
  const signal = new AbortController().signal;
  const watch = store.watch([prefix("/t/")], { fromRev: rev(at + 1n), signal })[Symbol.asyncIterator]();
  const { rev: gone, events } = (await watch.next()).value as WatchMsg;
  expect([gone, events.map((e) => `${e.type} ${e.kv.key}`)]).toEqual([
    at + 1n,
    ["delete /t/a", "delete /t/b"],
  ]);
  expect((await all(store)).map((kv) => kv.key)).toEqual(["/t/c"]);
  await store.grantLease(6_000); // gets an id that was never given before
  const late = { put: { key: "/t/d", value: new Uint8Array(1), lease: BigInt(String(held["lease"])) } };
  await expect(store.txn({ compare: [], success: [late] })).rejects.toMatchObject({
    detail: { kind: "LeaseNotFound" },
  });
  await store.close();
}

/** Nobody can use a lease up while its process owns the folder; so it lasts, and is lost before another's first write. */
async function aStoppedProcessKeepsItsLeases(): Promise<void> {
  const folder = newFolder();
  const leader = child();
  await leader.ask({ do: "open", folder });
  await leader.ask({ do: "lead", ttlMs: 100 });
  leader.signal("SIGSTOP");
  const stopped = openHere(folder);
  await expect(stopped).rejects.toThrow(`in use by process ${leader.pid}`);
  await new Promise((resolve) => setTimeout(resolve, 1_000)); // ten times its TTL
  leader.signal("SIGCONT");
  expect(await leader.ask({ do: "commit", key: "/t/a" })).toMatchObject({
    kind: "committed",
    lostBefore: false,
    lost: false,
  });

  leader.signal("SIGSTOP");
  const taken = { nonce: "another", pid: 1, startTicks: "1", host: "elsewhere" };
  const raw = openLmdb({
    path: folder,
    noSubdir: false,
    encoding: "binary",
    keyEncoding: "binary",
    overlappingSync: false,
  });
  await raw.put(Buffer.from("\x01owner"), Buffer.from(JSON.stringify(taken)));
  await raw.close();
  leader.signal("SIGCONT");
  expect(await leader.ask({ do: "commit", key: "/t/b" })).toEqual({
    error: expect.stringContaining("process 1 on elsewhere has taken it"),
  });
  expect(await leader.ask({ do: "commit", key: "/t/c" })).toMatchObject({ kind: "deposed", lost: true });
  await leader.kill();
  const store = await openHere(folder);
  expect((await all(store)).map((kv) => kv.key)).toEqual(["/t/a"]);
  await store.close();
}

async function killedAfterTheAck(): Promise<void> {
  const folder = newFolder();
  const acked = new Map<number, string>();
  let seed = SEED;
  console.info(`kill -9 after the ack: SEED=${SEED}`);
  for (let from = 0, kills = 0; kills < 5; kills++, from += 1_000) {
    const writer = child();
    await writer.ask({ do: "open", folder });
    writer.tell({ do: "write", from, to: from + 1_000 });
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    const wanted = acked.size + 20 + (seed % 60);
    let dying: Promise<void> | undefined;
    for (let said = await writer.next(); said; said = await writer.next()) {
      if (said["acked"] === undefined) throw new Error(JSON.stringify(said));
      acked.set(Number(said["acked"]), String(said["rev"]));
      if (acked.size >= wanted) dying ??= writer.kill();
    }
    await dying;

    const store = await openHere(folder);
    const found = new Map<number, KV[]>();
    for (const kv of await all(store)) {
      const i = Number(kv.key.split("/")[2]);
      found.set(i, [...(found.get(i) ?? []), kv]);
    }
    for (const kvs of found.values()) {
      expect(kvs).toHaveLength(3); // no half transaction
      expect(new Set(kvs.map((kv) => kv.modRev)).size).toBe(1);
    }
    for (const [i, at] of acked) expect(String(found.get(i)?.[0]?.modRev), `write ${i}`).toBe(at);
    // What is there is everything up to some revision.
    const revs = [...found.values()].map((kvs) => kvs[0]?.modRev ?? 0n).sort((x, y) => Number(x - y));
    expect(revs).toEqual(revs.map((_, n) => BigInt(n) + 2n));
    await store.close();
  }
}

async function oneOwner(): Promise<void> {
  const folder = newFolder();
  const owner = child();
  await owner.ask({ do: "open", folder });
  await expect(openHere(folder)).rejects.toMatchObject({
    code: "config",
    message: expect.stringMatching(new RegExp(`${folder} is in use by process ${owner.pid} on `)),
    hint: expect.stringContaining("store.path"),
  });
  await expect(openHere(folder)).rejects.not.toHaveProperty("cause");
  await owner.ask({ do: "write", from: 0, to: 1 });
  await owner.kill();
  const heir = await openHere(folder);
  expect(await all(heir)).toHaveLength(3);
  await expect(openHere(folder)).rejects.toThrow(`in use by process ${process.pid}`);
  await heir.close();
  await (await openHere(folder)).close();
}
