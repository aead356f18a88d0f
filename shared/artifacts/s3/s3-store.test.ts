/** What the store makes of answers that real servers give only in bad times; the server is a labelled stand-in. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { s3Options } from "../../../test/support/s3-options.js";
import { refuse, type ScriptedS3, startScriptedS3 } from "../../../test/support/scripted-s3.js";
import { systemClock } from "../../runtime/clock.js";
import { sha256 } from "../../runtime/hash.js";
import { systemRandom } from "../../runtime/random.js";
import { large } from "../promises.test-support.js";
import { casKey, getCas, putCas, recordsKey } from "../store.js";
import { S3Store } from "./s3-store.js";

const KEYS = { accessKeyId: "key-1", secretAccessKey: "secret" };
const LIMITS = { connectMs: 10_000, silenceMs: 20_000, leastBytesPerS: 10e6, tries: 1 };
const key = recordsKey("c-1", "j0000", 0, "1.1");
const bytes = Buffer.from("records of an attempt\n".repeat(100));

let s3: ScriptedS3;
let store: S3Store;
beforeEach(async () => {
  s3 = await startScriptedS3();
  store = storeWith();
});
afterEach(async () => {
  await store.close();
  await s3.close();
});

const storeWith = (more: Partial<ConstructorParameters<typeof S3Store>[0]> = {}, limits = LIMITS) =>
  new S3Store(
    { ...s3Options(s3.endpoint, KEYS), prefix: "sai/", ...more },
    {
      ...{ clock: systemClock, random: systemRandom, limits },
    },
  );

const isAt = (wanted: string) => `sai/${wanted}`;
const isGet = ({ method, key: at }: { method: string; key: string }) => method === "GET" && at === isAt(key);

test("the answer to a write is lost after it was done: the next try finds the same bytes", async () => {
  let lost = false;
  s3.script = ({ method, key: at, body }, response) => {
    if (lost || method !== "PUT" || at !== isAt(key)) return false;
    lost = true;
    s3.objects.set(at, body);
    response.destroy();
    return true;
  };
  await expect(store.put(key, bytes)).rejects.toMatchObject({ code: "unavailable" });
  await store.put(key, bytes);
  expect(s3.objects.get(isAt(key))).toEqual(bytes);
});

test("412 with other bytes is refused and changes nothing; a damaged blob by hash is replaced", async () => {
  s3.objects.set(isAt(key), Buffer.from("another's"));
  await expect(store.put(key, bytes)).rejects.toMatchObject({ code: "already_exists" });
  expect(s3.objects.get(isAt(key))?.toString()).toBe("another's");
  s3.objects.set(isAt(casKey(sha256(bytes))), Buffer.from("damaged"));
  expect(await putCas(store, bytes)).toBe(sha256(bytes));
  expect(await getCas(store, sha256(bytes))).toEqual(bytes);
  const whole = large(5);
  s3.objects.set(isAt(casKey(sha256(whole))), Buffer.from("damaged"));
  await putCas(store, whole);
  expect(sha256(await store.get(casKey(sha256(whole))))).toBe(sha256(whole));
  expect(s3.uploads.size).toBe(0);
});

test("a server that overlooks the condition is found out, and asked for the key before a write", async () => {
  s3.honours = false;
  expect(await store.check()).toMatch(/honours no conditional writes/);
  await store.put(key, bytes);
  await store.put(key, bytes);
  await expect(store.put(key, Buffer.from("b"))).rejects.toMatchObject({ code: "already_exists" });
  expect(s3.objects.get(isAt(key))).toEqual(bytes);
});

test("a server that refuses the condition as unknown is used without it", async () => {
  const conditional = new Set<string>();
  s3.script = ({ method, key: at }, response) => {
    if (method !== "PUT" || !at.includes("condition-") || conditional.has(at)) return false;
    conditional.add(at);
    return refuse(response, 501, "NotImplemented");
  };
  expect(await store.check()).toMatch(/honours no conditional writes/);
  await store.put(key, bytes);
});

test("a read that is cut off is unavailable, and never a short blob", async () => {
  await store.put(key, bytes);
  s3.script = (request, response) => {
    if (!isGet(request)) return false;
    response.writeHead(200, { "content-length": bytes.byteLength });
    response.write(bytes.subarray(0, 100), () => response.destroy());
    return true;
  };
  await expect(store.get(key)).rejects.toMatchObject({ code: "unavailable" });
});

test("a write that the server kept short or wrong is noticed, and the next one is whole", async () => {
  let keeps = (body: Buffer) => body.subarray(0, -1);
  s3.script = ({ method, key: at, body }, response) => {
    if (method !== "PUT" || at !== isAt(key)) return false;
    s3.objects.set(at, keeps(body));
    response.writeHead(200, { etag: '"1"' }).end();
    return true;
  };
  const short = { code: "unavailable", message: expect.stringContaining(`${bytes.byteLength - 1} of the`) };
  await expect(store.put(key, bytes)).rejects.toMatchObject(short);
  keeps = (body) => Buffer.from(body).reverse();
  const wrong = { code: "unavailable", message: expect.stringContaining("other bytes") };
  await expect(store.put(key, bytes)).rejects.toMatchObject(wrong);
  s3.script = () => false;
  await store.put(key, bytes);
  expect(await store.get(key)).toEqual(bytes);
});

test("an answer that was damaged on its way is asked for again; a blob that is damaged is named", async () => {
  const hash = await putCas(store, bytes);
  let damages = 1;
  s3.script = ({ method, key: at }, response) => {
    if (method !== "GET" || at !== isAt(casKey(hash)) || damages === 0) return false;
    damages -= 1;
    response.writeHead(200, { "content-length": bytes.byteLength }).end(Buffer.from(bytes).reverse());
    return true;
  };
  expect(await getCas(store, hash)).toEqual(bytes);
  damages = 2;
  await expect(getCas(store, hash)).rejects.toMatchObject({ code: "internal" });
});

test.each([
  [503, "SlowDown", "unavailable", /endpoint/],
  [500, "InternalError", "unavailable", /endpoint/],
  [403, "ExpiredToken", "unavailable", /renew the credentials/],
  [403, "AccessDenied", "unavailable", /renew the credentials/],
  [403, "QuotaExceeded", "resource_exhausted", /free space/],
  [507, "XMinioStorageFull", "resource_exhausted", /free space/],
  [404, "NoSuchBucket", "unavailable", /make the bucket/],
  [404, "XAdminUserNotFound", "unavailable", /renew the credentials/],
])("%i %s is %s, whatever was asked", async (status, code, expected, hint) => {
  await store.put(key, bytes);
  s3.script = (_, response) => refuse(response, status, code);
  const refused = {
    code: expected,
    message: expect.stringContaining(code),
    hint: expect.stringMatching(hint),
  };
  await expect(store.put(recordsKey("c-1", "j0000", 1, "1.1"), bytes)).rejects.toMatchObject(refused);
  await expect(store.get(key)).rejects.toMatchObject(refused);
  await expect(store.remove(key)).rejects.toMatchObject(refused);
  // A HEAD says no more than the status: 404 is not yet an absent blob.
  await expect(store.size(key)).rejects.toMatchObject({
    code: status === 507 ? "resource_exhausted" : "unavailable",
  });
  s3.script = () => false;
  expect(await store.get(key)).toEqual(bytes);
});

test("passing faults are tried again by the client itself", async () => {
  store = storeWith({}, { ...LIMITS, tries: 3 });
  let faults = 2;
  s3.script = (_, response) => faults-- > 0 && refuse(response, 503, "SlowDown");
  await expect(store.get(key)).rejects.toMatchObject({ code: "not_found" });
  expect(s3.requests).toHaveLength(3);
});

test("a server that says nothing, at once or in the middle, is not waited for", async () => {
  await store.put(key, bytes);
  const hasty = storeWith({}, { ...LIMITS, silenceMs: 300 });
  s3.script = () => true;
  const late = { code: "unavailable", message: expect.stringMatching(/no answer within|imed ?out/) };
  await expect(hasty.get(key)).rejects.toMatchObject(late);
  await expect(hasty.put(recordsKey("c-1", "j0000", 1, "1.1"), bytes)).rejects.toMatchObject(late);
  s3.script = (request, response) => {
    if (!isGet(request)) return false;
    response.writeHead(200, { "content-length": bytes.byteLength });
    response.write(bytes.subarray(0, 100));
    return true;
  };
  await expect(hasty.get(key)).rejects.toMatchObject({ code: "unavailable" });
  await hasty.close();
});

test("a server that is gone, and back", async () => {
  const { endpoint } = s3;
  await s3.close();
  await expect(store.put(key, bytes)).rejects.toMatchObject({ code: "unavailable" });
  await expect(store.check()).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining(endpoint),
  });
  s3 = await startScriptedS3();
});

test("renewed credentials count for the next request, without a restart", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sai-keys-"));
  const file = join(folder, "credentials");
  const say = (id: string) =>
    writeFile(file, `[bench]\naws_access_key_id = ${id}\naws_secret_access_key = s\naws_session_token = t\n`);
  try {
    await say("old");
    store = storeWith({
      ...{ accessKeyId: undefined, secretAccessKey: undefined, credentialsFile: file, profile: "bench" },
    });
    await store.put(key, bytes);
    s3.script = ({ accessKeyId }, response) => accessKeyId === "old" && refuse(response, 403, "ExpiredToken");
    await expect(store.get(key)).rejects.toMatchObject({ code: "unavailable" });
    await say("new");
    expect(await store.get(key)).toEqual(bytes);
    await rm(file);
    s3.script = (_, response) => refuse(response, 403, "ExpiredToken");
    await expect(store.get(key)).rejects.toMatchObject({ code: "unavailable" });
    await expect(store.get(key)).rejects.toMatchObject({ message: expect.stringContaining(file) });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("an upload in parts that fails is aborted", async () => {
  s3.script = ({ query }, response) =>
    query.get("partNumber") === "2" && refuse(response, 500, "InternalError");
  await expect(store.put(key, large(6))).rejects.toMatchObject({ code: "unavailable" });
  expect([s3.uploads.size, s3.objects.has(isAt(key))]).toEqual([0, false]);
});

test("the answer to the end of an upload in parts is lost: what it stored is found, and nothing else is taken for it", async () => {
  const whole = large(9);
  const hash = sha256(whole);
  let lost = false;
  s3.script = ({ method, query, key: at }, response) => {
    const id = query.get("uploadId") ?? "";
    if (lost || method !== "POST" || id === "") return false;
    lost = true;
    const parts = [...(s3.uploads.get(id)?.parts ?? [])].sort(([a], [b]) => a - b);
    s3.objects.set(at, Buffer.concat(parts.map(([, part]) => part)));
    s3.uploads.delete(id);
    response.destroy();
    return true;
  };
  store = storeWith({}, { ...LIMITS, tries: 3 });
  const blob = await store.receive(hash);
  await blob.write(whole);
  expect(await blob.commit()).toEqual({ sha256: hash, stored: true });
  await blob.abort();
  expect(sha256(await getCas(store, hash))).toBe(hash);
  // One that somebody aborted has stored nothing.
  s3.script = ({ method, query }) => {
    if (method === "POST" && query.has("uploadId")) s3.uploads.clear();
    return false;
  };
  await expect(store.put(key, large(10))).rejects.toMatchObject({ code: "unavailable" });
  expect(s3.objects.has(isAt(key))).toBe(false);
});

test("uploads that were cut off are aborted, those of others in the same bucket are not", async () => {
  const begun = (at: string) => s3.uploads.set(`of ${at}`, { key: at, parts: new Map() });
  const others = ["backup/2026.tar", "cas/sha256/other", "run/wild.bin", "sai/run/c-1/j0000/notes.txt"];
  for (const at of others) begun(at);
  const ours = [casKey(sha256("cut off")), key];
  for (const at of ours) begun(at);
  store = storeWith({ prefix: "" });
  expect(await store.removeLeftovers(60_000)).toBe(ours.length);
  expect([...s3.uploads.values()].map((upload) => upload.key)).toEqual(others);
  begun(isAt(key));
  expect(await storeWith().removeLeftovers(60_000)).toBe(1);
});

test("a key that is written between two looks at it has its size", async () => {
  s3.script = ({ method, key: at }, response) => {
    if (method !== "HEAD" || at !== isAt(key) || s3.objects.has(at)) return false;
    s3.objects.set(at, bytes);
    response.writeHead(404).end();
    return true;
  };
  expect(await store.size(key)).toBe(bytes.byteLength);
});

test("who may not list, so that absent keys are refused, is told by the check", async () => {
  s3.script = ({ method, key: at }, response) =>
    (method === "HEAD" || method === "GET") && !s3.objects.has(at) && refuse(response, 403, "AccessDenied");
  const hint = expect.stringContaining("s3:ListBucket");
  await expect(store.check()).rejects.toMatchObject({ code: "unavailable", hint });
});

test("an answer that drips is not read for ever, and one that comes fast enough is, whoever reads it slowly", async () => {
  await store.put(key, bytes);
  const hasty = storeWith({}, { ...LIMITS, silenceMs: 400, leastBytesPerS: 1e6 });
  let dripping: NodeJS.Timeout | undefined;
  s3.script = (request, response) => {
    if (!isGet(request)) return false;
    response.writeHead(200, { "content-length": bytes.byteLength });
    dripping = setInterval(() => response.write("r"), 20);
    return true;
  };
  try {
    await expect(hasty.get(key)).rejects.toMatchObject({
      ...{ code: "unavailable", message: expect.stringContaining("no answer within") },
    });
  } finally {
    clearInterval(dripping);
  }
  s3.script = () => false;
  const pieces = hasty.read(key);
  const { value } = await pieces.next();
  await systemClock.sleep(600);
  let read = value?.byteLength ?? 0;
  for await (const piece of pieces) read += piece.byteLength;
  expect(read).toBe(bytes.byteLength);
  await hasty.close();
});

test("after its close nothing is connected to any more", async () => {
  await store.put(key, bytes);
  await store.close();
  await expect(store.get(key)).rejects.toMatchObject({ code: "unavailable" });
});
