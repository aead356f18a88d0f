import { compileMetric } from "../custom-metric.js";
import type { FindingList } from "../finding.js";
import type { Json } from "../json.js";
import { METRIC_IDS, PASSES, parseMetricName, VOTES } from "../metric-ids.js";
import type { MetricSpec } from "../plan.js";
import { Fields, isObject, kindOf, MAX_LIST } from "./fields.js";
import { metricNamed } from "./metric-names.js";
import { readCustom } from "./read-custom-metric.js";
import { readJudge } from "./read-judge.js";
import { readTarget } from "./read-target.js";
import type { Suite } from "./suite-types.js";

/**
 * `metrics`, in all the shapes met: a list of names, `{id, target}`, `{accuracy: ">= 0.80"}`; or an object of groups
 * whose members are such lists, or maps from metric to target. A name may say how repetitions become one
 * (`exact_match.pass@5`, or `{id: exact_match, reduce: pass@5}`); an entry with an expression is a metric of its own.
 *
 * Suites of the original name metrics that it never computed. In a plain suite one that is no misspelling of ours is
 * left out with a warning, as long as others remain; `sai/v1` refuses it.
 */
export function readMetrics(root: Fields, schema: Suite["schema"] = "sai/v1"): MetricSpec[] {
  const { findings } = root;
  const read: Read = { metrics: [], unknown: [] };
  readShapes(root, read);
  const lenient = schema === "sai" && read.metrics.length > 0;
  for (const { field, id } of read.unknown) {
    const near = findings.suggest(id, METRIC_IDS);
    const message = `there is no metric ${JSON.stringify(id)}`;
    if (lenient && near === "") findings.oddity(field, `${message}, not computed`);
    else findings.error(field, message, near || `one of ${METRIC_IDS.join(", ")}`);
  }
  return read.metrics;
}

interface Read {
  metrics: MetricSpec[];
  /** Names of no metric, and where they stand. */
  unknown: { field: string; id: string }[];
}

function readShapes(root: Fields, read: Read): void {
  const value = root.raw("metrics");
  if (value === undefined) root.findings.error("metrics", "metrics is missing");
  else if (Array.isArray(value) && value.length > 0) readList(root, "metrics", value, read);
  else if (isObject(value) && Object.keys(value).length > 0) readMap(root, "metrics", value, read);
  else root.findings.error("metrics", `expected a list of metrics, found ${emptyOr(value)}`);
}

function readList(root: Fields, at: string, list: Json[], read: Read): void {
  if (list.length > MAX_LIST) {
    root.findings.error(at, `the list has ${list.length} entries; the limit is ${MAX_LIST}`);
    return;
  }
  list.forEach((value, index) => {
    const field = `${at}[${index}]`;
    if (typeof value === "string") add(root, field, { id: value }, read);
    else if (isObject(value) && ("id" in value || "name" in value)) readEntry(root, field, value, read);
    else if (isObject(value)) readMap(root, field, value, read);
    else root.findings.error(field, `expected a metric, found ${kindOf(value)}`);
  });
}

function readEntry(root: Fields, field: string, value: { [key: string]: Json }, read: Read): void {
  const entry = new Fields(field, value, root.findings);
  const name = entry.text("id") ?? entry.text("name");
  const rule = entry.text("reduce");
  const id = name !== undefined && rule !== undefined ? `${name}.${rule}` : name;
  const target = readTarget(root, `${field}.target`, entry.raw("target"));
  const custom = entry.has("judge") ? undefined : readCustom(entry);
  const judge = readJudge(entry);
  const higherIsBetter = judge === undefined ? undefined : entry.boolean("higher_is_better");
  entry.accept("id", "name", "description", "weight");
  if (entry.has("weight")) root.findings.warning(entry.path("weight"), "weight is read and not applied");
  entry.close();
  if (id === undefined || custom === "wrong" || judge === "wrong") return;
  const judged = judge && { ...judge, ...(higherIsBetter !== undefined && { higherIsBetter }) };
  const spec = { id, ...(custom && { custom }), ...(judged && { judge: judged }) };
  add(root, field, { ...spec, ...(target !== undefined && { target }) }, read);
}

