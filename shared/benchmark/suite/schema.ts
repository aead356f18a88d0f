/**
 * The suite language as JSON Schema, for editors: completion, help and the coarse errors. The reader (`read-suite.ts`)
 * is what decides; a test compares the two key by key. `sai suite schema` prints it, `docs/suite.schema.json` is a copy.
 */
import type { Json } from "../json.js";
import { LOAD_KINDS } from "../load/load-spec.js";
import { METRIC_IDS } from "../metric-ids.js";
import { ENGINE_KINDS } from "../plan.js";
import { configKeys, testConfigKeys } from "./schema-config.js";
import {
  ANY,
  bool,
  listOf,
  number,
  oneOf,
  ref,
  type Schema,
  strict,
  text,
  texts,
  whole,
} from "./schema-parts.js";
import { DATASET_TYPES } from "./suite-types.js";

const NAME = { type: "string", pattern: "^[A-Za-z0-9._:/@-]{1,128}$" } as const;
const nameOr = (object: string): Schema => listOf({ oneOf: [NAME, ref(object)] });

const answer = strict("How the answer is taken out of the output.", {
  extract: texts("RE2 patterns, tried in order; the last group of the first match is the answer."),
  normalize: texts("What is done to it then: trim, lower, collapse_spaces, strip_punctuation, strip_commas."),
  type: oneOf("What it is.", ["text", "number", "choice", "json"]),
  choices: texts("The answers there are, for type: choice."),
});

const prompt = strict("A prompt: a built-in one by id, or your own with a template.", {
  id: text("Its name in tables."),
  name: text("SAI's word for id."),
  description: text("For people."),
  version: { description: "For people; the hash of all of it is its identity.", type: ["string", "number"] },
  template: text("Liquid template of the user message; sees input, item, images and the item's columns."),
  file: text("The file the template stands in, instead."),
  system: text("Liquid template of the system message."),
  output: oneOf("What the answer looks like.", ["text", "json", "lines"]),
  output_schema: { description: "JSON Schema of the output.", type: "object" },
  fields: {
    description: "Field → expression over the output.",
    type: "object",
    additionalProperties: { type: "string" },
  },
  answer: ref("answer"),
  tags: texts("For people; vision says that it is about pictures."),
  use_cases: texts("For people."),
});

const model = strict("A model and where it runs.", {
  id: text("What --map-model and tables call it."),
  name: text("SAI's word for id."),
  description: text("For people."),
  type: text("An engine, or a description of the model."),
  engine: oneOf("What runs it.", [...ENGINE_KINDS]),
  model: text("The engine's name for it; default: the id."),
  path: text("The same, where it is a folder or a repository."),
  revision: text("A commit of a repository."),
  quant: text("Its quantisation, for tables."),
  price: strict("USD per million tokens, per GPU hour.", {
    ...Object.fromEntries(
      ["in_1m", "cached_1m", "out_1m", "gpu_hour"].map((key) => [key, { type: "number", minimum: 0 }]),
    ),
  }),
  options: { description: "Settings of this engine.", type: "object" },
  config: strict("What differs from engine_config for this model.", configKeys),
  vram_gb: { ...ANY, description: "Read and not applied." },
  gpus: { ...ANY, description: "Read and not applied; options.gpus is." },
});

const filter: Schema = {
  description: "An expression, or columns with a value, a list, a comparison or {min, max}.",
  oneOf: [{ type: "string" }, { type: "object", minProperties: 1 }],
};

