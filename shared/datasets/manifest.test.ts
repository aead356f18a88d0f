import { expect, test } from "vitest";
import type { Item } from "../benchmark/item.js";
import { manifestBytes, parseManifest } from "./manifest.js";

const items: Item[] = [
  {
    id: "a",
    input: 'x\n"y" é\u2028',
    vars: { n: 1, deep: { list: [null, true] } },
    media: [
      {
        kind: "image",
        name: "a.png",
        sha256: "0".repeat(64),
        mime: "image/png",
        bytes: 10,
        width: 4,
        height: 3,
      },
      { kind: "missing", name: "b.png", reason: "file not found" },
    ],
    truth: { has_smoke: false },
    target: "t",
    level: "l",
    group: "g",
    cluster: "c",
  },
  { id: "b", media: [] },
];

const bytes = (text: string) => new TextEncoder().encode(text);

test("a manifest comes back as it went in", () => {
  expect(parseManifest(manifestBytes(items))).toEqual(items);
  expect(parseManifest(new Uint8Array())).toEqual([]);
});

test("the bytes do not depend on the order of keys", () => {
  expect(manifestBytes([{ media: [], id: "a" }])).toEqual(manifestBytes([{ id: "a", media: [] }]));
});

const image = {
  kind: "image",
  name: "a",
  sha256: "0".repeat(64),
  mime: "image/png",
  bytes: 1,
  width: 1,
  height: 1,
};

test.each([
  ["no JSON", "{", /line 1: no JSON/],
  ["a number", '{"id":"a","media":[]}\n7', /line 2: not an object/],
  ["no id", '{"media":[]}', /`id`/],
  ["no media", '{"id":"a"}', /`media` is not a list/],
  ["a number as input", '{"id":"a","media":[],"input":1}', /`input` is not a text/],
  ["vars as a list", '{"id":"a","media":[],"vars":[]}', /`vars`/],
  [
    "a picture without a hash",
    JSON.stringify({ id: "a", media: [{ ...image, sha256: "../../etc" }] }),
    /`media` has an entry/,
  ],
  [
    "a picture without a size",
    JSON.stringify({ id: "a", media: [{ ...image, width: -1 }] }),
    /`media` has an entry/,
  ],
  ["an id twice", '{"id":"a","media":[]}\n{"id":"a","media":[]}', /line 2: the item id "a" appears twice/],
  ["too deep", `{"id":"a","media":[],"truth":${"[".repeat(40)}${"]".repeat(40)}}`, /deeper than 32/],
  ["__proto__", '{"id":"a","media":[],"vars":{"__proto__":{}}}', /"__proto__" is not allowed/],
])("refused: %s", (_name, text, message) => {
  expect(() => parseManifest(bytes(text))).toThrow(message);
});

test("invalid UTF-8 is refused", () => {
  expect(() => parseManifest(Uint8Array.from([0xc3, 0x28]))).toThrow(/UTF-8/);
});
