/**
 * Suite text to a plain value. YAML, and JSON as the part of YAML it is: one parser, one set of limits.
 *
 *  1. Size and encoding are checked before anything is parsed, depth while parsing.
 *  2. The parser's events are walked before any value is built: anchors, aliases, tags, duplicate keys, keys that mean
 *     something else to JavaScript and further documents are all refused there.
 *  3. The same walk notes the line of every path, so that later findings can name theirs.
 */
import { constructFromEvents, type Event, parseEvents, YAMLException } from "js-yaml";
import { type Finding, FindingList, type LineOf } from "../benchmark/finding.js";
import type { Json } from "../benchmark/json.js";
import { MAX_DEPTH } from "../datasets/json-text.js";
import { lineIndex, walkEvents } from "./walk-events.js";

/** Largest suite in bytes of UTF-8. */
export const MAX_SUITE_BYTES = 256 * 1024;
/** Most values, keys and ends of collections: what 256 KiB of real suites never reach. */
const MAX_EVENTS = 50_000;
const FILES_HINT = "put datasets in files of their own";

export type LoadedSuite = { value: Json; lineOf: LineOf } | { findings: Finding[] };

/** Loads a suite from its text, or from bytes, which are checked to be UTF-8. Never throws. */
export function loadSuite(input: string | Uint8Array): LoadedSuite {
  const text = decode(input);
  if (typeof text !== "string") return text;
  let events: Event[];
  try {
    events = parseEvents(text, { maxDepth: MAX_DEPTH });
  } catch (error) {
    return syntaxError(error);
  }
  if (events.length > MAX_EVENTS) return refused(`the suite has more than ${MAX_EVENTS} values`, FILES_HINT);
  const walk = walkEvents(text, events);
  if (walk.findings.length > 0) return { findings: walk.findings };
  const lineOf = lineIndex(walk.lines);
  let value: unknown;
  try {
    [value] = constructFromEvents(events, { source: text, maxAliases: 0 });
  } catch (error) {
    return syntaxError(error);
  }
  const findings = new FindingList(lineOf);
  const json = toJson(value, "", findings);
  if (findings.all.length > 0) return { findings: findings.all };
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    return refused("a suite is an object with name, prompts, models, datasets and metrics", "", 1);
  }
  return { value: json, lineOf };
}

function decode(input: string | Uint8Array): string | { findings: Finding[] } {
  const size = typeof input === "string" ? Buffer.byteLength(input) : input.byteLength;
  if (size > MAX_SUITE_BYTES) {
    return refused(`the suite has ${size} bytes; the limit is ${MAX_SUITE_BYTES}`, FILES_HINT);
  }
  let text = input;
  if (typeof text !== "string") {
    const [a = 0, b = 0] = text;
    if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff))
      return refused("the suite is UTF-16", "save it as UTF-8");
    try {
      text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text);
    } catch {
      return refused("the suite is not valid UTF-8", "save it as UTF-8");
    }
  }
  if (text.startsWith("\uFEFF"))
    return refused("the suite starts with a byte order mark", "save it as UTF-8 without BOM", 1);
  if (text.includes("\0"))
    return refused("the suite holds a NUL character", "save it as UTF-8", lineAt(text, text.indexOf("\0")));
  const lone = text.search(/\p{Surrogate}/u);
  if (lone >= 0)
    return refused(
      "the suite holds half a character (a lone surrogate)",
      "save it as UTF-8",
      lineAt(text, lone),
    );
  if (text.trim() === "") return refused("the suite is empty");
  return text;
}

function syntaxError(error: unknown): { findings: Finding[] } {
  if (!(error instanceof YAMLException)) return refused("the suite cannot be parsed");
  const line = (error.mark?.line ?? -1) + 1;
  if (error.reason.includes("maxDepth"))
    return refused(`the suite is nested deeper than ${MAX_DEPTH} levels`, "", line);
  return refused(`the suite is not valid YAML or JSON: ${error.reason}`, "", line);
}

const lineAt = (text: string, position: number): number => text.slice(0, position).split("\n").length;

const refused = (message: string, hint = "", line = 0): { findings: Finding[] } => ({
  findings: [{ severity: "error", field: "", line, message, hint }],
});

/** Copies the value and refuses numbers that JSON or a double cannot carry. Its depth is bounded already. */
function toJson(value: unknown, path: string, findings: FindingList): Json {
  if (value === null || value === undefined) return null;
  if (typeof value === "string") {
    if (/\p{Surrogate}/u.test(value))
      findings.error(path, "the text holds half a character (a lone surrogate)");
    return value;
  }
  if (typeof value === "boolean") return value;
  if (typeof value === "number") {
    if (!Number.isFinite(value)) findings.error(path, `${value} is not a number a suite can hold`);
    else if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      findings.error(path, "the number is too large to be exact", "write it as a text, in quotes");
    }
    return value;
  }
  if (Array.isArray(value)) return value.map((inner, index) => toJson(inner, `${path}[${index}]`, findings));
  if (typeof value === "object") {
    const entries = Object.entries(value).map(([key, inner]): [string, Json] => [
      key,
      toJson(inner, path === "" ? key : `${path}.${key}`, findings),
    ]);
    return Object.fromEntries(entries);
  }
  findings.error(path, `a ${typeof value} has no place in a suite`);
  return null;
}
