/** The response cache over a real folder: what comes back, what does not, and how long anybody waits for it. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openFolderStore } from "../../shared/artifacts/folder-store.js";
import { type ArtifactStore, responseKey } from "../../shared/artifacts/store.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import { systemRandom } from "../../shared/runtime/random.js";
import { ManualClock } from "../../test/conformance/manual-clock.js";
import { until } from "../../test/support/until.js";
import type { EngineDone } from "../engines/engine.js";
import { type CachedAnswer, cacheable, entryBytes, readEntry } from "./cache-entry.js";
import { ResponseCache } from "./response-cache.js";

const KEY = "ab".repeat(32);
const answer: CachedAnswer = {
  ...{ text: "42\nand a line", finish: "stop", flags: ["x"] },
  tokens: { in: 3, out: 1, source: "server" },
};

let dir: string;
let store: ArtifactStore;
let clock: ManualClock;
let logs: string[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sai-responses-"));
  store = await openFolderStore(dir, systemRandom);
  clock = new ManualClock();
  logs = [];
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const cacheOf = (over: Partial<ArtifactStore> = {}, ttlMs = 60_000) =>
  new ResponseCache(
    {
      location: store.location,
      put: (key, data) => store.put(key, data),
      get: (key) => store.get(key),
      size: (key) => store.size(key),
      remove: (key) => store.remove(key),
      ...over,
    },
    ttlMs,
    { clock, log: lineLogger((line) => logs.push(line), "debug") },
  );

test("what was kept comes back, and what was not is a miss that nobody speaks of", async () => {
  const cache = cacheOf();
  await cache.keep([{ key: KEY, answer }]);
  expect(await cacheOf().find(KEY)).toEqual(answer);
  expect(await cache.find("cd".repeat(32))).toBeUndefined();
  expect(logs).toEqual([]);
});

test("the first answer of a key stays, until it is too old: then it goes, and the next one is kept", async () => {
  const cache = cacheOf();
  await cache.keep([{ key: KEY, answer }]);
  await cache.keep([{ key: KEY, answer: { ...answer, text: "second" } }]);
  expect((await cache.find(KEY))?.text).toBe(answer.text);
  await clock.advance(60_001);
  expect(await cache.find(KEY)).toBeUndefined();
  await cache.keep([{ key: KEY, answer: { ...answer, text: "third" } }]);
  expect((await cache.find(KEY))?.text).toBe("third");
});

test("what does not prove itself is a miss, said, and replaced", async () => {
  const cache = cacheOf();
  await cache.keep([{ key: KEY, answer }]);
  const path = join(dir, responseKey(KEY));
  const whole = await readFile(path, "utf8");
  const other = entryBytes("cd".repeat(32), clock.wallMs(), answer).toString();
  for (const damaged of [whole.replace("42", "43"), whole.slice(0, -20), "", other, `${whole}x`]) {
    await writeFile(path, damaged);
    logs = [];
    expect(await cache.find(KEY)).toBeUndefined();
    expect(logs.join()).toContain("a damaged answer in the response cache");
    await cache.keep([{ key: KEY, answer }]);
    expect(await cache.find(KEY)).toEqual(answer);
  }
});

test("bytes of anybody are an entry or a reason, never an exception", () => {
  const bytes = entryBytes(KEY, 1, answer);
  expect(readEntry(bytes, KEY)).toMatchObject({ ok: true, answer });
  for (let i = 0; i < bytes.byteLength; i += 1) {
    const flipped = Buffer.from(bytes);
    flipped[i] = (flipped[i] ?? 0) ^ 1;
    expect(readEntry(flipped, KEY).ok, `byte ${i}`).toBe(false);
  }
});

test("a store that says nothing is not waited for, and not asked again for a while; then it is", async () => {
  let asked = 0;
  let isHung = true;
  const cache = cacheOf({
    get: (key) => {
      asked += 1;
      return isHung ? new Promise(() => {}) : store.get(key);
    },
  });
  const finding = [cache.find(KEY), cache.find("cd".repeat(32))];
  await until("they are asked", () => asked === 2);
  await clock.advance(1_000);
  expect(await Promise.all(finding)).toEqual([undefined, undefined]);
  expect(await cache.find(KEY)).toBeUndefined();
  await cache.keep([{ key: KEY, answer }]);
  expect(asked).toBe(2);
  expect(logs.filter((line) => line.includes("the response cache cannot be used"))).toHaveLength(1);
  isHung = false;
  await clock.advance(30_000);
  await cache.keep([{ key: KEY, answer }]);
  expect(await cache.find(KEY)).toEqual(answer);
});

test("a store that is away is a miss at once, and nothing waits to be written", async () => {
  await rm(dir, { recursive: true });
  await writeFile(dir, "");
  const cache = cacheOf();
  expect(await cache.find(KEY)).toBeUndefined();
  await cache.keep(Array.from({ length: 100 }, (_, i) => ({ key: `${i}`.padStart(64, "0"), answer })));
  expect(logs).toHaveLength(1);
});

test("writing takes an attempt no longer than its deadline, and goes on without it", async () => {
  const put: (() => void)[] = [];
  const cache = cacheOf({ put: () => new Promise((resolve) => put.push(resolve)) });
  const keeping = cache.keep(
    Array.from({ length: 6 }, (_, i) => ({ key: `${i}`.padStart(64, "0"), answer })),
  );
  await until("four are on their way", () => put.length === 4);
  put[0]?.();
  await until("the next one follows", () => put.length === 5);
  await clock.advance(2_000);
  await keeping;
});

test("only whole answers of the model that was asked are kept", () => {
  const done: EngineDone = { kind: "done", tNs: 0, refused: false, server: {}, ...answer };
  expect(cacheable(done)).toEqual(answer);
  expect(cacheable({ ...done, finish: "length" })).toBeDefined();
  expect(cacheable({ ...done, finish: "filter" })).toBeUndefined();
  expect(cacheable({ ...done, finish: "tool" })).toBeUndefined();
  expect(cacheable({ ...done, refused: true })).toBeUndefined();
  expect(cacheable({ ...done, flags: ["served_as:another"] })).toBeUndefined();
});
