/**
 * The suite `sai run` makes of its flags, and the metrics it chooses by looking at the data: what cannot be scored is
 * not asked for, so that the table has no row of n/a.
 */
import type { Item } from "../shared/benchmark/item.js";
import type { Json } from "../shared/benchmark/json.js";
import { builtinPrompts } from "../shared/benchmark/prompts/builtin-prompts.js";

export interface AdhocFlags {
  models: readonly string[];
  prompts: readonly string[];
  datasets: readonly string[];
  metrics: readonly string[];
  targetPath?: string | undefined;
  targetExtract?: string | undefined;
  extract?: string | undefined;
  limit?: number | undefined;
  workers?: number | undefined;
  temperature?: number | undefined;
  maxTokens?: number | undefined;
}

/** The suite as a value; `metrics` replaces the flags' when they name none. */
export function adhocSuite(flags: AdhocFlags, metrics: readonly string[]): Json {
  const own = flags.prompts.filter((prompt) => !isPromptId(prompt));
  const answer = flags.extract === undefined ? {} : { answer: { extract: [flags.extract] } };
  return {
    schema: "sai/v1",
    name: `run ${flags.models.join(", ")}`.slice(0, 100),
    description: `sai run: ${flags.prompts.length} prompts, ${flags.models.length} models, ${flags.datasets.length} datasets`,
    prompts: flags.prompts.map((prompt) => {
      if (isPromptId(prompt)) return prompt;
      const at = own.indexOf(prompt);
      return { id: own.length === 1 ? "prompt" : `prompt-${at + 1}`, template: withInput(prompt), ...answer };
    }),
    models: [...flags.models],
    datasets: flags.datasets.map((path, i) => ({
      id: datasetId(path, flags.datasets.slice(0, i)),
      path,
      ...(flags.targetPath !== undefined && {
        target: {
          path: flags.targetPath,
          ...(flags.targetExtract !== undefined && { extract: flags.targetExtract }),
        },
      }),
      ...(flags.limit !== undefined && { sample: { n: flags.limit, seed: 0 } }),
    })),
    metrics: flags.metrics.length > 0 ? [...flags.metrics] : [...metrics],
    engine_config: {
      ...(flags.temperature !== undefined && { temperature: flags.temperature }),
      ...(flags.maxTokens !== undefined && { max_tokens: flags.maxTokens }),
    },
    ...(flags.workers !== undefined && { test_config: { max_workers: flags.workers } }),
  };
}

/** The file's name; a second file of that name gets a number. */
function datasetId(path: string, before: readonly string[]): string {
  const nameOf = (text: string) =>
    (text.split("/").findLast((part) => part !== "") ?? "data").replace(/[^A-Za-z0-9._-]/g, "_").slice(-100);
  const same = before.filter((other) => nameOf(other) === nameOf(path)).length;
  return same === 0 ? nameOf(path) : `${nameOf(path)}@${same + 1}`;
}

/** A known prompt, or one word that can only be meant as an id (a misspelt id then gets a suggestion, not a run). */
export const isPromptId = (text: string): boolean =>
  builtinPrompts.has(text) || /^[a-z0-9]+(_[a-z0-9]+)+$/.test(text);

/** A template that never mentions the item gets its input below. */
export const withInput = (template: string): string =>
  /\{\{|\{%/.test(template) ? template : `${template}{% if input %}\n\n{{ input }}{% endif %}`;

/** Metrics the items' truth and targets can answer, and those that need neither. */
export function metricsFor(items: readonly Item[]): string[] {
  const keys = new Set(items.flatMap(({ truth }) => (isMapping(truth) ? Object.keys(truth) : [])));
  const has = (...names: string[]) => names.some((name) => keys.has(name));
  return [
    ...(items.some((item) => item.target !== undefined) ? ["exact_match", "contains", "cer"] : []),
    ...(has("has_smoke") ? ["accuracy", "precision", "recall", "f1_score"] : []),
    ...(has("bbox") ? ["bbox_iou"] : []),
    ...(has("objects") ? ["object_detection_accuracy"] : []),
    ...(has("total_objects", "categories") ? ["counting_accuracy"] : []),
    ...(has("colors") ? ["color_accuracy"] : []),
    ...(has("materials") ? ["material_recognition_accuracy"] : []),
    ...(has("spatial_relationships", "relationships") ? ["spatial_accuracy"] : []),
    ...["latency", "throughput", "parse_success_rate", "error_rate"],
  ];
}

const isMapping = (value: Json | undefined): value is { [key: string]: Json } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
