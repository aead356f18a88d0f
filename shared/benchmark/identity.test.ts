import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { type CacheKeyParts, cacheKey, pairKey, pairKeys, recordId, targetSha } from "./identity.js";
import type { Item } from "./item.js";

const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");
const item = (more: Partial<Item>): Item => ({ id: "x", media: [], ...more });

test("record_id is the hash of campaign, job and ordinal", () => {
  const want = sha256('{"campaign":"c1","job":"j0000","ordinal":7}');
  expect(recordId("c1", "j0000", 7, sha256)).toBe(want);
  expect(recordId("c1", "j0000", 8, sha256)).not.toBe(want);
});

test("pair keys follow the content, not the name, the truth or the place in the file", () => {
  const a = item({ id: "a", input: "2 + 2", target: "4", level: "easy" });
  const b = item({ id: "b", input: "3 + 3", vars: { hint: "x" } });
  const renamed = item({ id: "z", input: "2 + 2", target: "5", cluster: "c" });
  const [first, second] = pairKeys([a, b], sha256);
  expect(pairKeys([b, renamed], sha256)).toEqual([second, first]);
  expect(pairKeys([item({ input: "3 + 3" })], sha256)[0]).not.toBe(second);
});

test("equal items differ by their occurrence number", () => {
  const twin = item({ input: "same" });
  const keys = pairKeys([twin, twin, twin], sha256);
  expect(new Set(keys).size).toBe(3);
  expect(pairKeys([twin, twin], sha256)).toEqual(keys.slice(0, 2));
});

test("a repetition has its own pair key", () => {
  const [base = ""] = pairKeys([item({ input: "x" })], sha256);
  expect(pairKey(base, 0, sha256)).not.toBe(pairKey(base, 1, sha256));
  expect(pairKey(base, 1, sha256)).toBe(pairKey(base, 1, sha256));
});

test("pictures count by hash, missing ones by name", () => {
  const image = (name: string, hash: string): Item["media"][number] => {
    return { kind: "image", name, sha256: hash, mime: "image/png", bytes: 1, width: 1, height: 1 };
  };
  const [x, y, z] = ["n1", "n2", "n1"].map((n, i) => {
    return pairKeys([item({ media: [image(n, i === 2 ? "h2" : "h1")] })], sha256)[0];
  });
  expect(x).toBe(y);
  expect(x).not.toBe(z);
  const missing = pairKeys([item({ media: [{ kind: "missing", name: "n1", reason: "gone" }] })], sha256)[0];
  expect(missing).not.toBe(x);
});

test("target_sha sees truth and target alone", () => {
  const base = targetSha(item({ target: "4", truth: { a: 1, b: 2 } }), sha256);
  expect(targetSha(item({ id: "y", input: "q", target: "4", truth: { b: 2, a: 1 } }), sha256)).toBe(base);
  expect(targetSha(item({ target: "5", truth: { a: 1, b: 2 } }), sha256)).not.toBe(base);
});

test("every part of the cache key counts", () => {
  const parts: CacheKeyParts = {
    user: "u",
    mediaSha256: ["m"],
    modelDigest: "d",
    model: { model: "m", options: {} },
    engineArgs: ["base_url=a", "devices=GPU-1"],
    options: { num_ctx: 1 },
    deviceClass: "cpu",
    engine: "ollama",
    engineVersion: "1",
    generation: { temperature: 0, timeoutS: 1, maxRetries: 1, retryDelayS: 1 },
    seed: 1,
    repetition: 0,
  };
  const variants: Partial<CacheKeyParts>[] = [
    {},
    { system: "s" },
    { user: "v" },
    { mediaSha256: ["n"] },
    { modelDigest: "e" },
    { engine: "openai" },
    { engineVersion: "2" },
    { model: { model: "n", options: {} } },
    { model: { model: "m", options: { upscale: 2 } } },
    { model: { model: "m", options: {}, quant: "Q4" } },
    { engineArgs: ["base_url=b"] },
    { options: { num_ctx: 2 } },
    { deviceClass: "NVIDIA H200" },
    { simulated: { ordinal: 0, target: null } },
    { simulated: { ordinal: 1, target: null } },
    { generation: { ...parts.generation, temperature: 1 } },
    { seed: 2 },
    { repetition: 1 },
  ];
  const keys = variants.map((change) => cacheKey({ ...parts, ...change }, sha256));
  expect(new Set(keys).size).toBe(variants.length);
  // Another GPU of the same class.
  expect(cacheKey({ ...parts, engineArgs: ["base_url=a", "devices=GPU-2"] }, sha256)).toBe(keys[0]);
  const patient = { ...parts.generation, seed: 99, timeoutS: 600, maxRetries: 9, requestDelayS: 1 };
  expect(cacheKey({ ...parts, generation: patient }, sha256)).toBe(keys[0]);
});
