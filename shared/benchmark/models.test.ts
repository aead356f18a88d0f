import { expect, test } from "vitest";
import { parseModelTarget, resolveModels } from "./models.js";
import type { SuiteModel } from "./suite/suite-types.js";

const model = (id: string, more: Partial<SuiteModel> = {}): SuiteModel => ({
  field: "models[0]",
  id,
  options: {},
  ...more,
});
const resolve = (
  models: SuiteModel[],
  map: Record<string, string>,
  available?: Parameters<typeof resolveModels>[2],
) => resolveModels({ models }, map, available);

test("a map value names engine, model and options", () => {
  expect(parseModelTarget("ollama:qwen2-vl:2b")).toEqual({
    ok: true,
    engine: "ollama",
    model: "qwen2-vl:2b",
    options: {},
  });
  expect(parseModelTarget("qwen2.5vl:7b")).toEqual({
    ok: true,
    engine: "ollama",
    model: "qwen2.5vl:7b",
    options: {},
  });
  expect(parseModelTarget("ocr:4.0.0_best_int?upscale=2&psm=7&invert=true&lang=eng")).toEqual({
    ok: true,
    engine: "ocr",
    model: "4.0.0_best_int",
    options: { upscale: 2, psm: 7, invert: true, lang: "eng" },
  });
  expect(parseModelTarget("openai:org/model@1?note=a=b")).toMatchObject({
    model: "org/model@1",
    options: { note: "a=b" },
  });
});

test.each([
  "",
  "ocr:",
  "ocr: x",
  "ocr:x?upscale",
  "ocr:x?=2",
  "ocr:x?a=1&a=2",
  "ocr:x?__proto__=1",
  `ocr:${"x".repeat(129)}`,
])("no map value: %s", (text) => expect(parseModelTarget(text).ok).toBe(false));

test("the map goes before the suite, its own key before *, and * leaves models with an engine alone", () => {
  const models = [
    model("a"),
    model("b"),
    model("c", { engine: "openai", model: "gpt" }),
    model("d", { engine: "openai" }),
  ];
  const { models: specs, findings } = resolve(models, {
    "*": "simulated:vlm",
    a: "ollama:x",
    c: "simulated:y?speed=2",
  });
  expect(findings).toEqual([]);
  expect(specs.map(({ id, engine, model: name, options }) => [id, engine, name, options])).toEqual([
    ["a", "ollama", "x", {}],
    ["b", "simulated", "vlm", {}],
    ["c", "simulated", "y", { speed: 2 }],
    ["d", "openai", "d", {}],
  ]);
});

test("a bare id resolves to the one engine that has it, also with :latest", () => {
  const available = [
    { engine: "ollama" as const, models: ["minicpm-v:latest", "both"] },
    { engine: "openai" as const, models: ["gpt", "both"] },
  ];
  const { models, findings } = resolve([model("minicpm-v"), model("gpt")], {}, available);
  expect(findings).toEqual([]);
  expect(models.map(({ engine, model: name }) => `${engine}:${name}`)).toEqual([
    "ollama:minicpm-v:latest",
    "openai:gpt",
  ]);
  expect(resolve([model("both")], {}, available).findings[0]?.message).toMatch(
    /several engines: ollama, openai/,
  );
});

test("what nobody has is an error that lists the candidates", () => {
  const [finding] = resolve([model("qwen")], {}, [{ engine: "ollama", models: ["llava:7b"] }]).findings;
  expect(finding).toMatchObject({ severity: "error", field: "models[0]" });
  expect(finding?.message).toBe("no reachable engine has the model qwen; there are ollama:llava:7b");
  expect(finding?.hint).toBe("use --map-model qwen=ENGINE:MODEL");
  expect(resolve([model("qwen")], {}, []).findings[0]?.message).toMatch(/no engine reports any model/);
});

test("when no engine was asked, a bare id passes with a warning", () => {
  const { models, findings } = resolve([model("qwen:7b")], {}, undefined);
  expect(models[0]).toMatchObject({ engine: "ollama", model: "qwen:7b" });
  expect(findings.map(({ severity }) => severity)).toEqual(["warning"]);
});

test("a map key the suite does not have warns, a bad value is an error", () => {
  const { models, findings } = resolve([model("qwen")], { qwem: "ollama:x", qwen: "simulated:" }, []);
  expect(models).toEqual([]);
  expect(findings.map(({ severity, hint }) => [severity, hint])).toEqual([
    ["warning", 'did you mean "qwen"?'],
    ["error", ""],
  ]);
});
