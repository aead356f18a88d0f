/**
 * What SAI suites expect of numbers: `success_criteria` of the whole suite, `expected_performance` of a scenario. Both
 * are written in many ways, which all become metrics with targets:
 *
 *     accuracy: ">= 0.9"      recall: 0.85       min_precision: 0.8      max_latency: 2000
 *     detection: {f1_score: {min: 0.7}}          - {metric: recall, threshold: 0.9}
 *
 * What is no number of ours (a sentence, an unknown name) is said not to be checked.
 */
import type { Json } from "../json.js";
import { METRIC_IDS } from "../metric-ids.js";
import type { MetricSpec } from "../plan.js";
import { type Fields, isObject, kindOf } from "./fields.js";
import { metricNamed } from "./metric-names.js";
import { atLeast, plain, readTarget } from "./read-target.js";

/** The expectations at a key of an object, in their order. */
export function readExpectations(fields: Fields, key: string): MetricSpec[] {
  const value = fields.raw(key);
  const specs: MetricSpec[] = [];
  if (value !== undefined) readValue(fields, fields.path(key), value, specs);
  return specs;
}

function readValue(fields: Fields, at: string, value: Json, specs: MetricSpec[]): void {
  if (Array.isArray(value)) {
    value.forEach((entry, index) => {
      if (isObject(entry)) readEntry(fields, `${at}[${index}]`, entry, specs);
      else notChecked(fields, `${at}[${index}]`, entry);
    });
  } else if (isObject(value)) {
    for (const [name, inner] of Object.entries(value)) readNamed(fields, `${at}.${name}`, name, inner, specs);
  } else fields.findings.error(at, `expected metrics with targets, found ${kindOf(value)}`);
}

/** `{metric|name|id, target|threshold|value|min|max}`; without a name it is a group. */
function readEntry(fields: Fields, at: string, entry: { [key: string]: Json }, specs: MetricSpec[]): void {
  const name = entry["metric"] ?? entry["id"] ?? entry["name"];
  if (typeof name !== "string") readValue(fields, at, entry, specs);
  else readNamed(fields, at, name, entry, specs);
}

const BOUNDS = [
  { prefix: /^(min|minimum|at_least)_/, operator: ">=" },
  { prefix: /^(max|maximum|at_most)_/, operator: "<=" },
] as const;

function readNamed(fields: Fields, at: string, name: string, value: Json, specs: MetricSpec[]): void {
  const bound = BOUNDS.find(({ prefix }) => prefix.test(name));
  const id = metricNamed(bound ? name.replace(bound.prefix, "") : name);
  if (id === undefined) {
    if (isObject(value) && !hasTarget(value)) readValue(fields, at, value, specs);
    else if (Array.isArray(value) && value.some(isObject)) readValue(fields, at, value, specs);
    else notChecked(fields, at, name);
    return;
  }
  for (const [place, wanted] of targetsOf(at, value)) {
    const target =
      typeof wanted === "number"
        ? bound
          ? `${bound.operator} ${plain(wanted)}`
          : atLeast(id, wanted)
        : readTarget(fields, place, wanted);
    if (target !== undefined) add(fields, place, { id, target }, specs);
  }
}

const TARGET_KEYS = ["target", "threshold", "value", "min", "max"];
const hasTarget = (value: { [key: string]: Json }): boolean => TARGET_KEYS.some((key) => key in value);

/** The places and values of the targets in an expectation; `{min}` and `{max}` say their direction. */
function targetsOf(at: string, value: Json): [place: string, target: Json][] {
  if (!isObject(value)) return [[at, value]];
  const found = TARGET_KEYS.filter((key) => Object.hasOwn(value, key)).map((key): [string, Json] => {
    const inner = value[key] ?? null;
    const directed =
      typeof inner === "number" && (key === "min" || key === "max")
        ? `${key === "min" ? ">=" : "<="} ${plain(inner)}`
        : inner;
    return [`${at}.${key}`, directed];
  });
  return found.length > 0 ? found : [[at, value]];
}

function add(fields: Fields, at: string, spec: MetricSpec, specs: MetricSpec[]): void {
  if (specs.some((known) => known.id === spec.id))
    fields.findings.error(at, `${spec.id} has two targets`, "keep one of them");
  else specs.push(spec);
}

function notChecked(fields: Fields, at: string, what: Json): void {
  const shown = typeof what === "string" ? JSON.stringify(what.slice(0, 60)) : kindOf(what);
  const near = typeof what === "string" ? fields.findings.suggest(what, METRIC_IDS) : "";
  fields.findings.oddity(at, `${shown} is no metric with a target, not checked`, near);
}
