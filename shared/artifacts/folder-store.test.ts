import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemRandom } from "../runtime/random.js";
import { openFolderStore } from "./folder-store.js";
import { type ArtifactStore, casKey, getCas, putCas, recordsKey } from "./store.js";

let dir: string;
let store: ArtifactStore;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "sai-artifacts-"));
  store = await openFolderStore(dir, systemRandom);
});
afterEach(() => rm(dir, { recursive: true, force: true }));

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
