/** Reading the suite a command names, and the flags that change what it says. */
import { readFile } from "node:fs/promises";
import { relative, resolve } from "node:path";
import type { Json } from "../shared/benchmark/json.js";
import { parseModelTarget } from "../shared/benchmark/models.js";
import { SaiError } from "../shared/runtime/errors.js";
import { loadSuite } from "../shared/suites/load.js";
import type { Context } from "./context.js";
import { usageError } from "./exit.js";
import type { SuiteSource } from "./submit.js";

export interface SuiteFlags {
  file?: string;
  suite?: string;
  root?: string;
  mapModel: string[];
  prompts?: string[];
  models?: string[];
  workers?: string;
  limit?: string;
  sampleId?: string[];
}

/** The suite of `-f` (or SAI's `--suite`) with its flags applied. */
export async function readSuiteSource(context: Context, flags: SuiteFlags): Promise<SuiteSource> {
  const file = flags.file ?? flags.suite;
  if (file === undefined)
    throw usageError("no suite: -f FILE is missing", "`sai init` writes one to start from");
  const path = resolve(context.io.cwd, file);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    if (!missing) throw new SaiError("not_found", `cannot read the suite ${file}`, { cause });
    throw new SaiError("not_found", `there is no suite ${file}`, {
      hint: `looked for ${path}; \`sai init\` writes a suite to start from`,
    });
  }
  const root = flags.root === undefined ? undefined : resolve(context.io.cwd, flags.root);
  const near = relative(context.io.cwd, path);
  const label = near === "" || near.startsWith("..") ? file : near;
  const source: SuiteSource = {
    text,
    label,
    files: { kind: "local", suiteFile: path, ...(root !== undefined && { root }) },
    modelMap: parseModelMap(flags.mapModel),
  };
  const edited = editSuite(text, flags);
  return edited === undefined ? source : { ...source, text: edited, label: `${label} (with flags applied)` };
}

/** `A=ENGINE:MODEL` pairs as a map; `*=ENGINE:MODEL` stands for every other model. */
export function parseModelMap(pairs: readonly string[]): Record<string, string> {
  const map: Record<string, string> = {};
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at < 1)
      throw usageError(
        `--map-model: ${pair} is not ID=ENGINE:MODEL`,
        "such as qwen2vl_2b=ollama:qwen2-vl:2b",
      );
    const target = pair.slice(at + 1);
    const parsed = parseModelTarget(target);
    if (!parsed.ok) throw usageError(`--map-model: ${parsed.message}`);
    map[pair.slice(0, at)] = target;
  }
  return map;
}

/**
 * The suite with `--prompts`, `--models`, `--workers`, `--limit` and `--sample-id` applied, as JSON; undefined when none is given or the text is
 * no suite (preparing it then says why). An id the suite has keeps its entry, another is added by name.
 */
function editSuite(text: string, flags: SuiteFlags): string | undefined {
  const { prompts, models, workers: inFlight, limit, sampleId } = flags;
  if ([prompts, models, inFlight, limit, sampleId].every((flag) => flag === undefined)) return undefined;
  const loaded = loadSuite(text);
  if ("findings" in loaded || !isMapping(loaded.value)) return undefined;
  const suite = { ...loaded.value };
  if (flags.prompts) suite["prompts"] = pick(suite["prompts"], flags.prompts);
  if (flags.models) suite["models"] = pick(suite["models"], flags.models);
  if (flags.workers !== undefined) {
    const workers = Number(flags.workers);
    if (!Number.isInteger(workers) || workers < 1) {
      throw usageError(`--workers: ${flags.workers} is not a positive whole number`);
    }
    const test = suite["test_config"];
    suite["test_config"] = { ...(isMapping(test) ? test : {}), max_workers: workers };
  }
  if (limit !== undefined || sampleId !== undefined) {
    const n = limit === undefined ? undefined : Number(limit);
    if (n !== undefined && (!Number.isInteger(n) || n < 1))
      throw usageError(`--limit: ${limit} is not a positive whole number`);
    const { datasets } = suite;
    if (Array.isArray(datasets)) suite["datasets"] = datasets.map((entry) => fewer(entry, n, sampleId));
  }
  return JSON.stringify(suite, null, 2);
}

/** The dataset with at most `n` items, drawn with its own seed, or only those of the ids. */
function fewer(entry: Json, n: number | undefined, ids: readonly string[] | undefined): Json {
  const dataset = typeof entry === "string" ? { path: entry } : entry;
  if (!isMapping(dataset)) return entry;
  const before = dataset["sample"];
  const drawn = isMapping(before) ? before : typeof before === "number" ? { n: before } : {};
  const most = typeof drawn["n"] === "number" ? Math.min(drawn["n"], n ?? Number.POSITIVE_INFINITY) : n;
  return {
    ...dataset,
    ...(n !== undefined && { sample: { ...drawn, n: most ?? n } }),
    ...(ids !== undefined && { ids: [...ids] }),
  };
}

function pick(entries: Json | undefined, ids: readonly string[]): Json[] {
  const list = Array.isArray(entries) ? entries : [];
  const wanted = ids.flatMap((id) => id.split(",")).filter((id) => id !== "");
  return wanted.map((id) => list.find((entry) => idOf(entry) === id) ?? id);
}

function idOf(entry: Json): Json | undefined {
  return isMapping(entry) ? (entry["id"] ?? entry["name"]) : entry;
}

const isMapping = (value: Json | undefined): value is { [key: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
