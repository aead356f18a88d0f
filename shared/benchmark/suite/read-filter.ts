import { compileExpression } from "../expression.js";
import type { Json } from "../json.js";
import { type Fields, isObject, kindOf } from "./fields.js";
import type { ColumnTest, Filter } from "./suite-types.js";

/**
 * Conditions on the columns of rows and items: an expression (`"weather == 'fog' && count > 2"`), or an object of
 * columns, each with a value, a list of values, a comparison such as `">= 5"`, or `{min, max}`.
 */
export function readFilter(fields: Fields, key: string): Filter | undefined {
  const value = fields.raw(key);
  if (value === undefined) return undefined;
  const at = fields.path(key);
  if (typeof value === "string") return expressionFilter(fields, at, value);
  if (!isObject(value) || Object.keys(value).length === 0) {
    const found = isObject(value) ? "an empty one" : kindOf(value);
    fields.findings.error(at, `expected an expression or an object of columns, found ${found}`);
    return undefined;
  }
  const columns = Object.entries(value).flatMap(([column, wanted]) =>
    columnTests(fields, `${at}.${column}`, column, wanted),
  );
  return { columns };
}

function expressionFilter(fields: Fields, at: string, text: string): Filter | undefined {
  const compiled = compileExpression(text);
  if (compiled.ok) return { expression: text, columns: [] };
  fields.findings.error(
    at,
    `the expression ${JSON.stringify(text.slice(0, 60))} is wrong at character ${compiled.at + 1}: ${compiled.message}`,
    "such as weather == 'fog' && count > 2",
  );
  return undefined;
}

const COMPARISON = /^\s*(>=|<=|>|<|!=)\s*(.+?)\s*$/;

function columnTests(fields: Fields, at: string, column: string, wanted: Json): ColumnTest[] {
  if (typeof wanted === "string") {
    const [, operator, text = ""] = COMPARISON.exec(wanted) ?? [];
    if (operator === undefined) return [{ column, kind: "in", values: [wanted] }];
    const value = Number.isFinite(Number(text)) ? Number(text) : text;
    return [{ column, kind: "compare", operator: operator as ">=", value }];
  }
  if (typeof wanted === "number" || typeof wanted === "boolean")
    return [{ column, kind: "in", values: [wanted] }];
  if (Array.isArray(wanted) && wanted.length > 0 && wanted.every((entry) => !isNested(entry)))
    return [{ column, kind: "in", values: wanted }];
  if (isObject(wanted)) {
    const bounds = Object.entries(wanted).map(([bound, value]): ColumnTest | undefined => {
      const operator = bound === "min" ? ">=" : bound === "max" ? "<=" : undefined;
      return operator !== undefined && typeof value === "number"
        ? { column, kind: "compare", operator, value }
        : undefined;
    });
    const known = bounds.filter((bound) => bound !== undefined);
    if (known.length > 0 && known.length === bounds.length) return known;
  }
  fields.findings.error(
    at,
    "expected a value, a list of values, a comparison or {min, max}",
    'such as night, [fog, rain], ">= 5" or {min: 1, max: 9}',
  );
  return [];
}

const isNested = (value: Json): boolean => typeof value === "object" && value !== null;
