/** What an artifact store promises (store.ts), as one list that is run against each kind. */
import { expect, test } from "vitest";
import { sha256 } from "../runtime/hash.js";
import { systemRandom } from "../runtime/random.js";
import { type Artifacts, casKey, getCas, putCas, recordsKey } from "./store.js";

/** More than two parts of an upload to S3. */
const LARGE_BYTES = 20 * 1024 * 1024;

export const large = (seed: number): Buffer => {
  const bytes = Buffer.alloc(LARGE_BYTES);
  let at = seed;
  for (let i = 0; i + 4 <= bytes.byteLength; i += 4) {
    at = (Math.imul(at, 1664525) + 1013904223) >>> 0;
    bytes.writeUInt32LE(at, i);
  }
  return bytes;
};

export const collected = async <T>(from: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const one of from) all.push(one);
  return all;
};

/** `store` is asked for at each test; each test has keys of its own, so that one store may serve all. */
export function artifactPromises(store: () => Artifacts): void {
  const aKey = () => recordsKey(`c-${systemRandom.id(8)}`, "j0000", 0, "1.1");

  test("what was put comes back, by key, by hash and in pieces", async () => {
    const text = `fire ${systemRandom.id(8)}`;
    const hash = await putCas(store(), Buffer.from(text));
    expect((await getCas(store(), hash)).toString()).toBe(text);
    expect(await store().size(casKey(hash))).toBe(text.length);
    expect(Buffer.concat(await collected(store().read(casKey(hash)))).toString()).toBe(text);
  });

  test("an empty blob is one", async () => {
    const key = aKey();
    await store().put(key, new Uint8Array());
    expect(await store().size(key)).toBe(0);
    expect((await store().get(key)).byteLength).toBe(0);
  });

  test("what is not there is said so, and its removal is no error", async () => {
    const key = aKey();
    expect(await store().size(key)).toBeUndefined();
    await expect(store().get(key)).rejects.toMatchObject({ code: "not_found" });
    await expect(collected(store().read(key))).rejects.toMatchObject({ code: "not_found" });
    await store().remove(key);
  });

  test("the same bytes again are fine, other bytes are refused and change nothing", async () => {
    const key = aKey();
    await store().put(key, Buffer.from("a"));
    await store().put(key, Buffer.from("a"));
    await expect(store().put(key, Buffer.from("b"))).rejects.toMatchObject({ code: "already_exists" });
    expect((await store().get(key)).toString()).toBe("a");
  });

  test("of writers of a key at the same time one is first, and all that have its bytes succeed", async () => {
    const key = aKey();
    const same = await Promise.allSettled(
      Array.from({ length: 5 }, () => store().put(key, Buffer.from("all alike"))),
    );
    expect(same.filter(({ status }) => status === "rejected")).toEqual([]);
    expect((await store().get(key)).toString()).toBe("all alike");
  });

  test("a large blob goes and comes whole, once and again", async () => {
    const bytes = large(1);
    const key = aKey();
    await store().put(key, bytes);
    await store().put(key, bytes);
    expect(await store().size(key)).toBe(bytes.byteLength);
    expect(sha256(await store().get(key))).toBe(sha256(bytes));
  });

  test("a blob that comes in pieces is there with its last byte, and not at all under another hash", async () => {
    const bytes = large(2);
    const pieces = [bytes.subarray(0, 1000), bytes.subarray(1000, 9_000_001), bytes.subarray(9_000_001)];
    const hash = sha256(bytes);
    await store().remove(casKey(hash));
    for (const announced of [hash, sha256("another")]) {
      const blob = await store().receive(announced);
      for (const piece of pieces) await blob.write(piece);
      expect(await store().size(casKey(hash))).toBe(announced === hash ? undefined : bytes.byteLength);
      expect(await blob.commit()).toEqual({ sha256: hash, stored: announced === hash });
      await blob.abort();
    }
    expect(sha256(await store().get(casKey(hash)))).toBe(hash);
    expect(await store().size(casKey(sha256("another")))).toBeUndefined();
  });

  test("what is given up in the middle leaves nothing", async () => {
    const blob = await store().receive(sha256("given up"));
    await blob.write(large(3));
    await blob.abort();
    expect(await store().size(casKey(sha256("given up")))).toBeUndefined();
    expect(await store().removeLeftovers(-60_000)).toBe(0);
  });

  test("keys are listed by their beginning, and gone when removed", async () => {
    const campaign = `c-${systemRandom.id(8)}`;
    const keys = [0, 1, 2].flatMap((shard) =>
      ["1.1", "1.2"].map((f) => recordsKey(campaign, "j0000", shard, f)),
    );
    for (const key of keys) await store().put(key, Buffer.from(key));
    await store().put(recordsKey(campaign, "j0001", 0, "1.1"), Buffer.from("another job"));
    expect((await collected(store().list(`run/${campaign}/j0000/`))).sort()).toEqual([...keys].sort());
    const sizes = (await collected(store().entries(`run/${campaign}/j0000/`))).map(({ key, bytes }) => ({
      ...{ key, bytes },
    }));
    expect(sizes.sort((a, b) => (a.key < b.key ? -1 : 1))).toEqual(
      [...keys].sort().map((key) => ({ key, bytes: key.length })),
    );
    for (const { writtenMs } of await collected(store().entries(`run/${campaign}/`)))
      expect(Math.abs(Date.now() - writtenMs)).toBeLessThan(3_600_000);
    await store().remove(keys[0] ?? "");
    expect((await collected(store().list(`run/${campaign}/j0000/`))).sort()).toEqual(keys.slice(1).sort());
    expect(await collected(store().list(`run/c-${systemRandom.id(8)}/`))).toEqual([]);
  });

  test("a check of it leaves nothing", async () => {
    expect(typeof (await store().check())).toBe("string");
    expect((await collected(store().list("probe/"))).filter((key) => /check-|condition-/.test(key))).toEqual(
      [],
    );
  });

  test("keys that would leave it are refused", async () => {
    for (const key of ["../x", "a/../b", "/etc/x", "a//b", "", "a/.", "..", "a/..."]) {
      await expect(store().put(key, Buffer.from("x")), key).rejects.toMatchObject({
        code: "invalid_argument",
      });
    }
  });
}
