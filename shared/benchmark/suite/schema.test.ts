/** The published schema against the reader: the same keys everywhere, and what we hand out is valid by both. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { afterEach, expect, test, vi } from "vitest";
import { loadSuite } from "../../suites/load.js";
import type { Json } from "../json.js";
import { Fields } from "./fields.js";
import { readSuite } from "./read-suite.js";
import { SUITE_SCHEMA } from "./schema.js";

afterEach(() => vi.restoreAllMocks());

type Obj = { [key: string]: Json };
const isObject = (value: Json | undefined): value is Obj =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** One of everything, so that every object of the language is read. */
const EVERYTHING: Obj = {
  name: "n",
  description: "d",
  prompts: [{ id: "p", template: "t", answer: { extract: "x" }, fields: { a: "b" }, output_schema: {} }],
  models: [{ id: "m", price: {}, config: {} }],
  datasets: [
    { id: "d", path: "p", target: { path: "x" }, sample: { n: 1 }, answer: { extract: "x" } },
    { uri: "q" },
    { id: "s", type: "synthetic", n: 1, input_tokens: 8 },
  ],
  judges: [{ id: "j", price: {}, config: {} }],
  metrics: [
    { id: "own", expression: "x == 1" },
    { id: "judged", judge: { model: "j", template: "t", scale: [0, 1] } },
  ],
  engine_config: {},
  test_config: {},
  run: { mode: "both", retry: {} },
  load: { kind: "poisson", values: [1], slo: {} },
  execution: {},
  placement: {},
  matrix: { include: [{ model: "m" }] },
  fewshot: { n: 1 },
  baseline: { campaign: "release", rule: { metric: "accuracy", max_drop: 0.02, alpha: 0.05 } },
  budget: { usd: 1 },
  test_scenarios: [
    { name: "s", filter: "a == 1", expected_performance: { recall: 1 } },
    { id: "t", filter_conditions: "a == 1", datasets: ["d"], expected_performance: { recall: 1 } },
  ],
};

/** Keys that are read to be refused. */
const REFUSED = new Set(["artifacts", "custom_metrics", "labels", "exclusive_gpu"]);

/** Path of an object without indexes → the keys the reader asked it for. */
function keysOfReader(): Map<string, Set<string>> {
  const keys = new Map<string, Set<string>>();
  const { close } = Fields.prototype;
  vi.spyOn(Fields.prototype, "close").mockImplementation(function (this: Fields) {
    const at = this.at.replace(/\[\d+\]/g, "[]");
    const known = this.knownKeys().filter((key) => !REFUSED.has(key));
    keys.set(at, new Set([...(keys.get(at) ?? []), ...known]));
    close.call(this);
  });
  expect(readSuite(EVERYTHING).findings.filter(({ severity }) => severity === "error")).toEqual([]);
  return keys;
}

/** The same of the schema. */
function keysOfSchema(schema: Json | undefined, at = "", keys = new Map<string, Set<string>>()) {
  if (!isObject(schema)) return keys;
  const { $ref, properties, items, oneOf, anyOf } = schema;
  const definitions = SUITE_SCHEMA["definitions"];
  if (typeof $ref === "string" && isObject(definitions))
    keysOfSchema(definitions[$ref.split("/").at(-1) ?? ""], at, keys);
  for (const one of [oneOf, anyOf].flatMap((list) => (Array.isArray(list) ? list : [])))
    keysOfSchema(one, at, keys);
  if (items !== undefined) keysOfSchema(items, `${at}[]`, keys);
  if (!isObject(properties)) return keys;
  keys.set(at, new Set(Object.keys(properties)));
  for (const [key, inner] of Object.entries(properties))
    keysOfSchema(inner, at === "" ? key : `${at}.${key}`, keys);
  return keys;
}

test("every object of the language has the same keys in both", () => {
  const reader = keysOfReader();
  const schema = keysOfSchema(SUITE_SCHEMA as Obj);
  // Rules of exclusion are those of inclusion.
  schema.delete("matrix.exclude[]");
  const sorted = (keys: Map<string, Set<string>>) =>
    Object.fromEntries(
      [...keys].map(([at, names]) => [at, [...names].sort()] as const).sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  expect(sorted(schema)).toEqual(sorted(reader));
});

const ajv = new Ajv({ allErrors: true, allowUnionTypes: true });
const validate = ajv.compile(SUITE_SCHEMA);
const problems = (value: unknown): string[] => {
  validate(value);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
};

const file = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

test("the copy for editors is this schema: sai suite schema > docs/suite.schema.json", () => {
  expect(JSON.parse(readFileSync(file("docs/suite.schema.json"), "utf8"))).toEqual(SUITE_SCHEMA);
});

test("everything, and all examples, are valid by the schema", () => {
  expect(problems(EVERYTHING)).toEqual([]);
  const real = process.env["SAI_TEST_FIXTURES"];
  const suites = [
    ...readdirSync(file("examples"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => file(`examples/${name}/suite.yaml`)),
    ...(real === undefined
      ? []
      : readdirSync(`${real}/sai/suites`).map((name) => `${real}/sai/suites/${name}`)),
  ];
  for (const path of suites) {
    const loaded = loadSuite(readFileSync(path));
    expect([path, "value" in loaded ? problems(loaded.value) : loaded]).toEqual([path, []]);
  }
});

test.each([
  ["an unknown key", { promts: [] }],
  ["a model without a list", { models: "m" }],
  ["a share over 1", { test_config: { iou_threshold: 2 } }],
  ["a budget of nothing", { budget: { usd: 0 } }],
  ["a budget of something else", { budget: { eur: 1 } }],
  ["half a token", { engine_config: { max_tokens: 1.5 } }],
  ["an engine that is none", { models: [{ id: "m", engine: "olama" }] }],
  ["a rule of something else", { matrix: { include: [{ modle: "m" }] } }],
])("both refuse %s", (_, more: Obj) => {
  const value = { ...EVERYTHING, ...more, strict: true };
  expect(problems(value)).not.toEqual([]);
  expect(readSuite(value).suite).toBeUndefined();
});
