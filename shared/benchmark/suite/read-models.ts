import type { Json } from "../json.js";
import { ENGINE_KINDS, type EngineKind } from "../plan.js";
import { idOf, readEntries } from "./entries.js";
import { checkName, type Fields, isObject } from "./fields.js";
import { readConfig } from "./read-engine-config.js";
import type { SuiteModel } from "./suite-types.js";

/** `models`, or `judges`: ids, and objects that may say engine, model, price and options. */
export const readModels = (root: Fields, key: "models" | "judges" = "models"): SuiteModel[] =>
  readEntries(root, key, (entry, field) => {
    if (typeof entry === "string") return { field, id: entry, options: {} };
    const id = idOf(entry);
    if (id === undefined) return undefined;
    const engine = readEngine(entry);
    const path = entry.name("path");
    const model = entry.name("model") ?? path;
    const revision = entry.name("revision");
    const quant = entry.name("quant");
    const price = readPrice(entry);
    entry.accept("name", "description");
    const config = readConfig(entry, "config");
    for (const key of ["vram_gb", "gpus"]) {
      entry.accept(key);
      if (entry.has(key)) entry.findings.warning(entry.path(key), `${key} is read and not applied`);
    }
    return {
      field,
      id,
      ...(engine && { engine }),
      ...(model !== undefined && { model }),
      ...(revision !== undefined && { revision }),
      ...(quant !== undefined && { quant }),
      ...(price && { price }),
      options: readOptions(entry),
      ...(config && { config }),
    };
  });

/** `engine`, or SAI's `type` where that names an engine; other types only describe the model. */
function readEngine(entry: Fields): EngineKind | undefined {
  const type = entry.text("type");
  const name = entry.text("engine") ?? ENGINE_KINDS.find((kind) => kind === type);
  if (name === undefined) return undefined;
  const kind = ENGINE_KINDS.find((candidate) => candidate === name);
  if (kind) return kind;
  const hint = entry.findings.suggest(name, ENGINE_KINDS) || `one of ${ENGINE_KINDS.join(", ")}`;
  entry.findings.error(entry.path("engine"), `there is no engine ${JSON.stringify(name)}`, hint);
  return undefined;
}

function readPrice(entry: Fields): SuiteModel["price"] {
  const price = entry.object("price");
  if (!price) return undefined;
  const range = { min: 0, max: 1e6 };
  const read: NonNullable<SuiteModel["price"]> = {};
  for (const key of ["in_1m", "cached_1m", "out_1m", "gpu_hour"] as const) {
    const value = price.number(key, range);
    if (value !== undefined) read[key] = value;
  }
  price.close();
  return read;
}

function readOptions(entry: Fields): { [key: string]: Json } {
  const value = entry.raw("options");
  if (value === undefined) return {};
  if (!isObject(value)) {
    entry.findings.error(entry.path("options"), "expected an object");
    return {};
  }
  for (const key of Object.keys(value)) checkName(`${entry.path("options")}.${key}`, key, entry.findings);
  return value;
}
