import fc from "fast-check";
import { expect, test } from "vitest";
import type { Json } from "../benchmark/json.js";
import { loadSuite, MAX_SUITE_BYTES } from "./load.js";

function load(input: string | Uint8Array): { value: Json; lineOf(path: string): number } {
  const loaded = loadSuite(input);
  if ("findings" in loaded) throw new Error(JSON.stringify(loaded.findings));
  return loaded;
}

function refusal(input: string | Uint8Array) {
  const loaded = loadSuite(input);
  if (!("findings" in loaded)) throw new Error("the text was not refused");
  return loaded.findings;
}

test("YAML and JSON give the same value", () => {
  const value = { name: "a", list: [1, 2.5, true, null, "x"], text: "😀 / \n" };
  expect(load(JSON.stringify(value)).value).toEqual(value);
  expect(load(JSON.stringify(value, null, "\t")).value).toEqual(value);
  expect(load('name: a\nlist: [1, 2.5, true, null, x]\ntext: "😀 / \\n"\n').value).toEqual(value);
  expect(load(new TextEncoder().encode("name: é")).value).toEqual({ name: "é" });
});

test("words that YAML 1.1 would turn into something else stay texts", () => {
  expect(load("a: yes\nb: 2024-01-01\nc: no\nd: 1e999").value).toEqual({
    a: "yes",
    b: "2024-01-01",
    c: "no",
    d: "1e999",
  });
});

test("a path gives its line, an absent one that of its nearest ancestor", () => {
  const { lineOf } = load(
    "name: a\nprompts:\n  - early\n  - id: own\n    template: |\n      text\nrun: {warmup: 1}\n",
  );
  expect(lineOf("name")).toBe(1);
  expect(lineOf("prompts[0]")).toBe(3);
  expect(lineOf("prompts[1].template")).toBe(5);
  expect(lineOf("prompts[1].answer.extract[0]")).toBe(4);
  expect(lineOf("run.warmup")).toBe(7);
  expect(lineOf("nothing")).toBe(0);
});

const HOSTILE: [name: string, text: string | Uint8Array, message: RegExp, line: number][] = [
  ["2 KB of brackets", "[".repeat(2_000), /nested deeper than 32/, 1],
  ["brackets inside a key", `name: a\nx: ${"[".repeat(1_000)}`, /nested deeper than 32/, 2],
  ["deep block lists", "- ".repeat(2_000), /nested deeper than 32/, 1],
  ["33 levels of JSON", `${'{"a":'.repeat(33)}1${"}".repeat(33)}`, /nested deeper than 32/, 1],
  ["too large", `name: ${"x".repeat(MAX_SUITE_BYTES)}`, /the limit is 262144/, 0],
  ["an anchor", "a: 1\nb: &x 2", /anchors/, 2],
  ["an alias", "a: &x 1\nb: *x", /anchors/, 1],
  ["a laugh", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", /anchors/, 1],
  ["a key twice", "name: a\nversion: 1\nname: b", /"name" appears twice/, 3],
  ["a key twice in JSON", '{"a": {"b": 1,\n"b": 2}}', /"b" appears twice/, 2],
  ["keys that are equal after decoding", '"a": 1\n"\\x61": 2', /"a" appears twice/, 2],
  ["two documents", "a: 1\n---\nb: 2", /more than one document/, 0],
  ["a byte order mark", "\uFEFFa: 1", /byte order mark/, 1],
  ["a byte order mark in bytes", Uint8Array.from([0xef, 0xbb, 0xbf, 0x61]), /byte order mark/, 1],
  ["UTF-16", Uint8Array.from([0xff, 0xfe, 0x61, 0]), /UTF-16/, 0],
  ["invalid UTF-8", Uint8Array.from([0x61, 0x3a, 0x20, 0xc3, 0x28]), /not valid UTF-8/, 0],
  ["a NUL", "a: 1\nb: \0", /NUL/, 2],
  ["a lone surrogate", "a: 1\nb: \ud800", /lone surrogate/, 2],
  ["an escaped lone surrogate", 'a: "\\ud800"', /lone surrogate/, 1],
  ["__proto__", "a: 1\n__proto__: {x: 1}", /"__proto__" is not allowed/, 2],
  ["__proto__ in JSON", '{"a": {"__proto__": {"x": 1}}}', /"__proto__" is not allowed/, 1],
  ["constructor", "a:\n  constructor: 1", /"constructor" is not allowed/, 2],
  ["NaN", "a: 1\nb: .nan", /NaN is not a number/, 2],
  ["infinity", "a: .inf", /Infinity is not a number/, 1],
  ["2^63", "a: 9223372036854775808", /too large to be exact/, 1],
  ["100,000 values", `a: [${"1,".repeat(100_000)}]`, /more than 50000 values/, 0],
  ["a list as root", "- a", /a suite is an object/, 1],
  ["a text as root", "hello", /a suite is an object/, 1],
  ["nothing", "", /empty/, 0],
  ["only space", " \n\n", /empty/, 0],
  ["only a comment", "# hello\n", /a suite is an object/, 1],
  ["a tag", "a: !!js/function 'x'", /tags/, 1],
  ["a list as key", "? [a, b]\n: 1", /a key must be a plain text/, 1],
  ["a merge key", "a: 1\n<<: {b: 1}", /merge keys/, 2],
  ["an open bracket", "a: 1\nb: [1", /not valid YAML or JSON/, 2],
];

test.each(HOSTILE)("refused: %s", (_name, text, message, line) => {
  const [finding] = refusal(text);
  expect(finding?.severity).toBe("error");
  expect(finding?.message).toMatch(message);
  expect(finding?.line).toBe(line);
});

test("every doubled key is named, not only the first", () => {
  expect(refusal("a: 1\na: 2\nb: 1\nb: 2").map(({ field, line }) => `${field}:${line}`)).toEqual([
    "a:2",
    "b:4",
  ]);
});

test("any text or bytes give a value or findings, never an exception", () => {
  const seed = Number(process.env["SEED"] ?? 20_261);
  const shard = fc.oneof(
    fc.constantFrom(
      "a: ",
      "- ",
      "[",
      "]",
      "{",
      "}",
      "\n",
      "  ",
      "&x ",
      "*x",
      "!!int ",
      "|",
      ">",
      "'",
      '"',
      "? ",
      "---\n",
      "%",
      "#",
      "\t",
      ",",
      "1e999",
      "\\u",
    ),
    fc.string({ maxLength: 4 }),
  );
  const text = fc.array(shard, { maxLength: 60 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(fc.oneof(text, fc.uint8Array({ maxLength: 200 })), (input) => {
      const loaded = loadSuite(input);
      if ("findings" in loaded) expect(loaded.findings.length).toBeGreaterThan(0);
      else expect(typeof loaded.value).toBe("object");
    }),
    { seed, numRuns: 2_000 },
  );
});
