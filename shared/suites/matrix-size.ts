import { type Finding, FindingList, type LineOf } from "../benchmark/finding.js";
import type { Suite } from "../benchmark/suite/suite-types.js";
import type { PreparedDataset } from "./prepare-types.js";

const MAX_JOBS = 10_000;
const MAX_SAMPLES = 10_000_000;

/** How large the expanded matrix is, and an error if it is too large to expand. */
export function matrixSize(
  suite: Suite,
  prompts: number,
  models: number,
  datasets: readonly PreparedDataset[],
  lineOf: LineOf,
): { jobs: number; samples: number; findings: Finding[] } {
  const findings = new FindingList(lineOf);
  const present = datasets.filter(({ items }) => items.length > 0);
  const jobs = prompts * models * present.length;
  const items = present.reduce((sum, dataset) => sum + dataset.items.length, 0);
  const samples = prompts * models * items * suite.run.repetitions;
  const hint = "split the suite into several campaigns";
  if (jobs > MAX_JOBS) findings.error("", `the matrix has ${jobs} jobs; the limit is ${MAX_JOBS}`, hint);
  if (samples > MAX_SAMPLES)
    findings.error("", `the matrix has ${samples} samples; the limit is ${MAX_SAMPLES}`, hint);
  return { jobs, samples, findings: findings.all };
}