const dataset = strict("A dataset: a path or inline items.", {
  id: text("Its name in tables."),
  name: text("SAI's word for id."),
  description: text("For people."),
  type: text(`One of ${DATASET_TYPES.join(", ")}; default: seen from the path.`),
  path: text("File or folder."),
  uri: text("The same."),
  items: listOf({}),
  input_tokens: whole("Of type synthetic: tokens of each input.", 1),
  output_tokens: whole("Of type synthetic: tokens an answer is to have.", 1),
  prefix_tokens: whole("Of type synthetic: of the input, the same in all items.", 0),
  n: whole("Of type synthetic: how many items.", 1),
  seed: whole("Of type synthetic.", 0),
  sha256: { description: "What the file must hash to.", type: "string", pattern: "^[0-9a-f]{64}$" },
  target: {
    description: "Where the expected answer stands.",
    oneOf: [
      { type: "string" },
      strict("Column, and the RE2 pattern that takes the answer out of it.", {
        path: text("Column."),
        extract: text("RE2 pattern."),
      }),
    ],
  },
  answer: ref("answer"),
  cluster_by: text("The column whose value is the statistical unit, such as sequence_id."),
  split: text("Only this part: rows with this split."),
  filter,
  ids: texts("Only the items of these ids."),
  sample: {
    description: "How many items are drawn; the same seed draws the same.",
    oneOf: [
      { type: "integer", minimum: 1 },
      strict("", { n: whole("How many.", 1), seed: whole("Default 0.", 0) }),
    ],
  },
  labels_path: text(
    "Of type yolo: the folder of labels, below the dataset's (default: labels beside images).",
  ),
  classes: texts(
    "Of type yolo: names of classes from 0, or the file that has one in each line (default: classes.txt).",
  ),
  config: { ...ANY, description: "Read and not applied." },
  revision: { ...ANY, description: "Read and not applied." },
});

const metric = strict("A metric, with a target or an expression of your own.", {
  id: text(
    `One of ${METRIC_IDS.join(", ")}; with .pass@K or .majority for repetitions; or a name of your own.`,
  ),
  name: text("The same."),
  description: text("For people."),
  target: text('Such as ">= 0.80" or "< 2 s".'),
  reduce: text("How repetitions become one: pass@K, majority."),
  expression: text("Makes it a metric of your own."),
  when: text("The samples it is about."),
  wrong: { description: "What a sample without an answer counts.", type: "number" },
  higher_is_better: bool("Default true."),
  unit: text("For tables."),
  weight: { ...ANY, description: "Read and not applied." },
  judge: strict("Makes it a metric whose values another model gives.", {
    model: text("The id of one of judges, or of models."),
    template: text(
      "Liquid template of what it is asked; sees input, answer, target, item and the item's columns.",
    ),
    system: text("Liquid template of its system message."),
    scale: { description: "The least and the greatest verdict.", type: "array", items: { type: "number" } },
    choices: { description: "Words that are verdicts, with what each is worth.", type: "object" },
    extract: texts('RE2 patterns that take the verdict out of the output; default: after "verdict".'),
  }),
});

const expectations: Schema = {
  description: 'Metrics with targets: {accuracy: ">= 0.9", min_recall: 0.8}, grouped or as a list.',
  type: ["object", "array"],
};

const scenario = strict("A part of the items with expectations of its own.", {
  name: text("Shown as a level of the tables."),
  id: text("The same."),
  description: text("For people."),
  filter_conditions: filter,
  filter,
  datasets: texts("Datasets it is about; default: all."),
  dataset: texts("The same."),
  expected_performance: expectations,
  weight: ANY,
  priority: ANY,
  tags: ANY,
});

const rule = strict("Cells, by what they have.", {
  ...Object.fromEntries(
    ["prompt", "prompts", "model", "models", "dataset", "datasets"].map((key) => [key, texts("Ids.")]),
  ),
});
const rules: Schema = { type: "array", items: rule };

