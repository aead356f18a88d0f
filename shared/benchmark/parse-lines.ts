/**
 * Reads answers of the form `Judgment: Yes`, one pair a line. Keys are lower-cased with _ for spaces; list marks and
 * emphasis of Markdown around them are dropped. Values become what they say: `0.8` and `80%` the number 0.8; yes or
 * no in any case, alone or before a mark ("yes, a plume"), the words `Yes` and `No`. Of a key written twice the later
 * line holds, since models correct themselves downwards.
 */
import { toBoolean, toNumber } from "./expression-values.js";
import type { Json } from "./json.js";

const MAX_KEY_LENGTH = 60;
const KEY = /^[a-z][a-z0-9 _-]*$/;

/** `clean` is false if there was anything but pairs. */
export function readLines(text: string): { values: { [key: string]: Json }; clean: boolean } {
  const values = new Map<string, Json>();
  let clean = true;
  for (const line of text.split(/\r\n|\r|\n/)) {
    if (line.trim() === "") continue;
    const pair = readPair(line);
    if (pair === undefined) clean = false;
    else values.set(pair.key, pair.value);
  }
  return { values: Object.fromEntries(values), clean };
}

function readPair(line: string): { key: string; value: Json } | undefined {
  const colon = line.indexOf(":");
  if (colon < 0 || colon > MAX_KEY_LENGTH) return undefined;
  const key = line
    .slice(0, colon)
    .replace(/[*`#>]/g, " ")
    .replace(/^\s*(?:[-\u2022]|\d+[.)])\s/, " ")
    .trim()
    .toLowerCase();
  if (!KEY.test(key)) return undefined;
  const value = line
    .slice(colon + 1)
    .replace(/[*`]/g, "")
    .trim();
  if (value === "") return undefined;
  return { key: key.replace(/[ -]+/g, "_"), value: meaning(value) };
}

function meaning(value: string): Json {
  const number = value.endsWith("%") ? toNumber(value.slice(0, -1)) : null;
  if (number !== null) return number / 100;
  const plain = toNumber(value);
  if (plain !== null) return plain;
  if (!/^(?:yes|no)/i.test(value)) return value;
  const answer = toBoolean(value);
  return answer === null ? value : answer ? "Yes" : "No";
}
