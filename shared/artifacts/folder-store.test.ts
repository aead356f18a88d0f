import { type FileHandle, mkdir, mkdtemp, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { sha256 } from "../runtime/hash.js";
import { systemRandom } from "../runtime/random.js";
import { openFolderStore } from "./folder-store.js";
import type { IncomingStore } from "./incoming.js";
import { type ArtifactStore, casKey, getCas, putCas, recordsKey } from "./store.js";

let dir: string;
let store: ArtifactStore & IncomingStore;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sai-artifacts-"));
  store = await openFolderStore(dir, systemRandom);
});
afterEach(() => {
  vi.restoreAllMocks();
  return rm(dir, { recursive: true, force: true });
});

test("what was put comes back, by key and by hash", async () => {
  const hash = await putCas(store, Buffer.from("fire"));
  expect((await getCas(store, hash)).toString()).toBe("fire");
  expect(await store.size(casKey(hash))).toBe(4);
  expect(await readdir(join(dir, "cas", "sha256", hash.slice(0, 2)))).toEqual([hash]);
});

test("the same bytes again are fine, other bytes are refused and change nothing", async () => {
  const key = recordsKey("c-1", "j0000", 0, "1.1");
  await store.put(key, Buffer.from("a"));
  await store.put(key, Buffer.from("a"));
  await expect(store.put(key, Buffer.from("b"))).rejects.toMatchObject({ code: "already_exists" });
  expect((await store.get(key)).toString()).toBe("a");
});

test("a damaged blob is noticed when it is read by hash", async () => {
  const hash = await putCas(store, Buffer.from("smoke"));
  await writeFile(join(dir, casKey(hash)), "smoek");
  await expect(getCas(store, hash)).rejects.toThrow(/has SHA-256 .* expected/);
});

test("keys stay below the root", async () => {
  for (const key of ["../x", "a/../b", "/etc/x", "a//b", "", "a/.", "a\0b", "..", "a/..."]) {
    await expect(store.put(key, Buffer.from("x")), key).rejects.toMatchObject({ code: "invalid_argument" });
  }
  await expect(store.get("cas/none")).rejects.toMatchObject({ code: "not_found" });
});

test("a folder that cannot be made is named", async () => {
  await writeFile(join(dir, "file"), "");
  await expect(openFolderStore(join(dir, "file", "x"), systemRandom)).rejects.toThrow(
    /artifacts.dir .*cannot be made/,
  );
});

test("a folder that went away is unavailable for everything, and works again when it is back", async () => {
  const hash = await putCas(store, Buffer.from("ash"));
  await rename(dir, `${dir}.away`);
  await writeFile(dir, "no folder");
  const key = recordsKey("c-1", "j0000", 0, "1.1");
  const unavailable = { code: "unavailable", hint: expect.stringContaining("mount") };
  await expect(store.put(key, Buffer.from("a"))).rejects.toMatchObject(unavailable);
  await expect(getCas(store, hash)).rejects.toMatchObject(unavailable);
  await expect(store.size(key)).rejects.toMatchObject(unavailable);
  await expect(store.remove(key)).rejects.toMatchObject(unavailable);
  await rm(dir);
  await rename(`${dir}.away`, dir);
  await store.put(key, Buffer.from("a"));
  expect((await getCas(store, hash)).toString()).toBe("ash");
});

test("a place that cannot be looked at, or made, is unavailable and no raw error", async () => {
  // A file where the folder of the key should be: mkdir refuses.
  await writeFile(join(dir, "run"), "");
  const key = recordsKey("c-1", "j0000", 0, "1.1");
  await expect(store.put(key, Buffer.from("a"))).rejects.toMatchObject({ code: "unavailable" });
  // A folder where the blob should be: it cannot be read for comparing. 4096 bytes or none, as file systems like.
  await mkdir(join(dir, "probe", "n1"), { recursive: true });
  const size = (await store.size("probe/n1")) ?? 0;
  await expect(store.put("probe/n1", Buffer.alloc(size))).rejects.toMatchObject({ code: "unavailable" });
});

const below = async () =>
  (await readdir(join(dir, "cas"), { recursive: true, withFileTypes: true })).filter((e) => e.isFile());

