import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open as openLmdb } from "lmdb";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "../../../shared/runtime/clock.js";
import { lineLogger } from "../../../shared/runtime/logger.js";
import { systemRandom } from "../../../shared/runtime/random.js";
import { SEED } from "../../../test/conformance/seeded.js";
import { FencedStore } from "../fenced-store.js";
import { keys } from "../keys.js";
import { readSnapshot } from "../memory-snapshot.js";
import { type KV, rev, type StateStore } from "../store.js";
import { openEmbeddedStore } from "./embedded-store.js";
import { checkPages } from "./pages.js";

vi.setConfig({ testTimeout: 120_000 }); // each opening starts a thread

let top: string;
let folder: string;
let logged: string[];
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "sai-embedded-"));
  folder = join(top, "deep", "state");
  logged = [];
});
afterEach(() => rmSync(top, { recursive: true }));

const open = (at = folder, more: object = {}) => {
  const log = lineLogger((line) => logged.push(line));
  return openEmbeddedStore({ folder: at, clock: systemClock, random: systemRandom, log, ...more });
};
const put = (store: StateStore, key: string, value: string | Uint8Array = "x") =>
  store.txn({ compare: [], success: [{ put: { key, value: Buffer.from(value) } }] });
async function all(store: StateStore): Promise<KV[]> {
  const kvs: KV[] = [];
  for await (const page of store.list({ from: "\0", to: "\u{10ffff}" })) kvs.push(...page.kvs);
  return kvs;
}
/** Writes into LMDB as another program would. */
async function meddle(change: (db: ReturnType<typeof openLmdb<Buffer, Buffer>>) => unknown): Promise<void> {
  const db = openLmdb<Buffer, Buffer>({
    path: folder,
    noSubdir: false,
    encoding: "binary",
    keyEncoding: "binary",
  });
  await change(db);
  await db.close();
}
const data = () => join(folder, "data.mdb");

test("what was acknowledged is found again, with its revisions and in any script", async () => {
  let store = await open();
  const big = new Uint8Array(70_000).fill(7);
  await put(store, "/k/a");
  await put(store, "/k/a", "2");
  await put(store, "/k/\u{10ffff}é", big);
  await put(store, "/k/gone");
  await store.txn({ compare: [], success: [{ del: { key: "/k/gone" } }] });
  const before = await all(store);
  await store.close();
  expect(existsSync(join(folder, "owner"))).toBe(false);
  expect([folder, data()].map((path) => statSync(path).mode & 0o077)).toEqual([0, 0]);

  store = await open();
  expect((await all(store)).map((kv) => ({ ...kv, value: Buffer.from(kv.value) }))).toEqual(before);
  expect((await store.get("/k/a")).rev).toBe(6n);
  expect((await put(store, "/k/b")).rev).toBe(7n);
  // The past is not kept over a restart.
  const watch = store.watch([{ key: "/k/a" }], { fromRev: rev(2n), signal: new AbortController().signal });
  await expect(watch[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    detail: { kind: "Compacted", compactRev: 6n },
  });
  await store.close();
});

test("leading again after a restart is possible at once, with a higher epoch", async () => {
  const self = { replica: "a", nonce: "n", address: "a" };
  const epochs: bigint[] = [];
  for (let i = 0; i < 3; i++) {
    const store = await open();
    const got = await FencedStore.acquire(store, self, { ttlMs: 6_000, clock: systemClock });
    if (got.kind !== "acquired") throw new Error(got.kind);
    epochs.push(got.store.epoch);
    expect(got.store.remainingMs(systemClock.nowMs() + 1e9)).toBe(4_000);
    await store.close(); // without resigning, as if it had died
    expect(got.store.lost.aborted).toBe(true);
  }
  expect(epochs).toEqual([...epochs].sort());
  expect(new Set(epochs).size).toBe(3);
  const store = await open();
  expect((await store.get(keys.leader.key)).kv).toBeUndefined();
  await store.close();
});

test("closing waits for what is under way", async () => {
  const store = await open();
  const writes = Array.from({ length: 20 }, (_, i) => put(store, `/k/${i}`));
  await new Promise((resolve) => setImmediate(resolve));
  await store.close();
  expect((await Promise.all(writes)).map((answer) => answer.ok)).not.toContain(false);
  await expect(put(store, "/k/late")).rejects.toMatchObject({ detail: { kind: "Unavailable" } });
  const again = await open();
  expect(await all(again)).toHaveLength(20);
  await again.close();
});

