/** The functions of the expression language. A null argument gives null, as everywhere in it. */
import { same, toBoolean, toNumber } from "./expression-values.js";
import type { Json } from "./json.js";

export interface ExpressionFunction {
  least: number;
  most: number;
  run(args: Json[]): Json;
}

/** Texts of texts, numbers and booleans; null of anything else. */
function asText(value: Json | undefined): string | null {
  return value === null || value === undefined || typeof value === "object" ? null : String(value);
}

function ofText(change: (text: string) => string): ExpressionFunction {
  return {
    least: 1,
    most: 1,
    run: ([value]) => {
      const text = asText(value);
      return text === null ? null : change(text);
    },
  };
}

function ofNumbers(most: number, combine: (numbers: number[]) => number): ExpressionFunction {
  return {
    least: 1,
    most,
    run: (args) => {
      const numbers = args.map(toNumber);
      return numbers.some((n) => n === null) ? null : combine(numbers.filter((n) => n !== null));
    },
  };
}

/** Text in text, value in list, or key in object. */
function contains(where: Json | undefined, what: Json | undefined): Json {
  if (where === null || where === undefined || what === null || what === undefined) return null;
  if (Array.isArray(where)) return where.some((value) => same(value, what));
  const needle = asText(what);
  if (needle === null) return null;
  if (typeof where === "object") return Object.hasOwn(where, needle);
  return String(where).includes(needle);
}

/** Characters (code points) of a text, elements of a list, keys of an object. */
function length(value: Json | undefined): Json {
  if (typeof value === "string") return [...value].length;
  if (value === null || typeof value !== "object") return null;
  return Object.keys(value).length;
}

function number(value: Json | undefined): Json {
  return typeof value === "boolean" ? Number(value) : toNumber(value);
}

export const FUNCTIONS: ReadonlyMap<string, ExpressionFunction> = new Map<string, ExpressionFunction>([
  ["lower", ofText((text) => text.toLowerCase())],
  ["upper", ofText((text) => text.toUpperCase())],
  ["trim", ofText((text) => text.trim())],
  ["number", { least: 1, most: 1, run: ([value]) => number(value) }],
  ["boolean", { least: 1, most: 1, run: ([value]) => toBoolean(value) }],
  ["contains", { least: 2, most: 2, run: ([where, what]) => contains(where, what) }],
  ["len", { least: 1, most: 1, run: ([value]) => length(value) }],
  ["abs", ofNumbers(1, ([n = 0]) => Math.abs(n))],
  ["min", ofNumbers(Number.POSITIVE_INFINITY, (numbers) => Math.min(...numbers))],
  ["max", ofNumbers(Number.POSITIVE_INFINITY, (numbers) => Math.max(...numbers))],
]);
