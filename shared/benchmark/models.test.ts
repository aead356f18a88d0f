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
    c: "simulated:y?seed=2",
  });
  expect(findings).toEqual([]);
  expect(specs.map(({ id, engine, model: name, options }) => [id, engine, name, options])).toEqual([
    ["a", "ollama", "x", {}],
    ["b", "simulated", "vlm", {}],
    ["c", "simulated", "y", { seed: 2 }],
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

test("options of engines that are known are checked, those of the suite and those of the map", () => {
  const told = (options: SuiteModel["options"], target: string) =>
    resolve([model("m", { options })], { m: target }).findings.map(
      ({ severity, field, message, hint }) => `${severity} ${field}: ${message} (${hint})`,
    );
  expect(told({ accurcy: 0.9, tokens: 2.5, faults: { oom_rat: 1, error_rate: 2 } }, "simulated:x")).toEqual([
    'error models[0].options.accurcy: the option accurcy of simulated is not known (did you mean "accuracy"?)',
    "error models[0].options.tokens: the option tokens of simulated is 2.5; it must be a whole number from 1 to 100000 ()",
    'error models[0].options.faults.oom_rat: the option faults.oom_rat of simulated is not known (did you mean "oom_rate"?)',
    "error models[0].options.faults.error_rate: the option faults.error_rate of simulated is 2; it must be a number from 0 to 1 ()",
  ]);
  expect(told({}, "ocr:4.0.0?psm=99&upscale=5&dpi=x&language=eng")).toEqual([
    "error models[0].options.psm: the option psm of ocr is 99; it must be a whole number from 0 to 13 ()",
    "error models[0].options.upscale: the option upscale of ocr is 5; it must be a number from 1 to 4 ()",
    'error models[0].options.dpi: the option dpi of ocr is "x"; it must be a whole number from 70 to 2400 ()',
    "error models[0].options.language: the option language of ocr is not known (one of psm, dpi, upscale)",
  ]);
  expect(told({ faults: 1, outputs: ["a", 1], device: 2 }, "simulated:x")).toHaveLength(3);
  expect(told({ faults: null, outputs: ["a"], device: "test", seed: 0 }, "simulated:x")).toEqual([]);
  expect(told({ psm: 7, dpi: 70, upscale: 1.5 }, "ocr:4.0.0")).toEqual([]);
  expect(told({ anything: 1 }, "ollama:x")).toEqual([]);
});
