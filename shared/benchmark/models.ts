/**
 * Model resolution: from the ids of a suite to (engine, model name, options).
 *
 * 1. A model whose suite entry names its engine needs nothing else.
 * 2. Otherwise the map decides: its own key first, then `*`. A value is `ENGINE:MODEL`, or `MODEL` alone for ollama,
 *    with `?key=value&key=value` for options: `ocr:4.0.0_best_int?upscale=2`.
 * 3. Otherwise the id (or the id with `:latest`) must be a model that exactly one reachable engine serves.
 */
import { checkOptions } from "./engine-options.js";
import { type Finding, FindingList, type LineOf } from "./finding.js";
import type { Json } from "./json.js";
import { ENGINE_KINDS, type EngineKind, type ModelSpec } from "./plan.js";
import type { Suite, SuiteModel } from "./suite/suite-types.js";

/** What one kind of engine can serve, over all agents. */
export interface AvailableModels {
  engine: EngineKind;
  models: readonly string[];
}

/**
 * The models in suite order; those that cannot be resolved are missing and have an error. Without `available`, bare ids
 * pass with a warning and stand for ollama models.
 */
export function resolveModels(
  suite: Pick<Suite, "models">,
  modelMap: Readonly<Record<string, string>>,
  available: readonly AvailableModels[] | undefined,
  lineOf: LineOf = () => 0,
): { models: ModelSpec[]; findings: Finding[] } {
  const findings = new FindingList(lineOf);
  const ids = new Set(suite.models.map((model) => model.id));
  for (const key of Object.keys(modelMap)) {
    if (key !== "*" && !ids.has(key)) {
      findings.warning(
        "models",
        `the model map names ${key}, which the suite does not have`,
        findings.suggest(key, ids),
      );
    }
  }
  const models = suite.models.flatMap((model) => {
    const spec = resolveOne(model, modelMap, available, findings);
    if (!spec) return [];
    checkOptions(spec.engine, spec.options, `${model.field}.options`, findings);
    return [spec];
  });
  return { models, findings: findings.all };
}

/** Reads `ENGINE:MODEL?key=value`; a prefix that is no engine belongs to the model's name (`qwen2.5vl:7b`). */
export function parseModelTarget(
  text: string,
):
  | { ok: true; engine: EngineKind; model: string; options: { [key: string]: Json } }
  | { ok: false; message: string } {
  const [name = "", query] = text.split(/\?(.*)/s, 2);
  const colon = name.indexOf(":");
  const engine = ENGINE_KINDS.find((kind) => kind === name.slice(0, Math.max(colon, 0)));
  const model = engine ? name.slice(colon + 1) : name;
  if (!/^[A-Za-z0-9._:/@-]{1,128}$/.test(model)) {
    return {
      ok: false,
      message: `${JSON.stringify(text)} names no model; write ENGINE:MODEL with an engine of ${ENGINE_KINDS.join(", ")}`,
    };
  }
  const options: { [key: string]: Json } = {};
  for (const pair of query ? query.split("&") : []) {
    const [key = "", value] = pair.split(/=(.*)/s, 2);
    if (!/^[a-z][a-z0-9_]{0,63}$/.test(key) || value === undefined) {
      return { ok: false, message: `${JSON.stringify(pair)} is no option; write key=value` };
    }
    if (key in options) return { ok: false, message: `the option ${key} is given twice` };
    options[key] = optionValue(value);
  }
  return { ok: true, engine: engine ?? "ollama", model, options };
}

function optionValue(text: string): Json {
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function resolveOne(
  model: SuiteModel,
  modelMap: Readonly<Record<string, string>>,
  available: readonly AvailableModels[] | undefined,
  findings: FindingList,
): ModelSpec | undefined {
  const mapped = Object.hasOwn(modelMap, model.id) ? modelMap[model.id] : undefined;
  if (mapped !== undefined) return fromMap(model, mapped, findings);
  if (model.engine) return specOf(model, model.engine, model.model ?? model.id);
  const rest = Object.hasOwn(modelMap, "*") ? modelMap["*"] : undefined;
  if (rest !== undefined) return fromMap(model, rest, findings);
  return fromAvailable(model, available, findings);
}

function fromMap(model: SuiteModel, target: string, findings: FindingList): ModelSpec | undefined {
  const parsed = parseModelTarget(target);
  if (!parsed.ok) {
    findings.error(model.field, `model ${model.id} is mapped to ${parsed.message}`);
    return undefined;
  }
  const { engine, options } = parsed;
  return { ...specOf(model, engine, parsed.model), options: { ...model.options, ...options } };
}

function fromAvailable(
  model: SuiteModel,
  available: readonly AvailableModels[] | undefined,
  findings: FindingList,
): ModelSpec | undefined {
  const name = model.model ?? model.id;
  if (available === undefined) {
    findings.warning(
      model.field,
      `no engine was asked whether it has ${name}; taken as an ollama model`,
      `--map-model ${model.id}=ENGINE:MODEL says where it runs`,
    );
    return specOf(model, "ollama", name);
  }
  const matches = available.flatMap(({ engine, models }) =>
    [name, `${name}:latest`]
      .filter((candidate) => models.includes(candidate))
      .slice(0, 1)
      .map((found) => ({ engine, model: found })),
  );
  const engines = new Set(matches.map((match) => match.engine));
  const [first] = matches;
  if (first && engines.size === 1) return specOf(model, first.engine, first.model);
  const hint = `use --map-model ${model.id}=ENGINE:MODEL`;
  if (first) {
    findings.error(
      model.field,
      `model ${name} is served by several engines: ${[...engines].join(", ")}`,
      hint,
    );
  } else {
    findings.error(model.field, `no reachable engine has the model ${name}; ${candidates(available)}`, hint);
  }
  return undefined;
}

/** At most 20 names, so that the message stays readable. */
function candidates(available: readonly AvailableModels[]): string {
  const names = [
    ...new Set(available.flatMap(({ engine, models }) => models.map((model) => `${engine}:${model}`))),
  ];
  if (names.length === 0) return "no engine reports any model";
  const more = names.length > 20 ? ` and ${names.length - 20} more` : "";
  return `there are ${names.slice(0, 20).join(", ")}${more}`;
}

const specOf = (model: SuiteModel, engine: EngineKind, name: string): ModelSpec => ({
  id: model.id,
  engine,
  model: name,
  ...(model.revision !== undefined && { revision: model.revision }),
  ...(model.quant !== undefined && { quant: model.quant }),
  ...(model.price && { price: model.price }),
  options: model.options,
});