test("a snapshot goes into an empty folder only; one that was not finished is no store", async () => {
  const store = await open();
  for (let i = 0; i < 30; i++) await put(store, `/k/${i}`, `${i}`.repeat(1_000));
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.snapshot()) chunks.push(chunk);
  await store.close();
  const restore = await readSnapshot(
    (async function* () {
      yield* chunks;
    })(),
  );
  await expect(open(folder, { restore })).rejects.toMatchObject({ code: "failed_precondition" });
  folder = join(top, "other");
  const restored = await open(folder, { restore });
  expect(await all(restored)).toHaveLength(30);
  await restored.close();
  const again = await open();
  expect((await all(again)).map((kv) => kv.modRev)).toEqual(
    restore ? [...restore.kvs].map((kv) => kv.modRev) : [],
  );
  await again.close();
  await meddle((db) => db.put(Buffer.from("\x01head"), Buffer.from('{"rev":"1","keys":0,"bytes":0}')));
  await expect(open()).rejects.toThrow(/is damaged: it has 30 keys, and should have 0/);
});

test("a folder that cannot be written", async () => {
  writeFileSync(join(top, "file"), "");
  await expect(open(join(top, "file", "state"))).rejects.toMatchObject({
    code: "config",
    cause: expect.objectContaining({ message: expect.stringContaining("ENOTDIR") }),
    message: `the state store's folder ${join(top, "file", "state")} cannot be written`,
    hint: expect.stringContaining("store.path"),
  });
});

test("a folder of something else, and another program's database", async () => {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "notes.txt"), "mine");
  await expect(open()).rejects.toMatchObject({
    code: "config",
    message: `${folder} is no state store: it holds notes.txt`,
  });
  expect(existsSync(data())).toBe(false);
  rmSync(join(folder, "notes.txt"));
  await meddle((db) => db.put(Buffer.from("theirs"), Buffer.from("x")));
  await expect(open()).rejects.toThrow(`${folder} holds another program's LMDB database`);
});

test("a newer format says who wrote it", async () => {
  await (await open()).close();
  await meddle((db) =>
    db.put(Buffer.from("\x01format"), Buffer.from('{"format":2,"program":"sai","version":"9.1.0"}')),
  );
  await expect(open()).rejects.toMatchObject({
    code: "config",
    message: `the state store in ${folder} has format 2; this program writes 1`,
    hint: expect.stringContaining("version 9.1.0"),
  });
});

test("a file that was emptied, lost, cut off or overwritten is damaged, not new", async () => {
  const store = await open();
  for (let i = 0; i < 300; i++) await put(store, `/k/${String(i).padStart(4, "0")}`, "x".repeat(300));
  await put(store, "/k/big", "x".repeat(50_000));
  await store.close();
  const size = statSync(data()).size;
  copyFileSync(data(), join(top, "good"));
  const damage: [string, () => void][] = [
    ["emptied", () => truncateSync(data(), 0)],
    ["lost", () => rmSync(data())],
    ["cut", () => truncateSync(data(), size / 2)],
    ["cut to its first page", () => truncateSync(data(), 4096)],
    ["text", () => writeFileSync(data(), "not a database\n".repeat(1_000))],
    ["zeros", () => overwrite(Buffer.alloc(size - 8192))],
    ["garbage", () => overwrite(Buffer.alloc(size - 8192, 7))],
  ];
  const overwrite = (bytes: Buffer) => writeSync(openSync(data(), "r+"), bytes, 0, bytes.length, 8192);
  for (const [what, run] of damage) {
    copyFileSync(join(top, "good"), data());
    run();
    await expect(open(), what).rejects.toMatchObject({
      code: "config",
      message: expect.stringMatching(/is damaged: /),
      hint: expect.stringContaining("restore a snapshot"),
    });
  }
  copyFileSync(join(top, "good"), data());
  const again = await open();
  expect(await all(again)).toHaveLength(301);
  await again.close();
});

test("a single page that is not what it should be is found before LMDB reads it", async () => {
  const store = await open();
  for (let i = 0; i < 200; i++) await put(store, `/k/${String(i).padStart(4, "0")}`, "x".repeat(500));
  await put(store, "/k/big", "x".repeat(50_000));
  await store.close();
  const good = readFileSync(data());
  checkPages(openSync(data(), "r"));
  // Every page is overwritten in turn; those that nothing leads to do not matter, the others are all noticed.
  console.info(`pages: SEED=${SEED}`);
  let noticed = 0;
  for (let page = 0; page < good.length / 4096; page++) {
    const bytes = Buffer.from(good);
    for (let i = page * 4096; i < (page + 1) * 4096; i++)
      bytes[i] = (Math.imul(i + SEED, 2_654_435_761) >>> 13) & 255;
    writeFileSync(join(top, "bad"), bytes);
    try {
      checkPages(openSync(join(top, "bad"), "r"));
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
      noticed++;
    }
  }
  expect(noticed).toBeGreaterThan(25);
});
