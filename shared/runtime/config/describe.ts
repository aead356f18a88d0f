/** The resolved configuration and its problems as text for people, secrets hidden. */
import { leaves } from "./leaves.js";
import type { Config, ConfigProblem, ConfigRow, ConfigSource, ConfigSources } from "./types.js";

/** Endings the resolved names add to the file's, with the unit to show. */
const ENDINGS = { "": "", Ms: " ms", Bytes: " bytes", Address: "" };

/** One row a key, in the schema's order; keys that only name a file with a secret have no row of their own. */
export function describeConfig(config: Config, sources: ConfigSources): ConfigRow[] {
  return [...leaves.values()].flatMap((leaf) => {
    const found = find(config, leaf.key);
    if (found === undefined) return [];
    const source = sources.get(leaf.key) ?? sources.get(`${leaf.key}_file`) ?? { kind: "default" };
    const value = leaf.secret && found.value !== undefined ? "(hidden)" : shown(found.value, found.unit);
    return [{ key: leaf.key, value, source: sourceText(source) }];
  });
}

/** `file:line: section.key: what is wrong, hint`, or the variable or flag in the file's place. */
export function formatProblem(problem: ConfigProblem): string {
  const { source, key, message, hint } = problem;
  const place = source.kind === "default" ? "configuration" : sourceText(source);
  return `${place}: ${key === "" ? "" : `${key}: `}${message}${hint === "" ? "" : `, ${hint}`}`;
}

function sourceText(source: ConfigSource): string {
  switch (source.kind) {
    case "environment":
      return `environment ${source.name}`;
    case "file":
      return source.line === 0 ? source.path : `${source.path}:${source.line}`;
    default:
      return source.kind;
  }
}

function find(config: Config, key: string): { value: unknown; unit: string } | undefined {
  const names = key
    .split(".")
    .map((name) => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()));
  const last = names.pop() ?? "";
  let at: unknown = config;
  for (const name of names) {
    if (isObject(at)) at = at[name];
  }
  if (at === undefined) return { value: undefined, unit: "" };
  if (!isObject(at)) return undefined;
  for (const [ending, unit] of Object.entries(ENDINGS)) {
    if (Object.hasOwn(at, last + ending)) return { value: at[last + ending], unit };
  }
  return undefined;
}

function shown(value: unknown, unit: string): string {
  if (value === undefined) return "(not set)";
  if (isObject(value) && "explicit" in value) {
    return `${value["value"]}${value["explicit"] ? "" : " (or the next free one)"}`;
  }
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.replace(/\/\/[^/@\s"]*@/g, "//(hidden)@") + unit;
}

const isObject = (value: unknown): value is { [name: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
