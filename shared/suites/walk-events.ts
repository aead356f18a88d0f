/** One pass over the parser's events: refuses what a suite must not hold, and notes the line of every path. */
import { EVENT_ID, type Event, getScalarValue, type ScalarEvent } from "js-yaml";
import type { Finding, LineOf } from "../benchmark/finding.js";
import { FORBIDDEN_KEYS } from "../datasets/json-text.js";

type Frame =
  | { kind: "document" }
  | { kind: "sequence"; path: string; next: number }
  | { kind: "mapping"; path: string; keys: Set<string>; key: string | undefined };

/** Findings in text order (at most 50), and 1-based lines by path. */
export function walkEvents(
  text: string,
  events: readonly Event[],
): { findings: Finding[]; lines: Map<string, number> } {
  const findings: Finding[] = [];
  const lines = new Map<string, number>();
  const lineAt = lineCounter(text);
  const stack: Frame[] = [];
  let documents = 0;
  const refuse = (field: string, position: number, message: string, hint = "") => {
    if (findings.length >= 50) return;
    findings.push({ severity: "error", field, line: position < 0 ? 0 : lineAt(position), message, hint });
  };

  /** The path of the node that starts here; a scalar key of a mapping has none of its own. */
  const enter = (event: Event, position: number): { path: string; isKey: boolean } => {
    const frame = stack.at(-1);
    if (frame?.kind === "sequence") {
      const path = `${frame.path}[${frame.next++}]`;
      lines.set(path, lineAt(position));
      return { path, isKey: false };
    }
    if (frame?.kind !== "mapping") return { path: "", isKey: false };
    if (frame.key !== undefined) {
      const path = childPath(frame.path, frame.key);
      frame.key = undefined;
      return { path, isKey: false };
    }
    if (event.type !== EVENT_ID.SCALAR) {
      frame.key = "";
      refuse(frame.path, position, "a key must be a plain text, not a list or an object");
      return { path: frame.path, isKey: true };
    }
    takeKey(frame, event, position);
    return { path: frame.path, isKey: true };
  };

  const takeKey = (frame: Frame & { kind: "mapping" }, event: ScalarEvent, position: number) => {
    const key = getScalarValue(text, event);
    const path = childPath(frame.path, key);
    if (frame.keys.has(key))
      refuse(path, position, `the key ${JSON.stringify(key)} appears twice`, "remove one of them");
    else lines.set(path, lineAt(position));
    if (FORBIDDEN_KEYS.has(key)) refuse(path, position, `the key ${JSON.stringify(key)} is not allowed`);
    if (key === "<<") refuse(path, position, "merge keys are not allowed", "write the keys out");
    frame.keys.add(key);
    frame.key = key;
  };

  for (const event of events) {
    if (event.type === EVENT_ID.POP) {
      stack.pop();
      continue;
    }
    if (event.type === EVENT_ID.DOCUMENT) {
      if (++documents === 2)
        refuse("", -1, "the suite holds more than one document", "keep one, without further ---");
      stack.push({ kind: "document" });
      continue;
    }
    if (event.type === EVENT_ID.ALIAS) {
      enter(event, event.anchorStart);
      refuse("", event.anchorStart, "aliases (*name) are not allowed", "write the value out");
      continue;
    }
    const position = event.type === EVENT_ID.SCALAR ? event.valueStart : event.start;
    if (event.anchorStart >= 0)
      refuse("", event.anchorStart, "anchors (&name) are not allowed", "write the value out");
    if (event.tagStart >= 0)
      refuse("", event.tagStart, "tags (!name) are not allowed", "quote texts instead");
    const { path } = enter(event, position);
    if (event.type === EVENT_ID.SEQUENCE) stack.push({ kind: "sequence", path, next: 0 });
    if (event.type === EVENT_ID.MAPPING)
      stack.push({ kind: "mapping", path, keys: new Set(), key: undefined });
  }
  return { findings, lines };
}

/** Looks a path up; when it is not there, its nearest ancestor that is, else 0. */
export function lineIndex(lines: ReadonlyMap<string, number>): LineOf {
  return (path) => {
    for (let rest = path; rest !== ""; rest = parentOf(rest)) {
      const line = lines.get(rest);
      if (line !== undefined) return line;
    }
    return 0;
  };
}

const parentOf = (path: string): string =>
  path.slice(0, Math.max(path.lastIndexOf("."), path.lastIndexOf("["), 0));

const childPath = (parent: string, key: string): string => (parent === "" ? key : `${parent}.${key}`);

/** Line of a character position, from 1. */
function lineCounter(text: string): (position: number) => number {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (position) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((starts[middle] ?? 0) <= position) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
}
