import type { Json } from "../json.js";
import { METRIC_IDS } from "../metric-ids.js";
import type { MetricSpec } from "../plan.js";
import { Fields, isObject, kindOf, MAX_LIST } from "./fields.js";

/**
 * `metrics`, in all the shapes met: a list of names, `{id, target}`, `{accuracy: ">= 0.80"}`; or an object of groups
 * whose members are such lists, or maps from metric to target.
 */
export function readMetrics(root: Fields): MetricSpec[] {
  const metrics: MetricSpec[] = [];
  const value = root.raw("metrics");
  if (value === undefined) root.findings.error("metrics", "metrics is missing");
  else if (Array.isArray(value) && value.length > 0) readList(root, "metrics", value, metrics);
  else if (isObject(value) && Object.keys(value).length > 0) readMap(root, "metrics", value, metrics);
  else root.findings.error("metrics", `expected a list of metrics, found ${emptyOr(value)}`);
  return metrics;
}

function readList(root: Fields, at: string, list: Json[], metrics: MetricSpec[]): void {
  if (list.length > MAX_LIST) {
    root.findings.error(at, `the list has ${list.length} entries; the limit is ${MAX_LIST}`);
    return;
  }
  list.forEach((value, index) => {
    const field = `${at}[${index}]`;
    if (typeof value === "string") add(root, field, value, undefined, metrics);
    else if (isObject(value) && ("id" in value || "name" in value)) readEntry(root, field, value, metrics);
    else if (isObject(value)) readMap(root, field, value, metrics);
    else root.findings.error(field, `expected a metric, found ${kindOf(value)}`);
  });
}

function readEntry(root: Fields, field: string, value: { [key: string]: Json }, metrics: MetricSpec[]): void {
  const entry = new Fields(field, value, root.findings);
  const id = entry.text("id") ?? entry.text("name");
  const target = readTarget(root, `${field}.target`, entry.raw("target"));
  entry.accept("id", "name", "description", "weight");
  if (entry.has("weight")) root.findings.warning(entry.path("weight"), "weight is read and not applied");
  entry.close();
  if (id !== undefined) add(root, field, id, target, metrics);
}

/** Keys that are metrics have a target as value; other keys are groups. */
function readMap(root: Fields, at: string, map: { [key: string]: Json }, metrics: MetricSpec[]): void {
  for (const [key, value] of Object.entries(map)) {
    const field = `${at}.${key}`;
    const metric = METRIC_IDS.some((id) => id === key);
    if (metric && isObject(value)) readEntry(root, field, { ...value, id: key }, metrics);
    else if (metric && !Array.isArray(value))
      add(root, field, key, readTarget(root, field, value ?? undefined), metrics);
    else if (Array.isArray(value) && value.length > 0) readList(root, field, value, metrics);
    else if (isObject(value) && Object.keys(value).length > 0) readMap(root, field, value, metrics);
    else if (typeof value === "string" || typeof value === "number")
      add(root, field, key, undefined, metrics);
    else root.findings.error(field, `expected a target or a list of metrics, found ${emptyOr(value)}`);
  }
}

function add(
  root: Fields,
  field: string,
  id: string,
  target: string | undefined,
  metrics: MetricSpec[],
): void {
  if (!METRIC_IDS.some((known) => known === id)) {
    const hint = root.findings.suggest(id, METRIC_IDS) || `one of ${METRIC_IDS.join(", ")}`;
    root.findings.error(field, `there is no metric ${JSON.stringify(id)}`, hint);
  } else if (metrics.some((metric) => metric.id === id)) {
    root.findings.error(field, `the metric ${id} is asked for twice`);
  } else metrics.push({ id, ...(target !== undefined && { target }) });
}

/** A comparison and a number, as in `>= 0.80`; a number alone has no direction and is refused. */
function readTarget(root: Fields, field: string, value: Json | undefined): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string" && /^\s*(>=|<=|>|<|==?)\s*-?\d+(\.\d+)?\s*$/.test(value)) return value.trim();
  root.findings.error(
    field,
    `${kindOf(value)} is no target`,
    'write a comparison with a number, such as ">= 0.80"',
  );
  return undefined;
}

const emptyOr = (value: Json): string =>
  Array.isArray(value) || isObject(value) ? "an empty one" : kindOf(value);
