/**
 * Loading: file, environment and flags are laid over one another into one tree in the file's own words, which the
 * schema then checks once. Each value's source is remembered, so that a problem names the line or the variable it is in.
 */
import type { Json } from "../../benchmark/json.js";
import { suggestion } from "../../benchmark/suggest.js";
import { artifactProblems, databaseProblems, findProblems, networkProblem, storeProblems } from "./check.js";
import { CONFIG_PATH, knownNames, lookUp, readText } from "./environment.js";
import { interpolate } from "./interpolate.js";
import { keysBelow, leaves } from "./leaves.js";
import { readYamlFile } from "./read-yaml.js";
import { resolveConfig } from "./resolve.js";
import { fileSchema } from "./schema.js";
import { readSecretFiles } from "./secret-files.js";
import type { ConfigProblem, ConfigSource, LoadConfigOptions, LoadConfigResult } from "./types.js";

/** The tree before validation and where its parts come from. */
export interface Layers {
  tree: { [key: string]: unknown };
  /** By dotted key, also below leaves that are lists. */
  sources: Map<string, ConfigSource>;
  problems: ConfigProblem[];
}

/**
 * Loads and validates everything; reports all problems at once. Reads the configuration file and the secret files it
 * names, writes nothing. Relative paths are relative to the working directory.
 */
export function loadConfig(options: LoadConfigOptions): LoadConfigResult {
  const layers: Layers = { tree: {}, sources: new Map(), problems: [] };
  const path = options.path ?? (options.env[CONFIG_PATH] || undefined);
  if (path !== undefined) layFile(layers, path);
  interpolate(layers, options.env);
  layEnvironment(layers, options.env);
  layFlags(layers, options.overrides ?? {});

  const parsed = fileSchema.safeParse(layers.tree);
  if (!parsed.success) layers.problems.push(...findProblems(parsed.error.issues, layers));
  const notices = [...unusedNotices(layers), ...unknownNames(options)];
  if (!parsed.success) return { ok: false, problems: layers.problems, notices };

  const file = readSecretFiles(parsed.data, layers);
  const config = resolveConfig(file);
  layers.problems.push(...storeProblems(config, layers), ...artifactProblems(config, layers));
  layers.problems.push(...databaseProblems(config, layers));
  const open = networkProblem(config, layers);
  if (open !== undefined && options.serving) {
    (config.security.insecureNetwork ? notices : layers.problems).push(open);
  }
  if (layers.problems.length > 0) return { ok: false, problems: layers.problems, notices };
  const sources = new Map([...layers.sources].filter(([key]) => leaves.has(key)));
  return { ok: true, config, sources, notices };
}

function layFile(layers: Layers, path: string): void {
  const at = (line: number): ConfigSource => ({ kind: "file", path, line });
  const read = readYamlFile(path);
  if (!read.ok) {
    layers.problems.push({ key: "", source: at(read.line), message: read.message, hint: read.hint });
    return;
  }
  if (!isMapping(read.value)) {
    const message = "is not a mapping of sections";
    layers.problems.push({ key: "", source: at(1), message, hint: `sections: ${keysBelow("").join(", ")}` });
    return;
  }
  layers.tree = withoutNulls(read.value);
  for (const [key, line] of read.lines) layers.sources.set(key, at(line));
}

function layEnvironment(layers: Layers, env: LoadConfigOptions["env"]): void {
  for (const leaf of leaves.values()) {
    const found = lookUp(leaf, env);
    if (found === undefined) continue;
    put(layers, leaf.key, readText(found.text, leaf.type), { kind: "environment", name: found.name });
  }
}

function layFlags(layers: Layers, overrides: { readonly [key: string]: Json | undefined }): void {
  for (const [key, value] of Object.entries(overrides)) {
    if (value === undefined) continue;
    const leaf = leaves.get(key);
    if (leaf === undefined) {
      const hint = suggestion(key, leaves.keys());
      layers.problems.push({ key, source: { kind: "flag" }, message: "unknown key", hint });
    } else {
      put(layers, key, typeof value === "string" ? readText(value, leaf.type) : value, { kind: "flag" });
    }
  }
}

/** Sets a leaf; a parent that is no mapping is left for the schema to refuse. */
function put(layers: Layers, key: string, value: unknown, source: ConfigSource): void {
  const names = key.split(".");
  const last = names.pop() ?? "";
  let at = layers.tree;
  for (const name of names) {
    const child = Object.hasOwn(at, name) ? at[name] : undefined;
    if (child !== undefined && !isMapping(child)) return;
    const next = child ?? {};
    at[name] = next;
    at = next;
  }
  at[last] = value;
  for (const below of [...layers.sources.keys()])
    if (below.startsWith(`${key}.`)) layers.sources.delete(below);
  layers.sources.set(key, source);
}

/** A section whose keys are all commented out reads as null; nothing set is what is meant. */
function withoutNulls(tree: { [key: string]: unknown }): { [key: string]: unknown } {
  const kept = Object.entries(tree).filter(([, value]) => value !== null);
  return Object.fromEntries(
    kept.map(([key, value]) => [key, isMapping(value) ? withoutNulls(value) : value]),
  );
}

const isMapping = (value: unknown): value is { [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function unusedNotices(layers: Layers): ConfigProblem[] {
  const notices: ConfigProblem[] = [];
  for (const leaf of leaves.values()) {
    const source = layers.sources.get(leaf.key);
    if (source === undefined || leaf.unused === undefined) continue;
    notices.push({ key: leaf.key, source, message: "accepted, not used yet", hint: leaf.unused });
  }
  for (const [index, handler] of listAt(layers.tree, "logging", "handlers").entries()) {
    if (!isMapping(handler) || handler["type"] !== "syslog") continue;
    const key = `logging.handlers.${index}`;
    const source = layers.sources.get(key) ?? layers.sources.get("logging.handlers") ?? { kind: "default" };
    notices.push({ key, source, message: "accepted, not used yet", hint: "syslog comes in a later version" });
  }
  return notices;
}

function listAt(tree: Layers["tree"], section: string, name: string): unknown[] {
  const inner = tree[section];
  const list = isMapping(inner) ? inner[name] : undefined;
  return Array.isArray(list) ? list : [];
}

/** Variables the guide sets for other tools, and SAI_ names nobody reads (a typing mistake, most likely). */
function unknownNames(options: LoadConfigOptions): ConfigProblem[] {
  const known = new Set([...knownNames(), ...(options.knownNames ?? [])]);
  const notices: ConfigProblem[] = [];
  for (const [name, text] of Object.entries(options.env)) {
    if (text === undefined || text === "") continue;
    const source: ConfigSource = { kind: "environment", name };
    if (name === "PROMETHEUS_ENDPOINT" || name === "GRAFANA_URL") {
      const hint = "Prometheus scrapes /metrics by itself; nothing here calls it";
      notices.push({ key: "", source, message: "accepted, not used yet", hint });
    } else if (name.startsWith("SAI_") && !known.has(name)) {
      const hint = suggestion(name, known);
      notices.push({ key: "", source, message: "unknown variable, ignored", hint });
    }
  }
  return notices;
}
