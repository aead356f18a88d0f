import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileExpression } from "./expression.js";
import type { Json } from "./json.js";

function run(text: string, vars: { [name: string]: Json } = {}): Json {
  const compiled = compileExpression(text);
  if (!compiled.ok) throw new Error(`${text}: ${compiled.message} at ${compiled.at}`);
  return compiled.run(vars);
}

describe("values", () => {
  const vars = { judgment: "Yes", confidence: 0.8, a: { b: [10, { c: "x" }] }, n: "3.5" };
  test.each<[string, Json]>([
    ["judgment == 'Yes'", true],
    ["judgment == 'Yes' ? confidence : 1 - confidence", 0.8],
    ["a.b[0] + a.b[1 - 1] * 2", 30],
    ["a.b[1].c", "x"],
    ['a["b"][1]["c"] == "x"', true],
    ["n * 2", 7],
    ["1 + 2 * 3 - 4 / 2", 5],
    ["-(1 + 2) * -2", 6],
    ["2 - 1 - 1", 0],
    ["1 < 2 == true", true],
    ["true || false && false", true],
    ["!false && 3 >= 3", true],
    ["lower(trim('  ABC ')) == \"abc\"", true],
    ["upper('a')", "A"],
    ["contains('wildfire', 'fire') && contains(a.b, 10) && contains(a, 'b')", true],
    ["len('a😀') + len(a.b)", 4],
    ["abs(-2) + min(3, 1, 2) + max(1, 5)", 8],
    ["number('12') + number(true)", 13],
    ["boolean('No')", false],
    ["'it\\'s'", "it's"],
    ["'a' < 'b'", true],
    ["'10' > '9'", true],
    ["true ? 1 : false ? 2 : 3", 1],
  ])("%s", (text, want) => {
    expect(run(text, vars)).toEqual(want);
  });
});

describe("what is missing is null and null spreads", () => {
  test.each<[string, Json]>([
    ["judgment == 'Yes'", null],
    ["judgment == null", true],
    ["judgment != null", false],
    ["judgment == 'Yes' ? 1 : 0", null],
    ["1 - confidence", null],
    ["x.y.z[3]", null],
    ["!x", null],
    ["false && x", false],
    ["x && false", false],
    ["true && x", null],
    ["x || true", true],
    ["lower(x)", null],
    ["1 / 0", null],
    ["'abc' - 1", null],
  ])("%s", (text, want) => {
    expect(run(text)).toEqual(want);
  });
});

test("nothing of a prototype can be reached", () => {
  for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
    expect(run(name)).toBeNull();
    expect(run(`a.${name}`, { a: {} })).toBeNull();
    expect(run(`a['${name}']`, { a: [1] })).toBeNull();
    expect(run(`'text'.${name}`)).toBeNull();
  }
});

describe("errors say where", () => {
  test.each<[string, number, RegExp]>([
    ["", 0, /unexpected end/],
    ["1 +", 3, /unexpected end/],
    ["a b", 2, /unexpected b/],
    ["a = 1", 2, /unexpected character "="/],
    ["foo(1)", 0, /unknown function foo; known: lower/],
    ["lower()", 0, /takes 1 argument/],
    ["a ? 1", 5, /expected :/],
    ["'abc", 0, /closing quote/],
    ["(1", 2, /expected \)/],
    ["a.1", 2, /a name after/],
    ["1e999", 0, /too large/],
    ["{}", 0, /unexpected character/],
  ])("%s", (text, at, message) => {
    const compiled = compileExpression(text);
    expect(compiled).toMatchObject({ ok: false, at });
    expect(compiled.ok ? "" : compiled.message).toMatch(message);
  });
  test("depth and length are bounded", () => {
    expect(compileExpression("(".repeat(40)).ok).toBe(false);
    expect(compileExpression("!".repeat(40)).ok).toBe(false);
    expect(compileExpression(`${"(".repeat(20)}1${")".repeat(20)}`).ok).toBe(true);
    expect(compileExpression("1".repeat(2001)).ok).toBe(false);
    expect(compileExpression(Array(999).fill("1").join("+")).ok).toBe(true);
  });
});

test("no text makes the compiler or the program throw", () => {
  const piece = fc.constantFrom(
    "a",
    "1",
    "'x'",
    "(",
    ")",
    "[",
    "]",
    "==",
    "<",
    "&&",
    "!",
    "-",
    "?",
    ":",
    ".",
    "len(",
    ",",
    "null",
    " ",
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 30 }).map((p) => p.join("")),
  );
  fc.assert(
    fc.property(text, fc.dictionary(fc.constantFrom("a", "b"), fc.jsonValue()), (source, vars) => {
      const compiled = compileExpression(source);
      if (compiled.ok) JSON.stringify(compiled.run(vars as { [name: string]: Json }));
      else expect(compiled.at).toBeLessThanOrEqual(source.length);
    }),
    { numRuns: 2000 },
  );
});

test("arithmetic agrees with JavaScript", () => {
  const n = fc.integer({ min: 0, max: 1000 });
  fc.assert(
    fc.property(n, n, n, (a, b, c) => {
      expect(run(`${a} + ${b} * ${c} - ${a} * (${b} - ${c})`)).toBe(a + b * c - a * (b - c));
    }),
  );
});
