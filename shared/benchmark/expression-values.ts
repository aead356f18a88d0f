/**
 * How answers of models are read as booleans and numbers: generous about spelling, never guessing. Used by expressions
 * and by scoring, so that both agree on what a yes is.
 */
import type { Json } from "./json.js";

const YES = new Set(["yes", "y", "true"]);
const NO = new Set(["no", "n", "false"]);

const LEADING_YES_OR_NO = /^(yes|no)\s*[,.;:!()\u2013\u2014-]/;

/**
 * true, 1, "Yes", "true" and false, 0, "No", "false" in any case, and texts that open with yes or no and a mark, such
 * as "Yes, a thin plume"; null for everything else ("no doubt" is no no).
 */
export function toBoolean(value: Json | undefined): boolean | null {
  if (typeof value === "boolean") return value;
  if (value === 1 || value === 0) return value === 1;
  if (typeof value !== "string") return null;
  const word = value.trim().toLowerCase();
  const lead = LEADING_YES_OR_NO.exec(word)?.[1] ?? word;
  return YES.has(lead) ? true : NO.has(lead) ? false : null;
}

const NUMERIC = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;

/** A finite number, or a text that is one and nothing else, such as "0.8"; null for everything else. */
export function toNumber(value: Json | undefined): number | null {
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value !== "string") return null;
  const text = value.trim();
  if (!NUMERIC.test(text)) return null;
  const number = Number(text);
  return Number.isFinite(number) ? number : null;
}

/** Equality of values: numbers and texts by type, arrays and objects by content. */
export function same(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((value, i) => same(value, b[i] ?? null));
  }
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && same(a[key] ?? null, b[key] ?? null));
}