/** The whole. */
export const SUITE_SCHEMA: { readonly [key: string]: Json } = {
  $schema: "http://json-schema.org/draft-07/schema#",
  $id: "https://sai-benchmark.dev/suite.schema.json",
  title: "SAI Bench suite",
  ...strict(
    "Prompts × models × datasets, and what is measured. `schema: sai/v1`, or a plain SAI suite without it.",
    {
      schema: oneOf("Absent: a plain SAI suite.", ["sai/v1"]),
      name: text("What the campaign is called."),
      description: text("What it is for."),
      version: { description: "For people.", type: ["string", "number"] },
      strict: bool("Unknown keys are errors."),
      compat: oneOf("The original's own numbers beside the right ones.", ["sai-legacy"]),
      prompts: nameOr("prompt"),
      models: nameOr("model"),
      judges: nameOr("model"),
      datasets: listOf({ oneOf: [{ type: "string" }, ref("dataset")] }),
      metrics: {
        description: "A list, or groups of lists, or metrics with targets.",
        oneOf: [
          listOf({ anyOf: [{ type: "string" }, ref("metric"), { type: "object" }] }),
          { type: "object", minProperties: 1 },
        ],
      },
      engine_config: strict("How models are asked.", configKeys),
      test_config: strict("How answers are judged and runs go.", testConfigKeys),
      run: strict("How often and in what pieces.", {
        mode: oneOf("How good answers are, how fast they come, or both.", ["quality", "load", "both"]),
        repetitions: whole("Of every item.", 1),
        warmup: whole("Items run before measuring.", 0),
        shard_size: whole("Samples in one piece of work.", 1),
        cache: oneOf("Whether answers of before may be taken, where temperature 0 or a seed fixes them.", [
          "off",
          "deterministic",
        ]),
        retry: strict("Of pieces of work.", { max: whole("Attempts.", 1), backoff: ANY }),
        max_failures: whole("The rest of a job is cancelled after so many.", 1),
        failure_threshold: { description: "The same, as a share.", type: "number", minimum: 0, maximum: 1 },
      }),
      execution: strict("SAI's word for run.", {
        repetitions: whole("Of every item.", 1),
        warmup_runs: whole("Items run before measuring.", 0),
        random_seed: whole("engine_config.seed where that is absent.", 0),
        confidence_interval: ANY,
        confidence_level: ANY,
        description: ANY,
        ...Object.fromEntries(
          ["parallel", "parallel_execution", "max_workers", "timeout", "order", "shuffle"].map((key) => [
            key,
            { ...ANY, description: "Read and not applied." },
          ]),
        ),
      }),
      load: strict("What run.mode: load puts servers under.", {
        kind: oneOf("Requests at once, or by the second.", [...LOAD_KINDS]),
        values: { description: "The levels, one after the other.", type: ["array", "number"] },
        duration_s: number("Seconds of one window.", 0, 86_400),
        drain_s: number("Seconds that what is unfinished has then.", 0, 86_400),
        max_inflight: whole("Most requests at once; others wait.", 1),
        prompt_cache: oneOf("Whether servers may know a prompt already.", ["allow", "bust"]),
        seed: whole("Of arrivals.", 0),
        slo: strict("What is fast enough, in ms.", {
          ...Object.fromEntries(["ttft_ms", "tpot_ms", "e2e_ms"].map((key) => [key, { type: "number" }])),
        }),
      }),
      baseline: strict("What the campaign is compared with when it has ended; --gate judges by it.", {
        campaign: text("A campaign's id, or a baseline's name."),
        rule: strict("How much may be lost.", {
          metric: text("What is judged; default: all quality metrics that are shares."),
          max_drop: number("In the metric's unit; default 0.02 for shares.", 0),
          alpha: number("Intervals are of 1 - alpha; default 0.05.", 0.0001, 0.5),
        }),
      }),
      placement: strict("Where it may run.", {
        mixed: bool("On devices of several classes, although times are compared."),
      }),
      budget: strict("What it may cost before nothing more of it is given out.", {
        usd: { ...number("Money, where prices are known.", 0, 1e9), exclusiveMinimum: 0 },
        gpu_hours: {
          ...number("Hours of whole GPUs; a part counts as its share.", 0, 1e9),
          exclusiveMinimum: 0,
        },
        wall_s: {
          ...number("Seconds from the first shard on, without pauses; then what runs is stopped.", 0, 1e9),
          exclusiveMinimum: 0,
        },
      }),
      matrix: strict("Which cells run.", { include: rules, exclude: rules }),
      fewshot: strict("Worked examples before each question, never the item itself.", {
        n: whole("How many.", 1),
        seed: whole("Default 0.", 0),
        split: text("Where they come from; default: the same items."),
        mode: oneOf("The same for every item, or others for each.", ["fixed", "per_item"]),
        as: oneOf("In the text of the question.", ["text"]),
        target_template: text("Liquid template of an example's answer; sees target."),
      }),
      test_scenarios: {
        oneOf: [listOf(ref("scenario")), { type: "object", additionalProperties: ref("scenario") }],
      },
      success_criteria: expectations,
      reporting: { description: "Read and not applied.", type: "object" },
      stress_tests: { description: "Read and not applied.", type: ["object", "array"] },
      metadata: ANY,
      author: ANY,
      created: ANY,
      tags: ANY,
    },
  ),
  required: ["name", "prompts", "models", "datasets"],
  definitions: { answer, prompt, model, dataset, metric, scenario },
};
