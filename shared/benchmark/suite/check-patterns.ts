import type { FindingList } from "../finding.js";
import { patternProblem } from "../patterns.js";
import type { Suite } from "./suite-types.js";

/** Most patterns of a whole suite: compiling one takes up to a few milliseconds. */
const MAX_PATTERNS = 100;

/** Compiles every pattern of a suite once: those that take answers out of outputs, and targets out of rows. */
export function checkPatterns(suite: Suite, findings: FindingList): void {
  const patterns: { field: string; pattern: string }[] = [];
  for (const { field, own } of suite.prompts) {
    own?.answer?.extract.forEach((pattern, i) => {
      patterns.push({ field: `${field}.answer.extract[${i}]`, pattern });
    });
  }
  for (const { field, answer, target } of suite.datasets) {
    answer?.extract.forEach((pattern, i) => {
      patterns.push({ field: `${field}.answer.extract[${i}]`, pattern });
    });
    if (target?.extract !== undefined)
      patterns.push({ field: `${field}.target.extract`, pattern: target.extract });
  }
  if (patterns.length > MAX_PATTERNS) {
    findings.error("", `the suite has ${patterns.length} patterns; the limit is ${MAX_PATTERNS}`);
    return;
  }
  for (const { field, pattern } of patterns) {
    const problem = patternProblem(pattern);
    if (problem === undefined) continue;
    const hint = "RE2 has no look-around and no back references";
    findings.error(field, `${JSON.stringify(pattern)} is no RE2 pattern: ${problem}`, hint);
  }
}
