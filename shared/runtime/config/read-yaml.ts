/**
 * A YAML file as data with line numbers, within limits: 256 KiB, UTF-8 without byte order mark, one document, depth 32,
 * no aliases, no duplicate keys. Out of bounds means refused, never cut.
 */
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import {
  constructFromEvents,
  EVENT_ID,
  type Event,
  getScalarValue,
  parseEvents,
  YAMLException,
} from "js-yaml";
import { errorText } from "../errors.js";

const MAX_BYTES = 256 * 1024;

export type YamlFile =
  | {
      ok: true;
      value: unknown /** Line from 1 of a dotted path such as `logging.handlers.0.type`. */;
      lines: Map<string, number>;
    }
  | { ok: false; line: number; message: string; hint: string };

/** Reads and parses; every failure is an answer, not an exception. Line 0 means the whole file. */
export function readYamlFile(path: string): YamlFile {
  let bytes: Buffer;
  try {
    bytes = readAtMost(path, MAX_BYTES);
  } catch (error) {
    return refused(0, `cannot be read: ${errorText(error)}`, "check the path and its permissions");
  }
  if (bytes.length > MAX_BYTES)
    return refused(0, `is larger than ${MAX_BYTES} bytes`, "is it the right file?");
  const text = utf8(bytes);
  return text === undefined
    ? refused(0, "is not UTF-8 without a byte order mark", "save it as plain UTF-8")
    : parseYaml(text);
}

/** Parses one YAML document; an empty one is an empty mapping. */
export function parseYaml(text: string): YamlFile {
  try {
    const events = parseEvents(text, { maxDepth: 32 });
    const documents = constructFromEvents(events, { source: text, maxAliases: 0 });
    if (documents.length > 1) return refused(0, "holds more than one document", "remove the --- lines");
    return { ok: true, value: documents[0] ?? {}, lines: lineNumbers(events, text) };
  } catch (error) {
    if (!(error instanceof YAMLException)) return refused(0, errorText(error), "");
    return refused((error.mark?.line ?? -1) + 1, `is not valid YAML: ${error.reason}`, "");
  }
}

const refused = (line: number, message: string, hint: string): YamlFile => ({
  ok: false,
  line,
  message,
  hint,
});

function readAtMost(path: string, maxBytes: number): Buffer {
  const file = openSync(path, "r");
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new Error("it is not a file");
    return stat.size > maxBytes ? Buffer.alloc(maxBytes + 1) : readFileSync(file);
  } finally {
    closeSync(file);
  }
}

function utf8(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Walks the event stream with a stack of open collections; a mapping's scalars alternate between key and value. */
function lineNumbers(events: Event[], text: string): Map<string, number> {
  const lines = new Map<string, number>();
  const lineAt = lineCounter(text);
  const stack: { path: string; key: string | undefined; index: number; mapping: boolean }[] = [];
  const childPath = () => {
    const parent = stack.at(-1);
    if (parent === undefined) return "";
    const own = parent.mapping ? (parent.key ?? "") : String(parent.index++);
    parent.key = undefined;
    return parent.path === "" ? own : `${parent.path}.${own}`;
  };
  for (const event of events) {
    if (event.type === EVENT_ID.SCALAR) {
      const parent = stack.at(-1);
      if (parent?.mapping && parent.key === undefined) {
        parent.key = String(getScalarValue(text, event));
        const path = parent.path === "" ? parent.key : `${parent.path}.${parent.key}`;
        lines.set(path, lineAt(event.valueStart));
      } else {
        const path = childPath();
        if (!lines.has(path)) lines.set(path, lineAt(event.valueStart));
      }
    } else if (event.type === EVENT_ID.SEQUENCE || event.type === EVENT_ID.MAPPING) {
      const path = childPath();
      if (!lines.has(path)) lines.set(path, lineAt(event.start));
      stack.push({ path, key: undefined, index: 0, mapping: event.type === EVENT_ID.MAPPING });
    } else if (event.type === EVENT_ID.POP) {
      stack.pop();
    }
  }
  return lines;
}

/** Line from 1 of an offset; offsets must not fall. */
function lineCounter(text: string): (offset: number) => number {
  let [line, seen] = [1, 0];
  return (offset) => {
    for (; seen < offset; seen++) if (text[seen] === "\n") line++;
    return line;
  };
}
