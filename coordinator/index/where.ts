/**
 * Conditions on samples as people write them, `FIELD OP VALUE`, into SQL: all of them must hold. Values only ever become
 * parameters.
 */
import { suggestion } from "../../shared/benchmark/suggest.js";
import { type FieldViolation, SaiError } from "../../shared/runtime/errors.js";
import type { Param } from "./database.js";

interface Field {
  sql: string;
  type: "text" | "number" | "boolean" | "list";
}

const text = (sql: string): Field => ({ sql, type: "text" });
const number = (sql: string): Field => ({ sql, type: "number" });

const FIELDS: { readonly [name: string]: Field } = {
  campaign: text("c.campaign"),
  job: text("c.job"),
  model: text("c.model"),
  engine: text("c.engine"),
  prompt: text("c.prompt"),
  dataset: text("c.dataset"),
  tenant: text("k.tenant"),
  ordinal: number("s.ordinal"),
  repetition: number("s.repetition"),
  status: text("s.status"),
  cached: { sql: "s.cached", type: "boolean" },
  node: text("s.node"),
  item: text("s.item"),
  cluster: text("s.cluster"),
  level: text("s.level"),
  e2e_ms: number("s.e2e_ms"),
  ttft_ms: number("s.ttft_ms"),
  tpot_ms: number("s.tpot_ms"),
  tokens_in: number("s.tokens_in"),
  tokens_out: number("s.tokens_out"),
  cost_usd: number("s.cost_usd"),
  error: text("s.error_class"),
  flag: { sql: "s.flags", type: "list" },
};
const NAMES = [...Object.keys(FIELDS), "score.<name>"];

const CONDITION = /^\s*([a-z_0-9]+|score\.[^\s<>=!]{1,128})\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*$/s;
const MAX_CONDITIONS = 20;
const MAX_LENGTH = 300;

/** What conditions are about: cells `c` and their campaigns `k`, and samples `s`. */
type About = "cells" | "samples";

/**
 * SQL of the conditions, `true` where there is none; their values are added to `params`. Throws invalid_argument that
 * names each one that cannot be read, by its place in the request's field `where`.
 */
export function readWhere(
  conditions: readonly string[],
  params: { readonly [about in About]: Param[] },
): { [about in About]: string } {
  const violations: FieldViolation[] = [];
  const found = { cells: ["true"], samples: ["true"] };
  if (conditions.length > MAX_CONDITIONS)
    violations.push({
      field: "where",
      description: `has ${conditions.length} conditions, at most ${MAX_CONDITIONS}`,
    });
  for (const [i, condition] of conditions.slice(0, MAX_CONDITIONS).entries()) {
    const read = readCondition(condition, params);
    if ("wrong" in read) violations.push({ field: `where[${i}]`, description: read.wrong });
    else found[read.about].push(read.sql);
  }
  if (violations.length > 0) {
    const hint = 'such as "status=timeout", "e2e_ms>2000", "model=qwen*" or "score.exact_match<1"';
    throw new SaiError("invalid_argument", "the samples cannot be looked for", { violations, hint });
  }
  return { cells: found.cells.join(" and "), samples: found.samples.join(" and ") };
}

function readCondition(
  condition: string,
  params: { readonly [about in About]: Param[] },
): { about: About; sql: string } | { wrong: string } {
  if (condition.length > MAX_LENGTH || condition.includes("\0"))
    return { wrong: "is no condition of this length" };
  const shown = JSON.stringify(condition.slice(0, 60));
  const [, name = "", op = "", value = ""] = CONDITION.exec(condition) ?? [];
  if (name === "") return { wrong: `is ${shown}, not FIELD OP VALUE with one of = != < <= > >=` };
  const isScore = name.startsWith("score.");
  const field = isScore
    ? scoreField(name.slice(6), params.samples)
    : Object.hasOwn(FIELDS, name) && FIELDS[name];
  if (!field)
    return {
      wrong: `${shown}: there is no field ${name}, ${suggestion(name, NAMES) || `only ${NAMES.join(", ")}`}`,
    };
  const about = isScore || field.sql.startsWith("s.") ? "samples" : "cells";
  const sql = compare(field, op, value, params[about]);
  return sql === undefined ? { wrong: `${shown}: ${name} is ${WHAT[field.type]}` } : { about, sql };
}

const WHAT = {
  text: "text, compared by = and != (with * for any text)",
  number: "a number",
  boolean: "true or false, compared by = and !=",
  list: "a list, asked by = and != for one of its words",
};

/** A score is null where a sample has none of that name. */
function scoreField(name: string, params: Param[]): Field {
  params.push(name);
  return number(`(s.scores ->> $${params.length}::text)::double precision`);
}

function compare(field: Field, op: string, value: string, params: Param[]): string | undefined {
  const isEquality = op === "=" || op === "!=";
  const param = (of: Param) => {
    params.push(of);
    return `$${params.length}`;
  };
  const unless = (sql: string) => (op === "=" ? sql : `not coalesce(${sql}, false)`);
  switch (field.type) {
    case "number": {
      if (value === "" || !Number.isFinite(Number(value))) return undefined;
      return `${field.sql} ${op === "!=" ? "<>" : op} ${param(Number(value))}::double precision`;
    }
    case "boolean":
      if (!isEquality || !/^(true|false)$/.test(value)) return undefined;
      return unless(`${field.sql} = ${param(value === "true")}::boolean`);
    case "list":
      if (!isEquality) return undefined;
      return unless(`${param(value)}::text = any(${field.sql})`);
    case "text":
      if (!isEquality) return undefined;
      if (!value.includes("*")) return unless(`${field.sql} = ${param(value)}::text`);
      return unless(
        `${field.sql} like ${param(value.replace(/[\\%_]/g, "\\$&").replaceAll("*", "%"))}::text`,
      );
  }
}
