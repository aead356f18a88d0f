import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseOutput } from "./parse.js";
import { extractAnswer, readAnswer } from "./parse-answer.js";
import { producesField } from "./parse-fields.js";
import { findObjects, readWhole } from "./parse-json.js";
import type { AnswerSpec, PromptSpec } from "./plan.js";

function prompt(more: Partial<PromptSpec>): PromptSpec {
  const base = { id: "p", name: "p", description: "", version: "1", template: "", sha256: "" };
  return { ...base, output: "json", fields: {}, tags: [], useCases: [], ...more };
}
const fire = prompt({ fields: { has_smoke: "has_smoke", bbox: "bbox" } });

describe("one JSON object", () => {
  test.each<[string, string, object]>([
    ["direct", ' {"has_smoke": true} ', { has_smoke: true }],
    ["direct", "{'has_smoke': True, 'bbox': None,}", { has_smoke: true }],
    ["fenced", 'Here:\n```json\n{"has_smoke": false}\n```\n', { has_smoke: false }],
    ["fenced", '```\n{"has_smoke": true}\n```', { has_smoke: true }],
    ["extracted", 'I see {smoke}. So: {"has_smoke": true}. Done.', { has_smoke: true }],
    ["extracted", 'First {"has_smoke": false}, no: {"has_smoke": true}', { has_smoke: true }],
    ["extracted", '{"has_smoke": true} for example {"unrelated": 1}', { has_smoke: true }],
    ["extracted", 'The "}" and {"has_smoke": true, "why": "a } in a { text \\" here"}', { has_smoke: true }],
    ["extracted", '{{"has_smoke": true}}', { has_smoke: true }],
  ])("%s %s", (mode, text, fields) => {
    const parsed = parseOutput(fire, text);
    expect(parsed).toMatchObject({ ok: true, mode });
    expect(parsed.ok && parsed.fields).toMatchObject(fields);
    expect(parsed.ok && "bbox" in parsed.fields).toBe(false);
  });

  test.each<[string, RegExp]>([
    ["", /no JSON object/],
    ["Yes, there is smoke.", /no JSON object/],
    ['{"has_smoke": maybe}', /no JSON object/],
    ['{"foo": 1}', /none of the expected fields has_smoke, bbox/],
    ['{"has_smoke": true, "bbox": [0.1, 0.2', /no JSON object/],
    ['{"x": [{"has_smoke": true}, {"y": ', /no JSON object/],
    [`${'{"has_smoke":'.repeat(40)}1${"}".repeat(40)}`, /no JSON object/],
    ['{"has_smoke": 1e999}', /no JSON object/],
  ])("%s is a parse error", (text, reason) => {
    const parsed = parseOutput(fire, text);
    expect(parsed.ok ? "parsed" : parsed.reason).toMatch(reason);
  });

  test("a prompt that expects nothing takes the last object with all its keys", () => {
    expect(parseOutput(prompt({}), 'a {"x": 1} b {"y": 2}')).toEqual({
      ok: true,
      fields: { y: 2 },
      mode: "extracted",
    });
  });

  test("the mapping has the last word, other keys stay", () => {
    const mapped = prompt({ fields: { has_smoke: "smoke_detected == 'Yes'" } });
    const parsed = parseOutput(mapped, '{"smoke_detected": "Yes", "has_smoke": "odd", "why": "x"}');
    expect(parsed).toEqual({
      ok: true,
      fields: { has_smoke: true, smoke_detected: "Yes", why: "x" },
      mode: "direct",
    });
    expect(parseOutput(mapped, '{"has_smoke": true}').ok).toBe(false);
  });

  test("__proto__ changes nothing", () => {
    const text = '{"__proto__": {"has_smoke": true}, "a": 1}';
    const [object] = findObjects(text);
    expect(object && "has_smoke" in object.value).toBe(false);
    const parsed = parseOutput(prompt({}), text);
    expect(parsed.ok && parsed.fields).toEqual({ a: 1 });
    expect(parsed.ok && "has_smoke" in parsed.fields).toBe(false);
  });
});

