import { expect, test } from "vitest";
import { jsonCodec } from "./codec.js";
import { decode, keys, parseShardKey } from "./keys.js";
import { type KV, rev } from "./store.js";
import type { DoneValue, JobValue } from "./values.js";

const kv = (key: string, value: Uint8Array): KV => ({
  key,
  value,
  createRev: rev(1n),
  modRev: rev(1n),
  version: 1n,
});
const bytes = (text: string) => new TextEncoder().encode(text);

test("bigints travel as decimal strings, deep ones too; the value says its version", () => {
  const k = keys.job("c-1", "j0000");
  const value: JobValue = {
    campaign: "c-1",
    id: "j0000",
    state: { kind: "RUNNING", samples: 3, shardSize: 2, gate: 2n ** 60n },
  };
  const encoded = k.codec.encode(value);
  expect(JSON.parse(new TextDecoder().decode(encoded))).toMatchObject({
    v: 1,
    state: { gate: "1152921504606846976" },
  });
  expect(decode(k.codec, kv(k.key, encoded))).toEqual(value);
  const sealed: JobValue = { ...value, state: { kind: "SUCCEEDED", endedMs: 5, reason: "" } };
  expect(decode(k.codec, kv(k.key, k.codec.encode(sealed)))).toEqual(sealed);
});

test("records that travel with a result are kept as they are, behind the JSON and a line's end", () => {
  const { key, codec } = keys.done("c-1", "j0000", 0);
  const result: DoneValue = {
    ...{ kind: "result", fence: "1.2", agent: "né", uri: "", sha256: "ab", sizeBytes: 4, counts: { ok: 1 } },
    inline: new Uint8Array([0x0a, 0xff, 0x00, 0x0a]),
  };
  const encoded = codec.encode(result);
  const [json] = Buffer.from(encoded).toString().split("\n");
  expect(JSON.parse(json ?? "")).toMatchObject({ v: 1, agent: "né" });
  const { inline, ...rest } = decode(codec, kv(key, encoded)) as DoneValue & { kind: "result" };
  expect({ ...rest, inline: new Uint8Array(inline ?? []) }).toEqual(result);
  const failed: DoneValue = { kind: "failed", status: "oom", cause: "", reason: "two\nlines" };
  expect(decode(codec, kv(key, codec.encode(failed)))).toEqual(failed);
});

test("what cannot be read names its key", () => {
  const read = (text: string | Uint8Array) => () =>
    decode(
      keys.gate("c-1", "j0000").codec,
      kv("/sai/v1/gate/c-1/j0000", typeof text === "string" ? bytes(text) : text),
    );
  const name = "the value of /sai/v1/gate/c-1/j0000 in the state store";
  expect(read("{")).toThrow(`${name} is not JSON`);
  expect(read(new Uint8Array([0xff]))).toThrow(`${name} is not JSON`);
  expect(read("[]")).toThrow(`${name} is not a JSON object`);
  expect(read('{"v":2,"epoch":"1"}')).toThrow(`${name} has version 2, this program reads version 1`);
  expect(read('{"epoch":"1"}')).toThrow(`${name} does not say its version`);
  expect(read('{"v":1,"epoch":1}')).toThrow(`${name} has no decimal string at epoch`);
});

test("shard keys sort by number and say what they are about; a part cannot change a key's structure", () => {
  const done = [2, 10, 9].map((i) => keys.done("c-1", "j0000", i).key).sort();
  expect(done.map((k) => parseShardKey(k)?.shard)).toEqual([2, 9, 10]);
  expect(parseShardKey(keys.fail("c-1", "j0000", 7, { epoch: 3n, n: 4n }).key)).toEqual({
    campaign: "c-1",
    job: "j0000",
    shard: 7,
    fence: { epoch: 3n, n: 4n },
  });
  expect(parseShardKey(keys.gate("c-1", "j0000").key)).toBeUndefined();
  for (const bad of ["", "a/b", "a b", "é"]) expect(() => keys.campaign(bad)).toThrow(RangeError);
  expect(() => keys.done("c-1", "j0000", 1e8)).toThrow(RangeError);
});

test("a value of the version before and of the one to come is read, and written as it was agreed; others are refused", () => {
  interface Value {
    limitMs: bigint;
  }
  // Version 2 counted in seconds, version 4 says it in an object.
  const codec = jsonCodec<Value>(3, ["limitMs"], {
    2: ({ limitS, ...rest }) => ({ ...rest, limitMs: `${Number(limitS) * 1000}` }),
    4: ({ limit, ...rest }) => ({ ...rest, limitMs: (limit as { ms: string }).ms }),
  });
  const read = (text: string) => codec.decode(bytes(text), "/k");
  expect(read('{"v":2,"limitS":3}')).toEqual({ limitMs: 3000n });
  expect(read('{"v":3,"limitMs":"3000","since":"later"}')).toEqual({ limitMs: 3000n, since: "later" });
  expect(read('{"v":4,"limit":{"ms":"3000"}}')).toEqual({ limitMs: 3000n });
  expect(Buffer.from(codec.encode({ limitMs: 3000n })).toString()).toBe('{"v":3,"limitMs":"3000"}');
  const refused = (v: number, hint: string) =>
    expect(() => read(`{"v":${v}}`)).toThrow(
      expect.objectContaining({
        message: `the value of /k in the state store has version ${v}, this program reads version 2 and 3 and 4`,
        hint: expect.stringContaining(hint),
      }),
    );
  refused(5, "upgrade this one");
  refused(1, "go back to the version before this one");
});
