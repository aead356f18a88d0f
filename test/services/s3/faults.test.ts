/** What is stored on a real S3 server while it, its disk, its credentials or the writer fail: hashes right, nothing lost. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, inject, test } from "vitest";
import { large } from "../../../shared/artifacts/promises.test-support.js";
import { S3Store } from "../../../shared/artifacts/s3/s3-store.js";
import { casKey, getCas, putCas, recordsKey } from "../../../shared/artifacts/store.js";
import { systemClock } from "../../../shared/runtime/clock.js";
import { sha256 } from "../../../shared/runtime/hash.js";
import { systemRandom } from "../../../shared/runtime/random.js";
import { s3Options } from "../../support/s3-options.js";
import { BUCKET, KEYS, type S3Server, startS3 } from "../../support/s3-server.js";
import { smallDisk } from "../../support/small-disk.js";
import { until } from "../../support/until.js";

const LIMITS = { connectMs: 2_000, silenceMs: 3_000, leastBytesPerS: 4e6, tries: 3 };
const key = recordsKey("c-1", "j0000", 0, "1.1");

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function serverOf(root?: string): Promise<S3Server> {
  const server = await startS3(inject("s3"), root);
  ends.push(() => server.close());
  return server;
}

function storeOf(server: S3Server, more: object = {}): S3Store {
  const parts = { clock: systemClock, random: systemRandom, limits: LIMITS };
  const store = new S3Store({ ...s3Options(server.endpoint, KEYS), ...more }, parts);
  ends.push(() => store.close());
  return store;
}

test("a server that is killed in the middle, and comes back with what it had", async () => {
  const server = await serverOf();
  const store = storeOf(server);
  const before = await putCas(store, large(1));
  const under = Promise.allSettled([store.put(key, large(2)), getCas(store, before)]);
  await server.kill();
  for (const one of await under)
    if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "unavailable" });
  await expect(store.put(key, large(2))).rejects.toMatchObject({ code: "unavailable" });
  await server.start();
  await store.put(key, large(2));
  expect(sha256(await store.get(key))).toBe(sha256(large(2)));
  expect(sha256(await getCas(store, before))).toBe(before);
});

test("a server that hangs is not waited for, and used again when it goes on", async () => {
  const server = await serverOf();
  const store = storeOf(server);
  const hash = await putCas(store, Buffer.from("before"));
  server.stop();
  const late = { code: "unavailable" };
  await expect(getCas(store, hash)).rejects.toMatchObject(late);
  await expect(store.put(key, Buffer.from("records"))).rejects.toMatchObject(late);
  server.goOn();
  expect((await getCas(store, hash)).toString()).toBe("before");
  // The write that nobody waited for may have been done meanwhile: the same bytes are no error.
  await store.put(key, Buffer.from("records"));
});

test("keys that are not valid any more, until new ones lie in the file", async () => {
  const server = await serverOf();
  const folder = mkdtempSync(join(tmpdir(), "sai-keys-"));
  ends.push(() => rmSync(folder, { recursive: true }));
  const credentialsFile = join(folder, "credentials");
  const say = (id: string, secret: string) =>
    writeFileSync(credentialsFile, `[default]\naws_access_key_id=${id}\naws_secret_access_key=${secret}\n`);
  say(KEYS.accessKeyId, KEYS.secretAccessKey);
  const store = storeOf(server, { accessKeyId: undefined, secretAccessKey: undefined, credentialsFile });
  const hash = await putCas(store, Buffer.from("before"));
  await server.kill();
  await server.start({ accessKeyId: "new-key", secretAccessKey: "new-secret" });
  const refused = { code: "unavailable", hint: expect.stringContaining("renew the credentials") };
  await expect(store.put(key, Buffer.from("records"))).rejects.toMatchObject(refused);
  await expect(getCas(store, hash)).rejects.toMatchObject(refused);
  say("new-key", "new-secret");
  await store.put(key, Buffer.from("records"));
  expect((await getCas(store, hash)).toString()).toBe("before");
});

test("a server whose disk is full: what was stored stays, and the rest is stored when there is room", async () => {
  const disk = smallDisk(64 * 1024 * 1024);
  ends.push(() => disk.close());
  // Without a tmpfs there is no disk to fill.
  if (disk.how !== "tmpfs") throw new Error("no tmpfs can be mounted here: run these tests as root");
  const server = await serverOf(join(disk.folder, "state"));
  const store = storeOf(server);
  const hashes = await stored(store);
  expect(hashes.length).toBeGreaterThan(0);
  disk.makeRoom(0);
  const last = await putCas(store, aBlob(hashes.length));
  for (const hash of [...hashes, last]) expect(sha256(await getCas(store, hash))).toBe(hash);
});

const aBlob = (seed: number) => large(seed).subarray(0, 7_000_000);

/** The hashes of what a disk has room for; then it refuses. */
async function stored(store: S3Store): Promise<string[]> {
  const hashes: string[] = [];
  for (let n = 0; n < 10; n++) {
    try {
      hashes.push(await putCas(store, aBlob(n)));
    } catch (error) {
      expect(error).toMatchObject({
        code: "resource_exhausted",
        hint: expect.stringContaining("free space"),
      });
      return hashes;
    }
  }
  throw new Error("the disk is not full");
}

test("a writer that is killed in the middle of an upload leaves nothing that counts, and the next one ends it", async () => {
  const server = await serverOf();
  const store = storeOf(server);
  const bytes = Buffer.concat([large(5), large(6), large(7)]);
  const hash = sha256(bytes);
  const writer = fileURLToPath(new URL("../../support/s3-writer-main.ts", import.meta.url));
  const child: ChildProcess = spawn(
    process.execPath,
    ["--import", "tsx", writer, server.endpoint, "5", "6", "7"],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  ends.push(() => child.kill("SIGKILL"));
  // It says so when its first parts are there, and goes on.
  const [said] = (await once(child.stdout ?? child, "data")) as [Buffer];
  expect(said.toString()).toMatch(/^parts/);
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
  expect(await store.size(casKey(hash))).toBeUndefined();
  expect(await putCas(store, bytes)).toBe(hash);
  expect(sha256(await getCas(store, hash))).toBe(hash);
  await until("what it left is removed", async () => (await store.removeLeftovers(-60_000)) > 0);
  expect(await store.removeLeftovers(-60_000)).toBe(0);
  expect(sha256(await getCas(store, hash))).toBe(hash);
  expect(server.folder.endsWith(BUCKET)).toBe(true);
});