describe("lines", () => {
  const confidence = prompt({
    output: "lines",
    fields: {
      has_smoke: "judgment == 'Yes'",
      p_smoke: "judgment == 'Yes' ? confidence : 1 - confidence",
    },
  });
  test.each<[string, string, boolean, number]>([
    ["direct", "Judgment: Yes\nConfidence: 0.9\nJustification: a plume: thin", true, 0.9],
    ["direct", "judgment: NO.\r\nconfidence: 75%", false, 0.25],
    ["direct", "**Judgment:** Yes, a plume\n- **Confidence**: 0.6", true, 0.6],
    ["extracted", "Let me think.\nJudgment: No\nJudgment: Yes\nConfidence: 1", true, 1],
    ["extracted", "```\n1. Judgment: yes\n2. Confidence: .5\n```", true, 0.5],
  ])("%s %s", (mode, text, hasSmoke, pSmoke) => {
    const parsed = parseOutput(confidence, text);
    expect(parsed).toMatchObject({ ok: true, mode, fields: { has_smoke: hasSmoke, p_smoke: pSmoke } });
  });
  test("a judgment that is none is missing, not negative", () => {
    const parsed = parseOutput(confidence, "Confidence: 0.9\nJustification: hm");
    expect(parsed.ok ? "parsed" : parsed.reason).toMatch(/none of the expected/);
    expect(parseOutput(confidence, "just prose").ok).toBe(false);
  });
});

describe("answers", () => {
  const spec = (more: Partial<AnswerSpec>): AnswerSpec => ({
    extract: [],
    normalize: [],
    type: "text",
    ...more,
  });
  const gsm = spec({ extract: ["#### (-?[0-9][0-9,]*)", "answer is (\\d+)"], type: "number" });
  test.each<[string, AnswerSpec, string, unknown]>([
    ["GSM8K", gsm, "16 - 7 = 9\n#### 1,018", 1018],
    ["the last match holds", gsm, "#### 3\nno wait\n#### 4", 4],
    ["the first pattern that matches decides", gsm, "the answer is 5, the answer is 6", 6],
    ["without patterns the last number", spec({ type: "number" }), "2 + 2 = 4 so $1,234.50.", 1234.5],
    ["negative", spec({ type: "number" }), "it is -3", -3],
    ["the last group that took part", spec({ extract: ["(a)|(b)"] }), "x a", "a"],
    ["whole match", spec({ extract: ["[a-z]+"] }), "1 abc 2", "abc"],
    ["choice", spec({ type: "choice" }), "(B).", "b"],
    ["choice with reasons", spec({ type: "choice" }), "C) because", "c"],
    ["choice of a word", spec({ type: "choice" }), "A cat.", "a cat"],
    ["json", spec({ type: "json", extract: ["\\[.*\\]"] }), "so [1, 2]", [1, 2]],
    [
      "steps in order",
      spec({ normalize: ["lower", "strip_punctuation", "collapse_spaces"] }),
      " Hello,\n  World! ",
      "hello world",
    ],
  ])("%s", (_, answer, text, want) => {
    const parsed = parseOutput(prompt({ answer }), text);
    expect(parsed.ok ? parsed.fields["answer"] : parsed.reason).toEqual(want);
  });
  test("no match, no number, no JSON and a bad pattern say so", () => {
    const reason = (answer: AnswerSpec, text: string): string => {
      const parsed = parseOutput(prompt({ answer }), text);
      return parsed.ok ? "parsed" : parsed.reason;
    };
    expect(reason(gsm, "I do not know")).toMatch(/no match for #### /);
    expect(reason(spec({ type: "number" }), "none")).toMatch(/no number/);
    expect(reason(spec({ type: "json" }), "x")).toMatch(/not JSON/);
    expect(reason(spec({ extract: ["(?=x)"] }), "x")).toMatch(/not valid RE2/);
  });
  test("hostile patterns take linear time", () => {
    expect(extractAnswer(["(a+)+$"], `${"a".repeat(50_000)}b`).ok).toBe(false);
  });
  test("text output is the trimmed text, an empty one too", () => {
    const text = prompt({ output: "text", fields: { has_smoke: "contains(lower(answer), 'smoke')" } });
    expect(parseOutput(text, " Some Smoke\n")).toEqual({
      ok: true,
      mode: "direct",
      fields: { answer: "Some Smoke", has_smoke: true },
    });
    expect(parseOutput(prompt({ output: "text" }), "")).toMatchObject({ ok: true, fields: { answer: "" } });
  });
});

test("which fields a prompt can produce", () => {
  const schema = prompt({ outputSchema: { properties: { bbox: {} } }, fields: { has_smoke: "x" } });
  expect(["bbox", "has_smoke", "objects"].map((f) => producesField(schema, f))).toEqual(["yes", "yes", "no"]);
  expect(producesField(prompt({}), "objects")).toBe("unknown");
  expect(producesField(prompt({ output: "text" }), "objects")).toBe("no");
  expect(producesField(prompt({ output: "text" }), "answer")).toBe("yes");
});

test("every JSON value is read as JSON.parse reads it", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.boolean(), (value, indented) => {
      const text = JSON.stringify(value, null, indented ? 2 : 0);
      if (!text.includes("__proto__")) expect(readWhole(text)).toEqual(JSON.parse(text));
    }),
    { numRuns: 1000 },
  );
});