/** Keys that are metrics have a target as value; other keys are groups. */
function readMap(root: Fields, at: string, map: { [key: string]: Json }, read: Read): void {
  for (const [key, value] of Object.entries(map)) {
    const field = `${at}.${key}`;
    const metric = metricNamed(parseMetricName(key).of) !== undefined;
    if (isObject(value) && (metric || "expression" in value || "judge" in value))
      readEntry(root, field, { ...value, id: key }, read);
    else if (metric && !Array.isArray(value))
      add(root, field, withTarget(key, readTarget(root, field, value ?? undefined)), read);
    else if (Array.isArray(value) && value.length > 0) readList(root, field, value, read);
    else if (isObject(value) && Object.keys(value).length > 0) readMap(root, field, value, read);
    else if (typeof value === "string" || typeof value === "number") add(root, field, { id: key }, read);
    else root.findings.error(field, `expected a target or a list of metrics, found ${emptyOr(value)}`);
  }
}

const withTarget = (id: string, target: string | undefined): MetricSpec =>
  target === undefined ? { id } : { id, target };

function add(root: Fields, field: string, asked: MetricSpec, read: Read): void {
  const { findings } = root;
  const { metrics } = read;
  const named = parseMetricName(asked.id);
  const { by, k } = named;
  const isOwn = asked.custom !== undefined || asked.judge !== undefined;
  const of = isOwn ? named.of : metricNamed(named.of);
  const known: readonly string[] = METRIC_IDS;
  if (of === undefined) {
    read.unknown.push({ field, id: named.of });
    return;
  }
  if (isOwn && (known.includes(of) || !OWN_NAME.test(of))) {
    const hint = "letters, digits, _ and -, a letter first, and no name of another metric";
    findings.error(field, `${JSON.stringify(of)} cannot name a metric of your own`, hint);
    return;
  }
  const may = by === "pass" ? PASSES : VOTES;
  const ownPasses = by === "pass" && asked.custom !== undefined && compileMetric(asked.custom).yesOrNo;
  if (by !== "mean" && !ownPasses && !may.some((id) => id === of)) {
    const what =
      by === "pass" ? "pass@k is for what is right or wrong" : "a majority is for labels and answers";
    findings.error(
      field,
      `${of} has no ${by === "pass" ? "pass@k" : "majority"}: ${what}`,
      `it is for ${may.join(", ")}`,
    );
    return;
  }
  const id = by === "mean" ? of : asked.id;
  if (metrics.some((metric) => metric.id === id)) {
    findings.error(field, `the metric ${id} is asked for twice`);
    return;
  }
  const reduce = by === "mean" ? {} : { reduce: { of, by, ...(k !== undefined && { k }) } };
  metrics.push({ ...asked, id, ...reduce });
}

const OWN_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

/** What repetitions there must be for what is asked, and whether they can differ. */
export function checkRepetitions(
  suite: Pick<Suite, "metrics" | "run" | "generation">,
  findings: FindingList,
): void {
  const { repetitions } = suite.run;
  for (const { id, reduce } of suite.metrics) {
    if (reduce === undefined) continue;
    const needed = reduce.k ?? 2;
    if (repetitions < needed) {
      const message = `${id} needs ${needed} repetitions of each item, there ${repetitions === 1 ? "is" : "are"} ${repetitions}`;
      findings.error("metrics", message, `run: {repetitions: ${needed}}`);
    } else if (suite.generation.temperature === 0) {
      const message = `${id} with a temperature of 0: repetitions answer the same`;
      findings.warning("metrics", message, "set engine_config.temperature above 0");
    }
  }
}

const emptyOr = (value: Json): string =>
  Array.isArray(value) || isObject(value) ? "an empty one" : kindOf(value);
