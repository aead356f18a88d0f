/**
 * A metric of the suite's own: an expression over one sample, averaged like any other.
 *
 *     - {id: within_one, expression: "abs(total_objects - truth.total_objects) <= 1"}
 *     - {id: size_error, expression: "abs(size - truth.size)", higher_is_better: false, wrong: 10}
 *
 * It sees the answer's fields by name, and `truth`, `target`, `item` (id, level, group and the item's vars), `text` (the whole
 * output) and `scores` (exact_match, cer, bbox_iou, …), which go before fields of these names.
 *
 * 1. It applies to items that have every part of truth, target and item that it reads, or to those `when` holds for.
 *    Elsewhere the sample has no score.
 * 2. A sample that failed, was not parsed, or for which the expression has no value, counts `wrong`.
 * 3. What a comparison gives is a proportion; numbers are averaged.
 */
import { type CompiledExpression, compileExpression } from "./expression.js";
import { isYesOrNo, type Path, pathsOf } from "./expression-facts.js";
import { toBoolean } from "./expression-values.js";
import type { Item } from "./item.js";
import type { Json } from "./json.js";
import type { Fields } from "./parse-fields.js";
import type { CustomMetric } from "./plan.js";
import type { Scores } from "./scoring/scores.js";

export interface CompiledMetric {
  /** Fields of the answer it reads. */
  fields: readonly string[];
  /** Its values are 0 or 1. */
  yesOrNo: boolean;
  /** Undefined where it does not apply. `answer`: undefined if there is none. */
  score(
    item: Item,
    answer: Fields | undefined,
    output: string | undefined,
    scores: Scores,
  ): number | undefined;
}

/** The name a metric has among a sample's scores: apart from those of the metrics that are built in. */
export const customScore = (id: string): string => `custom.${id}`;

const OF_ITEM = ["truth", "target", "item"];
const RESERVED = [...OF_ITEM, "text", "scores"];

/** What `CustomMetric.wrong` is where the suite does not say; undefined if it must. */
export function defaultWrong(yesOrNo: boolean, higherIsBetter: boolean): number | undefined {
  if (higherIsBetter) return 0;
  return yesOrNo ? 1 : undefined;
}

const compiled = new WeakMap<CustomMetric, CompiledMetric>();

/** Compiled once per metric. Reading the suite refuses what does not compile; here it never applies. */
export function compileMetric(custom: CustomMetric): CompiledMetric {
  const known = compiled.get(custom);
  if (known !== undefined) return known;
  const expression = compileExpression(custom.expression);
  const when = custom.when === undefined ? undefined : compileExpression(custom.when);
  const metric =
    expression.ok && when?.ok !== false
      ? metricOf(custom, expression, when)
      : { fields: [], yesOrNo: false, score: () => undefined };
  compiled.set(custom, metric);
  return metric;
}

type Compiled = CompiledExpression & { ok: true };

function metricOf(custom: CustomMetric, expression: Compiled, when: Compiled | undefined): CompiledMetric {
  const paths = pathsOf(expression.tree);
  const needed = paths.filter(([root]) => OF_ITEM.includes(String(root)));
  const roots = new Set(paths.map(([root]) => String(root)));
  return {
    fields: [...roots].filter((root) => !RESERVED.includes(root)),
    yesOrNo: isYesOrNo(expression.tree),
    score(item, answer, output, scores) {
      const about = aboutItem(item);
      const applies = when
        ? toBoolean(when.run(about)) === true
        : needed.every((path) => valueAt(about, path) !== null);
      if (!applies) return undefined;
      if (answer === undefined) return custom.wrong;
      const value = expression.run({ ...answer, ...about, text: output ?? null, scores });
      return typeof value === "boolean" ? Number(value) : typeof value === "number" ? value : custom.wrong;
    },
  };
}

function aboutItem({ id, level, group, vars, truth, target }: Item): { [name: string]: Json } {
  return {
    truth: truth ?? null,
    target: target ?? null,
    item: { ...vars, id, level: level ?? null, group: group ?? null },
  };
}

function valueAt(about: Json, path: Path): Json {
  let value: Json = about;
  for (const key of path) {
    if (value === null || typeof value !== "object") return null;
    if (Array.isArray(value)) value = typeof key === "number" ? (value[key] ?? null) : null;
    else value = Object.hasOwn(value, key) ? (value[String(key)] ?? null) : null;
  }
  return value;
}