test("an object in prose without braces is found where it stands", () => {
  const prose = fc.string().map((s) => s.replace(/[{}]/g, ""));
  fc.assert(
    fc.property(prose, fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), prose, (a, value, b) => {
      const text = JSON.stringify(value);
      if (text.includes("__proto__")) return;
      expect(findObjects(a + text + b)).toEqual([
        { value: JSON.parse(text), start: a.length, end: a.length + text.length },
      ]);
    }),
  );
});

test("no text makes the parser throw", () => {
  const piece = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    "\\",
    "\\u12",
    ":",
    ",",
    "1",
    "True",
    "\n",
    "```",
    "Judgment",
    "a",
    " ",
    "####",
    "\ud800",
  );
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(piece, { maxLength: 60 }).map((p) => p.join("")),
  );
  const prompts: PromptSpec[] = [
    fire,
    prompt({}),
    prompt({ output: "lines", fields: { x: "judgment" } }),
    prompt({ output: "text" }),
    prompt({ answer: { extract: ["(\\d+)", "\\{(.*)\\}"], normalize: ["strip_punctuation"], type: "json" } }),
    prompt({ answer: { extract: [], normalize: ["strip_commas"], type: "number" } }),
  ];
  fc.assert(
    fc.property(text, fc.constantFrom(...prompts), (source, spec) => {
      const parsed = parseOutput(spec, source);
      if (!parsed.ok) expect(parsed.reason).not.toBe("");
    }),
    { numRuns: 3000 },
  );
});

test("a million braces or quotes are read at once", () => {
  for (const text of ["{", '{"', '{"a":', "[{", "{'a':1}{"].map((s) => s.repeat(300_000))) {
    expect(parseOutput(fire, text).ok).toBe(false);
  }
  expect(readAnswer({ extract: [], normalize: [], type: "number" }, "1,".repeat(100_000))).toMatchObject({
    ok: false,
  });
});

test("a field that is mapped and in the schema is named once", () => {
  const twice: PromptSpec = {
    ...prompt({}),
    output: "json",
    fields: { has_smoke: "smoke" },
    outputSchema: { properties: { has_smoke: {}, note: {} } },
  };
  const parsed = parseOutput(twice, '{"other": 1}');
  expect(parsed.ok ? "" : parsed.reason).toMatch(/expected fields has_smoke, note$/);
});
