import { expect, test } from "vitest";
import { canonicalJson } from "./json.js";

test("key order does not matter, array order does", () => {
  expect(canonicalJson({ b: [1, { d: null, c: "x" }], a: true })).toBe(
    '{"a":true,"b":[1,{"c":"x","d":null}]}',
  );
  expect(canonicalJson([2, 1])).not.toBe(canonicalJson([1, 2]));
});

test("numbers JSON cannot carry are refused", () => {
  expect(() => canonicalJson({ a: Number.NaN })).toThrow(RangeError);
});
