import type { Json } from "../json.js";
import type { MetricId } from "../metric-ids.js";
import { parseTarget } from "../metrics/target.js";
import type { Fields } from "./fields.js";
import { kindOf } from "./fields.js";

/** A comparison and a number, as in `>= 0.80`, `≥ 95 %` or `< 2 s`; a number alone has no direction and is refused. */
export function readTarget(root: Fields, field: string, value: Json | undefined): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string" && parseTarget(value) !== undefined) return value.trim();
  root.findings.error(
    field,
    `${kindOf(value)} is no target`,
    'write a comparison with a number, such as ">= 0.80"',
  );
  return undefined;
}

/** Metrics of which less is better. */
const LESS: ReadonlySet<string> = new Set<MetricId>([
  "latency",
  "cost",
  "error_rate",
  "false_positive_rate",
  "cer",
]);

/** The target that a number alone stands for in a list of expectations: at least so good. */
export const atLeast = (metric: string, value: number): string =>
  `${LESS.has(metric) ? "<=" : ">="} ${plain(value)}`;

/** Without an exponent, which targets do not have. */
export const plain = (value: number): string =>
  /e/.test(String(value)) ? value.toFixed(20).replace(/\.?0+$/, "") : String(value);
