/**
 * Reads a suite value, field by field, into `Suite`: plain SAI suites and `schema: sai/v1`, which is a superset. All
 * problems are reported at once. Keys of the SAI format that this version does not apply are named in warnings; keys
 * of `sai/v1` that it does not have yet are errors, because running without them would measure something else.
 */
import { type Finding, FindingList, hasErrors, type LineOf } from "../finding.js";
import type { Json } from "../json.js";
import { checkPatterns } from "./check-patterns.js";
import { Fields, isObject, kindOf } from "./fields.js";
import { readDatasets } from "./read-datasets.js";
import { readEngineConfig } from "./read-engine-config.js";
import { readMetrics } from "./read-metrics.js";
import { readModels } from "./read-models.js";
import { readPlacement } from "./read-placement.js";
import { readPrompts } from "./read-prompts.js";
import { readRun } from "./read-run.js";
import { readTestConfig } from "./read-test-config.js";
import type { Suite } from "./suite-types.js";

/** Parts of `sai/v1` that have no meaning in this version. */
const NOT_IN_THIS_VERSION = [
  "fewshot",
  "matrix",
  "load",
  "budget",
  "baseline",
  "artifacts",
  "judge",
  "custom_metrics",
];

/** Parts of SAI suites that are read and not applied. */
const NOT_APPLIED = ["test_scenarios", "reporting", "success_criteria", "stress_tests"];

/** The suite, absent when there is any error. `lineOf` gives the line of a path in the suite's text. */
export function readSuite(value: Json, lineOf: LineOf = () => 0): { suite?: Suite; findings: Finding[] } {
  const findings = new FindingList(lineOf);
  if (!isObject(value)) {
    findings.error("", `a suite is an object with name, prompts, models, datasets; found ${kindOf(value)}`);
    return { findings: findings.all };
  }
  const root = new Fields("", value, findings);
  const schema = root.oneOf("schema", ["sai/v1"] as const) ?? "sai";
  findings.strict = root.boolean("strict") ?? false;
  const config = readEngineConfig(root);
  const test = readTestConfig(root, config.generation);
  const suite: Suite = {
    schema,
    name: requiredText(root, "name", 200),
    description: schema === "sai" ? requiredText(root, "description") : (root.text("description") ?? ""),
    version: root.label("version") ?? "",
    prompts: readPrompts(root),
    models: readModels(root),
    datasets: readDatasets(root, schema),
    metrics: readMetrics(root),
    ...config,
    test,
    run: readRun(root, test),
    placement: readPlacement(root),
  };
  root.accept("metadata", "author", "created", "tags");
  for (const key of NOT_IN_THIS_VERSION) {
    root.accept(key);
    if (root.has(key)) findings.error(key, `${key} is not supported in this version`, `remove ${key}`);
  }
  for (const key of NOT_APPLIED) {
    root.accept(key);
    if (root.has(key)) findings.warning(key, `${key} is read and not applied`);
  }
  checkPatterns(suite, findings);
  root.close();
  return hasErrors(findings.all) ? { findings: findings.all } : { suite, findings: findings.all };
}

function requiredText(root: Fields, key: string, maxLength?: number): string {
  const text = root.text(key, maxLength);
  if (!root.has(key)) root.findings.error(key, `${key} is missing`);
  else if (text?.trim() === "") root.findings.error(key, `${key} is empty`);
  return text ?? "";
}
