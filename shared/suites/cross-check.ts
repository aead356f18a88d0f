/**
 * Checks that need prompts, models and datasets together: does every template render, can the engine see pictures. Only of what
 * the matrix runs.
 */
import { setImmediate as letOthersRun } from "node:timers/promises";
import { type Finding, FindingList, type LineOf } from "../benchmark/finding.js";
import type { Item } from "../benchmark/item.js";
import { cellTest } from "../benchmark/matrix.js";
import type { ModelSpec, PromptSpec } from "../benchmark/plan.js";
import type { Suite } from "../benchmark/suite/suite-types.js";
import { renderMessages } from "../benchmark/template.js";
import { errorText } from "../runtime/errors.js";
import type { PreparedDataset } from "./prepare-types.js";

/** The findings, one per prompt and dataset or per model, never one per item. */
export async function crossCheck(
  suite: Suite,
  prompts: readonly PromptSpec[],
  models: readonly ModelSpec[],
  datasets: readonly PreparedDataset[],
  lineOf: LineOf,
): Promise<Finding[]> {
  const findings = new FindingList(lineOf);
  const isRun = cellTest(suite);
  const meet = (prompt: { id: string }, model: { id: string }, dataset: { id: string }): boolean =>
    isRun({ prompt: prompt.id, model: model.id, dataset: dataset.id });
  for (const prompt of prompts) {
    const field = suite.prompts.find(({ id }) => id === prompt.id)?.field ?? "prompts";
    for (const dataset of datasets)
      if (models.some((model) => meet(prompt, model, dataset)))
        await checkRendering(prompt, field, dataset, findings);
  }
  checkTruthIsThere(suite, datasets, findings);
  if (suite.run.cache === "deterministic") checkCache(suite, models, findings);
  for (const model of models) {
    if (model.engine !== "ocr") continue;
    const field = suite.models.find(({ id }) => id === model.id)?.field ?? "models";
    const ignored = prompts.filter((prompt) => datasets.some((dataset) => meet(prompt, model, dataset)));
    if (ignored.length > 0)
      findings.warning(
        field,
        `${model.id} runs on ocr, which reads the text in pictures and ignores prompts: ${ignored.map(({ id }) => id).join(", ")}`,
      );
    for (const dataset of datasets.filter((one) => prompts.some((prompt) => meet(prompt, model, one)))) {
      const { id, items } = dataset;
      if (items.length > 0 && items.every((item) => item.media.length === 0)) {
        findings.error(field, `${model.id} runs on ocr, and the dataset ${id} has no pictures`);
      }
    }
  }
  return findings.all;
}

/** A coordinator serves others while it checks a large dataset: at most this long at a stretch. */
const MAX_BLOCK_MS = 20;

/** Every item is tried, because rows may lack columns; the first failure is reported with the number of the others. */
async function checkRendering(
  prompt: PromptSpec,
  field: string,
  dataset: PreparedDataset,
  findings: FindingList,
): Promise<void> {
  const failures: { item: Item; message: string }[] = [];
  let since = performance.now();
  for (const item of dataset.items) {
    if (performance.now() - since > MAX_BLOCK_MS) {
      await letOthersRun();
      since = performance.now();
    }
    try {
      renderMessages(prompt, item);
    } catch (error) {
      failures.push({ item, message: errorText(error).split("\n")[0] ?? "" });
    }
  }
  const [first] = failures;
  if (first) {
    const more = failures.length - 1;
    const others = more === 0 ? "" : ` (and ${more} more ${more === 1 ? "item" : "items"})`;
    findings.error(
      field,
      `prompt ${prompt.id} cannot be rendered for item ${first.item.id} of dataset ${dataset.id}${others}: ${first.message}`,
      "templates see input, item, images and the item's own columns",
    );
  }
  const pictures = dataset.items.filter((item) => item.media.length > 0).length;
  if (prompt.tags.includes("vision") && dataset.items.length > 0 && pictures === 0) {
    findings.warning(
      field,
      `prompt ${prompt.id} asks about pictures, and the dataset ${dataset.id} has none`,
    );
  }
}

/** Engines that draw nothing at random. */
const DRAWS_NOTHING: readonly ModelSpec["engine"][] = ["ocr", "simulated"];

/** What the agents will find when they ask: said before anything runs. */
function checkCache(suite: Suite, models: readonly ModelSpec[], findings: FindingList): void {
  for (const model of models) {
    const spec = suite.models.find(({ id }) => id === model.id);
    const { temperature, seed } = { ...suite.generation, ...spec?.config?.generation };
    const field = spec?.field ?? "models";
    if (temperature !== 0 && seed === undefined && !DRAWS_NOTHING.includes(model.engine))
      findings.warning(
        field,
        `run.cache is not applied to ${model.id}: its answers are drawn at random`,
        "set engine_config.temperature to 0, or a seed",
      );
    if ((model.engine === "openai" || model.engine === "anthropic") && model.revision === undefined)
      findings.warning(
        field,
        `run.cache is not applied to ${model.id}: nothing says which version of it answers`,
        "where its server keeps one version under this name, say which with revision",
      );
  }
}

/** Metrics that need no truth. */
const WITHOUT_TRUTH = new Set([
  "latency",
  "throughput",
  "cost",
  "parse_success_rate",
  "error_rate",
  "resolution_consistency",
]);

/** Says beforehand which metrics will be n/a for a dataset without truth. */
function checkTruthIsThere(suite: Suite, datasets: readonly PreparedDataset[], findings: FindingList): void {
  const needing = suite.metrics.map(({ id }) => id).filter((id) => !WITHOUT_TRUTH.has(id));
  for (const { id, items } of datasets) {
    const has = items.some((item) => item.truth !== undefined || item.target !== undefined);
    if (items.length === 0 || has || needing.length === 0) continue;
    const field = suite.datasets.find((spec) => spec.id === id)?.field ?? "datasets";
    findings.warning(
      field,
      `the dataset ${id} has no truth and no target: ${needing.join(", ")} will be n/a`,
    );
  }
}
