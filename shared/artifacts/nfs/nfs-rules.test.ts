/** The rules for NFS (files.ts), on a folder whose file system fails as NFS does; the faults are injected. */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sha256 } from "../../runtime/hash.js";
import { systemRandom } from "../../runtime/random.js";
import { type Files, nodeFiles } from "../files.js";
import { FolderStore } from "../folder-store.js";
import { collected } from "../promises.test-support.js";
import { casKey, getCas, putCas, recordsKey } from "../store.js";

const key = recordsKey("c-1", "j0000", 0, "1.1");
const bytes = Buffer.from("records of an attempt\n");

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sai-nfs-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const storeOn = (faults: Partial<Files>, nfs = true) =>
  new FolderStore(dir, systemRandom, { files: { ...nodeFiles, ...faults }, nfs });
const left = async () =>
  (await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
const fault = (code: string) => Object.assign(new Error(`${code}: as injected`), { code });

/** A file system whose `name` fails with ESTALE so many times. */
function stale(name: "open" | "stat" | "rename" | "readFile", times: number): Partial<Files> {
  let faults = times;
  const real = nodeFiles[name] as (...args: unknown[]) => Promise<unknown>;
  return {
    [name]: (...args: unknown[]) => (faults-- > 0 ? Promise.reject(fault("ESTALE")) : real(...args)),
  };
}

test.each([
  "open",
  "stat",
  "rename",
  "readFile",
] as const)("a stale %s is begun anew, twice, and then it is unavailable", async (name) => {
  const key2 = recordsKey("c-1", "j0000", 1, "1.1");
  await storeOn({}).put(key2, bytes);
  for (const work of [
    (store: FolderStore) => store.put(key, bytes),
    (store: FolderStore) => store.get(key2),
    (store: FolderStore) => store.size(key2),
  ]) {
    await work(storeOn(stale(name, 2)));
  }
  expect(await readFile(join(dir, key))).toEqual(bytes);
  const never = storeOn(stale(name, 99));
  const key3 = recordsKey("c-1", "j0000", 2, "1.1");
  // Writing a new key reads no file whole.
  const work = name === "readFile" ? never.get(key2) : never.put(key3, bytes);
  await expect(work).rejects.toMatchObject({ code: "unavailable" });
  expect((await left()).filter((one) => one.includes(".tmp-"))).toEqual([]);
});

test("a handle that goes stale in the middle of a write, at its sync or its close begins anew", async () => {
  for (const name of ["writeFile", "sync", "close"] as const) {
    let faults = 1;
    const store = storeOn({
      open: async (...args) => {
        const file = await nodeFiles.open(...args);
        if (args[1] !== "wx" || faults-- <= 0) return file;
        const real = file[name].bind(file) as () => Promise<void>;
        Object.assign(file, {
          [name]: async () => {
            if (name === "close") await real();
            throw fault("ESTALE");
          },
        });
        return file;
      },
    });
    const hash = await putCas(store, Buffer.from(name));
    expect((await store.get(casKey(hash))).toString()).toBe(name);
  }
  expect((await left()).filter((one) => one.includes(".tmp-"))).toEqual([]);
});

test("the error of a close counts: it may be the first word of a full disk", async () => {
  const store = storeOn({
    open: async (...args) => {
      const file = await nodeFiles.open(...args);
      const close = file.close.bind(file);
      if (args[1] === "wx")
        Object.assign(file, { close: () => close().then(() => Promise.reject(fault("ENOSPC"))) });
      return file;
    },
  });
  await expect(store.put(key, bytes)).rejects.toMatchObject({ code: "resource_exhausted" });
  expect(await left()).toEqual([]);
});

test("a rename that failed and was done is done; one that was not is not, and leaves nothing", async () => {
  const done = storeOn({
    rename: async (from, to) => {
      await rename(from, to);
      throw fault("ENOENT");
    },
  });
  await done.put(key, bytes);
  expect(await done.get(key)).toEqual(bytes);
  await done.remove(key);
  const refused = storeOn({ rename: () => Promise.reject(fault("EIO")) });
  await expect(refused.put(key, bytes)).rejects.toMatchObject({ code: "unavailable" });
  expect(await left()).toEqual([]);
  // On a local disk a rename means what it says.
  const local = storeOn(
    { rename: (from, to) => rename(from, to).then(() => Promise.reject(fault("EIO"))) },
    false,
  );
  await expect(local.put(key, bytes)).rejects.toMatchObject({ code: "unavailable" });
});

test("what the server lost after the rename is noticed at its place", async () => {
  const store = storeOn({
    rename: async (from, to) => {
      await rename(from, to);
      await writeFile(to, bytes.subarray(0, 3));
    },
  });
  const lost = { code: "unavailable", message: expect.stringContaining("3 of the 22 bytes") };
  await expect(store.put(key, bytes)).rejects.toMatchObject(lost);
  // The next try is none of another writer with other bytes.
  expect(await left()).toEqual([]);
  await storeOn({}).put(key, bytes);
  expect(await storeOn({}).get(key)).toEqual(bytes);
  await expect(putCas(store, bytes)).rejects.toMatchObject(lost);
  expect(await getCas(storeOn({}), await putCas(storeOn({}), bytes))).toEqual(bytes);
});

test("new folders are synced where they are named, those that are there are not", async () => {
  const synced: string[] = [];
  const store = storeOn({
    open: async (...args) => {
      const file = await nodeFiles.open(...args);
      const sync = file.sync.bind(file);
      const path = String(args[0]);
      if (args[1] === "r")
        Object.assign(file, { sync: () => sync().then(() => void synced.push(relative(dir, path))) });
      return file;
    },
  });
  await store.put(key, bytes);
  expect(synced).toEqual([
    ...["run/c-1/j0000/0", "run/c-1/j0000", "run/c-1", "run", ""],
    "run/c-1/j0000/0/1.1",
  ]);
  synced.length = 0;
  await store.put(recordsKey("c-1", "j0000", 0, "1.2"), bytes);
  expect(synced).toEqual(["run/c-1/j0000/0", "run/c-1/j0000/0/1.2"]);
});

test("a leftover that cannot be removed keeps no other, and is said", async () => {
  const temps = ["a.tmp-0123456789", "b.tmp-0123456789", "c.tmp-0123456789"];
  for (const name of temps) await writeFile(join(dir, name), "cut off");
  const store = storeOn({
    rm: (path, options) =>
      String(path).includes("b.tmp-") ? Promise.reject(fault("EACCES")) : rm(path, options),
  });
  await expect(store.removeLeftovers(-60_000)).rejects.toMatchObject({
    ...{ code: "unavailable", message: expect.stringContaining("b.tmp-") },
  });
  expect(await left()).toEqual(["b.tmp-0123456789"]);
});

test("a walk says that it goes on where it finds nothing; it stays below the root", async () => {
  for (const name of ["empty-1", "empty-2"]) await mkdir(join(dir, "run", name), { recursive: true });
  const store = storeOn({});
  await store.put(key, bytes);
  const steps = await collected(store.listing("run/"));
  expect([steps.length, steps.filter((found) => found !== undefined)]).toEqual([8, [key]]);
  await expect(collected(store.list("run/../../"))).rejects.toMatchObject({ code: "invalid_argument" });
});

test("a share that is not mounted any more is not written under, and what it has is not said to be gone", async () => {
  const store = storeOn({});
  const hash = await putCas(store, bytes);
  await rename(dir, `${dir}.mounted`);
  for (const work of [store.put(key, bytes), store.get(casKey(hash)), store.size(casKey(hash))])
    await expect(work).rejects.toMatchObject({ code: "unavailable" });
  await expect(store.receive(sha256("x"))).rejects.toMatchObject({ code: "unavailable" });
  expect(await left()).toEqual([]);
  await rename(`${dir}.mounted`, dir);
  expect(await store.get(casKey(hash))).toEqual(bytes);
  expect(await collected(store.list("cas/"))).toEqual([casKey(hash)]);
});
