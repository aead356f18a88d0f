/**
 * Reads a suite value, field by field, into `Suite`: plain SAI suites and `schema: sai/v1`, which is a superset. All
 * problems are reported at once. Keys of the SAI format that this version does not apply are named in warnings; keys
 * of `sai/v1` that it does not have yet are errors, because running without them would measure something else.
 */
import { type Finding, FindingList, hasErrors, type LineOf } from "../finding.js";
import type { Json } from "../json.js";
import { checkJudges } from "./check-judges.js";
import { checkPatterns } from "./check-patterns.js";
import { Fields, isObject, kindOf } from "./fields.js";
import { readBaseline } from "./read-baseline.js";
import { readBudget } from "./read-budget.js";
import { addCriteria, reportNotApplied } from "./read-criteria.js";
import { readDatasets } from "./read-datasets.js";
import { readEngineConfig } from "./read-engine-config.js";
import { readFewShot } from "./read-fewshot.js";
import { readLoad } from "./read-load.js";
import { readMatrix } from "./read-matrix.js";
import { checkRepetitions, readMetrics } from "./read-metrics.js";
import { readModels } from "./read-models.js";
import { readPlacement } from "./read-placement.js";
import { readPrompts } from "./read-prompts.js";
import { readRun } from "./read-run.js";
import { readScenarios } from "./read-scenarios.js";
import { readTestConfig } from "./read-test-config.js";
import type { Suite } from "./suite-types.js";

/** Parts of `sai/v1` that have no meaning in this version. */
const NOT_IN_THIS_VERSION = ["artifacts"];

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
  const compat = root.oneOf("compat", ["sai-legacy"] as const);
  const config = readEngineConfig(root);
  const test = readTestConfig(root, config.generation);
  const run = readRun(root, test, config.generation);
  const load = readLoad(root, run);
  const suite: Suite = {
    schema,
    name: requiredText(root, "name", 200),
    description: schema === "sai" ? requiredText(root, "description") : (root.text("description") ?? ""),
    version: root.label("version") ?? "",
    prompts: readPrompts(root),
    models: readModels(root),
    datasets: readDatasets(root, schema),
    // A load is measured in its own figures.
    metrics: run.mode === "load" && !root.has("metrics") ? [] : readMetrics(root, schema),
    ...config,
    test,
    run,
    ...(load && { load }),
    ...(compat === undefined ? {} : { compat }),
    placement: readPlacement(root),
  };
  if (root.has("judges")) suite.judges = readModels(root, "judges");
  checkJudges(suite, findings);
  const matrix = readMatrix(root, suite);
  if (matrix) suite.matrix = matrix;
  const scenarios = readScenarios(root, suite);
  if (scenarios.length > 0) suite.scenarios = scenarios;
  const budget = readBudget(root);
  if (budget) suite.budget = budget;
  const baseline = readBaseline(root);
  if (baseline) suite.baseline = baseline;
  const fewshot = readFewShot(root);
  if (fewshot) suite.fewshot = fewshot;
  root.accept("metadata", "author", "created", "tags");
  for (const key of NOT_IN_THIS_VERSION) {
    root.accept(key);
    if (root.has(key)) findings.error(key, `${key} is not supported in this version`, `remove ${key}`);
  }
  root.accept("custom_metrics");
  if (root.has("custom_metrics")) {
    const hint = "write each into metrics: {id: NAME, expression: ...}";
    findings.error("custom_metrics", "metrics of your own stand among the others", hint);
  }
  addCriteria(root, suite.metrics);
  reportNotApplied(root);
  checkPatterns(suite, findings);
  checkRepetitions(suite, findings);
  root.close();
  return hasErrors(findings.all) ? { findings: findings.all } : { suite, findings: findings.all };
}

function requiredText(root: Fields, key: string, maxLength?: number): string {
  const text = root.text(key, maxLength);
  if (!root.has(key)) root.findings.error(key, `${key} is missing`);
  else if (text?.trim() === "") root.findings.error(key, `${key} is empty`);
  return text ?? "";
}
