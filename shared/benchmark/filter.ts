/**
 * Whether a row or an item is one of those that a suite's filter means. Columns may lie in the truth or the variables,
 * as well as on top; what is nearer to the top hides what is deeper.
 */
import { compileExpression } from "./expression.js";
import type { Item } from "./item.js";
import type { Json } from "./json.js";
import type { ColumnTest, Filter } from "./suite/suite-types.js";

export type Columns = { [column: string]: Json };

/** The test, compiled once. An expression that gives no plain `true` (null, because a column is missing) is not met. */
export function filterTest(filter: Filter): (columns: Columns) => boolean {
  const compiled = filter.expression === undefined ? undefined : compileExpression(filter.expression);
  return (columns) => {
    if (compiled && (!compiled.ok || compiled.run(columns) !== true)) return false;
    return filter.columns.every((test) => meets(columnOf(columns, test.column), test));
  };
}

/** The columns of a row of a source: its own, and those in its truth, metadata and vars. */
export function columnsOfRow(row: Json): Columns {
  if (!isObject(row)) return {};
  const inner = [row["vars"], row["metadata"], row["truth"], row["ground_truth"]].filter(isObject);
  return inner.length === 0 ? row : Object.assign({}, ...inner, row);
}

/** The columns of an item. */
export function columnsOfItem({ vars = {}, truth, media, shots: _shots, ...own }: Item): Columns {
  const metadata = vars["metadata"];
  return {
    ...(isObject(metadata) && metadata),
    ...(isObject(truth) && truth),
    ...vars,
    ...(truth !== undefined && { ground_truth: truth, truth }),
    ...own,
    images: media.map(({ name }) => name),
  };
}

/** A column of exactly that name, else the value at a path such as `meta.weather`. */
function columnOf(columns: Columns, path: string): Json | undefined {
  if (Object.hasOwn(columns, path)) return columns[path];
  let at: Json | undefined = columns;
  for (const step of path.split(".")) {
    if (!isObject(at) || !Object.hasOwn(at, step)) return undefined;
    at = at[step];
  }
  return at;
}

function meets(value: Json | undefined, test: ColumnTest): boolean {
  const found = value ?? null;
  if (test.kind === "in") {
    const entries = Array.isArray(found) ? found : [found];
    return entries.some((entry) => test.values.some((wanted) => isSame(entry, wanted)));
  }
  if (test.operator === "!=") return !isSame(found, test.value);
  const [left, right] = [Number(found), Number(test.value)];
  if (found === null || found === "" || Number.isNaN(left) || Number.isNaN(right)) return false;
  switch (test.operator) {
    case ">=":
      return left >= right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case "<":
      return left < right;
  }
}

/** Tables have texts only, so that 5 and "5", true and "true" are the same. */
const isSame = (a: Json, b: Json): boolean =>
  a === b || (a !== null && b !== null && String(a) === String(b));

const isObject = (value: Json | undefined): value is Columns =>
  typeof value === "object" && value !== null && !Array.isArray(value);
