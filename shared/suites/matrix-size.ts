import { type Finding, FindingList, type LineOf } from "../benchmark/finding.js";
import { cellTest } from "../benchmark/matrix.js";
import type { Suite } from "../benchmark/suite/suite-types.js";
import type { PreparedDataset } from "./prepare-types.js";

/** Most cells that are looked at one by one. */
const MAX_CELLS = 100_000;
const MAX_JOBS = 10_000;
const MAX_SAMPLES = 10_000_000;

/** How large the expanded matrix is, and an error if it is too large to expand. */
export function matrixSize(
  suite: Suite,
  prompts: readonly { id: string }[],
  models: readonly { id: string }[],
  datasets: readonly PreparedDataset[],
  lineOf: LineOf,
): { jobs: number; samples: number; findings: Finding[] } {
  const findings = new FindingList(lineOf);
  const present = datasets.filter(({ items }) => items.length > 0);
  const cells = prompts.length * models.length * present.length;
  const isRun = cellTest(suite);
  let chosen = 0;
  let items = 0;
  if (suite.matrix === undefined || cells > MAX_CELLS) {
    chosen = cells;
    items = prompts.length * models.length * present.reduce((sum, dataset) => sum + dataset.items.length, 0);
  } else {
    for (const prompt of prompts)
      for (const model of models)
        for (const dataset of present) {
          if (!isRun({ prompt: prompt.id, model: model.id, dataset: dataset.id })) continue;
          chosen++;
          items += dataset.items.length;
        }
    if (chosen === 0 && cells > 0)
      findings.error("matrix", `the rules leave out all of the ${cells} cells`, "check include and exclude");
  }
  const { mode, repetitions } = suite.run;
  const windows = chosen * (suite.load?.values.length ?? 0);
  // Each answer, and a verdict on it for each metric that a judge gives.
  const times = mode === "load" ? 0 : 1 + suite.metrics.filter(({ judge }) => judge !== undefined).length;
  const jobs = times * chosen + windows;
  const samples = (times * items + windows) * repetitions;
  const hint = "split the suite into several campaigns";
  if (jobs > MAX_JOBS) findings.error("", `the matrix has ${jobs} jobs; the limit is ${MAX_JOBS}`, hint);
  if (samples > MAX_SAMPLES)
    findings.error("", `the matrix has ${samples} samples; the limit is ${MAX_SAMPLES}`, hint);
  return { jobs, samples, findings: findings.all };
}