test("a blob that comes in pieces is there with its last byte, once, and not at all under another hash", async () => {
  const hash = sha256("in pieces");
  const first = await store.receive(hash);
  await first.write(Buffer.from("in "));
  expect(await store.size(casKey(hash))).toBeUndefined();
  const second = await store.receive(hash);
  await second.write(Buffer.from("in "));
  for (const blob of [first, second]) await blob.write(Buffer.from("pieces"));
  for (const blob of [first, second]) {
    expect(await blob.commit()).toEqual({ sha256: hash, stored: true });
    await blob.abort();
  }
  expect((await getCas(store, hash)).toString()).toBe("in pieces");
  const other = await store.receive(sha256("announced"));
  await other.write(Buffer.from("another"));
  expect(await other.commit()).toEqual({ sha256: sha256("another"), stored: false });
  await other.abort();
  expect((await below()).map(({ name }) => name)).toEqual([hash]);
});

test("a blob of 100 MiB that comes in pieces takes no memory of its size", async () => {
  const piece = Buffer.alloc(1024 * 1024, 7);
  const blob = await store.receive(sha256("whatever"));
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (let i = 0; i < 100; i++) {
    await blob.write(piece);
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  expect((await below()).length).toBe(1);
  await blob.abort();
  expect(most).toBeLessThan(16 * 1024 * 1024);
  expect(await below()).toEqual([]);
});

test("a blob that is damaged in its place is replaced by whoever has it whole, at once or in pieces", async () => {
  const hash = await putCas(store, Buffer.from("whole"));
  await writeFile(join(dir, casKey(hash)), "WHOLE");
  expect(await putCas(store, Buffer.from("whole"))).toBe(hash);
  expect((await getCas(store, hash)).toString()).toBe("whole");
  await writeFile(join(dir, casKey(hash)), "who");
  const blob = await store.receive(hash);
  await blob.write(Buffer.from("whole"));
  expect(await blob.commit()).toMatchObject({ stored: true });
  expect((await getCas(store, hash)).toString()).toBe("whole");
  expect((await below()).map(({ name }) => name)).toEqual([hash]);
});

test("pieces for a place that cannot be written are refused and leave nothing", async () => {
  const hash = await putCas(store, Buffer.from("whole"));
  await rm(join(dir, "cas"), { recursive: true });
  await writeFile(join(dir, "cas"), "a file where the folder was");
  await expect(store.receive(hash)).rejects.toMatchObject({ code: "unavailable" });
});

test("a write that comes out short or wrong is noticed before anybody can read the blob", async () => {
  const key = recordsKey("c-1", "j0000", 0, "1.1");
  const hash = sha256("in pieces");
  const loses = vi.spyOn(await fileHandles(), "writeFile");
  loses.mockImplementation(async function (this: FileHandle, data) {
    await this.write((data as Buffer).subarray(0, -1));
  });
  const lost = { code: "unavailable", message: expect.stringContaining("8 of the 9 bytes") };
  await expect(store.put(key, Buffer.from("in pieces"))).rejects.toMatchObject(lost);
  const blob = await store.receive(hash);
  await blob.write(Buffer.from("in pieces"));
  await expect(blob.commit()).rejects.toMatchObject(lost);
  await blob.abort();
  loses.mockImplementation(async function (this: FileHandle, data) {
    await this.write(Buffer.from(data as Buffer).reverse());
  });
  await expect(store.put(key, Buffer.from("in pieces"))).rejects.toMatchObject({
    ...{ code: "unavailable", message: expect.stringContaining("other bytes") },
  });
  vi.restoreAllMocks();
  const left = await readdir(dir, { recursive: true, withFileTypes: true });
  expect(left.filter((one) => one.isFile())).toEqual([]);
  await store.put(key, Buffer.from("in pieces"));
  expect((await store.get(key)).toString()).toBe("in pieces");
});

/** What all open files have in common. */
async function fileHandles(): Promise<FileHandle> {
  const file = await open(join(dir, "any"), "w");
  await file.close();
  await rm(join(dir, "any"));
  return Object.getPrototypeOf(file);
}
