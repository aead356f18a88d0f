/** Parts of SAI suites around the run: what counts as success, and what is only told not to be applied. */
import type { MetricSpec } from "../plan.js";
import { type Fields, isObject, kindOf } from "./fields.js";
import { readExpectations } from "./read-expectations.js";

/** `success_criteria` become targets of the suite's metrics; one that `metrics` gives a target itself keeps it. */
export function addCriteria(root: Fields, metrics: MetricSpec[]): void {
  for (const { id, target } of readExpectations(root, "success_criteria")) {
    const known = metrics.find((metric) => metric.id === id);
    if (known === undefined) metrics.push({ id, ...(target !== undefined && { target }) });
    else if (known.target === undefined && target !== undefined) known.target = target;
    else if (known.target !== target)
      root.findings.warning(
        "success_criteria",
        `${id} ${target} is not checked: metrics asks for ${known.target} already`,
      );
  }
}

/** `reporting` and `stress_tests`: read, checked for their form, and said not to be applied, with what does it here. */
export function reportNotApplied(root: Fields): void {
  const reporting = root.raw("reporting");
  if (reporting !== undefined && !isObject(reporting))
    root.findings.error("reporting", `expected an object, found ${kindOf(reporting)}`);
  else if (reporting !== undefined)
    root.findings.warning(
      "reporting",
      `reporting is not applied: ${Object.keys(reporting).join(", ") || "it is empty"}`,
      "`sai result export` writes html, json and csv; `sai apply --wait --output` does it at the end",
    );
  const tests = root.raw("stress_tests");
  if (tests !== undefined && !isObject(tests) && !Array.isArray(tests))
    root.findings.error("stress_tests", `expected a list or an object, found ${kindOf(tests)}`);
  else if (tests !== undefined)
    root.findings.warning(
      "stress_tests",
      "stress_tests are not run",
      "load is a run mode of its own: run.mode",
    );
}
