import { expect, test } from "vitest";
import { SaiError } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import { MemoryDisk } from "../../test/support/memory-disk.js";
import { BlobCache } from "./blob-cache.js";

const blob = (n: number) => Buffer.alloc(100, n);
const hash = (n: number) => sha256(blob(n));

function cacheOf(disk = new MemoryDisk(), maxBytes = 300) {
  const logs: string[] = [];
  const cache = new BlobCache(
    disk,
    "/cache",
    maxBytes,
    lineLogger((line) => logs.push(line)),
  );
  const fetched: number[] = [];
  const get = async (n: number) => {
    const found = await cache.get(hash(n), async () => {
      fetched.push(n);
      return blob(n);
    });
    expect(found).toEqual(blob(n));
  };
  return { cache, disk, logs, fetched, get };
}

test("what was fetched once is not fetched again, in the next start neither", async () => {
  const { disk, fetched, get } = cacheOf();
  for (const n of [1, 2, 1, 2]) await get(n);
  expect(fetched).toEqual([1, 2]);
  const next = cacheOf(disk);
  for (const n of [1, 2, 3]) await next.get(n);
  expect(next.fetched).toEqual([3]);
});

test("it has at most so many bytes, and what was used longest ago goes first", async () => {
  const { disk, fetched, get } = cacheOf();
  for (const n of [1, 2, 3, 1, 4]) await get(n);
  expect(disk.files.size).toBe(3);
  for (const n of [1, 3, 4]) await get(n);
  expect(fetched).toEqual([1, 2, 3, 4]);
  await get(2);
  expect([fetched.at(-1), disk.files.size]).toEqual([2, 3]);
  expect(
    cacheOf(disk, 150)
      .get(4)
      .then(() => disk.files.size),
  ).resolves.toBe(1);
});

test("what is damaged, cut short or gone is fetched again", async () => {
  const { disk, logs, fetched, get } = cacheOf();
  for (const n of [1, 2, 3]) await get(n);
  const [a = "", b = "", c = ""] = [...disk.files.keys()];
  disk.files.set(a, Buffer.alloc(100, 9));
  disk.files.set(b, Buffer.alloc(50, 2));
  disk.files.delete(c);
  for (const n of [1, 2, 3, 1, 2, 3]) await get(n);
  expect([fetched, logs.length]).toEqual([[1, 2, 3, 1, 2, 3], 3]);
});

test("a full disk costs the cache and nothing else, and gets back what it has", async () => {
  const { cache, disk, fetched, get } = cacheOf();
  await get(1);
  disk.full = true;
  await get(2);
  await get(2);
  expect([fetched, disk.files.size]).toEqual([[1, 2, 2], 1]);
  await cache.clear();
  expect(disk.files.size).toBe(0);
});

test("what is given up while it is being written is not left on the disk, where nobody would count it", async () => {
  const disk = new MemoryDisk();
  const { cache, fetched, get } = cacheOf(disk);
  const write = disk.writeAtomic.bind(disk);
  let clears = true;
  disk.writeAtomic = async (path, data) => {
    if (clears) await cache.clear();
    clears = false;
    await write(path, data);
  };
  await get(1);
  expect(disk.files.size).toBe(0);
  for (const n of [1, 1]) await get(n);
  expect([fetched, disk.files.size]).toEqual([[1, 1], 1]);
});

test("what is left of a write that was cut off is removed, and a blob larger than all is not kept", async () => {
  const disk = new MemoryDisk();
  disk.files.set(`/cache/${hash(1)}-100.tmp`, Buffer.alloc(3));
  const { get } = cacheOf(disk, 99);
  await get(1);
  expect(disk.files.size).toBe(0);
});

test("what cannot be fetched is said so, and asked for again", async () => {
  const { cache, get } = cacheOf();
  const away = new SaiError("unavailable", "the store is away");
  await expect(cache.get(hash(1), () => Promise.reject(away))).rejects.toBe(away);
  await get(1);
});
