/**
 * A suite as read: checked field by field, with defaults filled in, and the same type for plain SAI suites and for
 * `schema: sai/v1`. Nothing in it is resolved yet: prompts, models and datasets are still names and paths.
 */
import type { Budget } from "../budget.js";
import type { Json } from "../json.js";
import type { LoadKind, LoadSpec } from "../load/load-spec.js";
import type {
  AnswerSpec,
  EngineKind,
  GenerationSettings,
  MetricSpec,
  ModelSpec,
  OutputFormat,
  SuiteBaseline,
  TestConfig,
} from "../plan.js";

export interface Suite {
  schema: "sai" | "sai/v1";
  name: string;
  description: string;
  version: string;
  prompts: SuitePrompt[];
  models: SuiteModel[];
  datasets: DatasetSpec[];
  metrics: MetricSpec[];
  generation: GenerationSettings;
  /** engine_config keys that are about the engine, not the generation: base_url, device, num_gpu, … */
  engineOptions: { [key: string]: Json };
  test: TestConfig;
  run: RunSettings;
  /** Models that only judge. */
  judges?: SuiteModel[];
  compat?: "sai-legacy";
  /** What it is compared with when it has ended. */
  baseline?: SuiteBaseline;
  /** Which cells of prompts × models × datasets are run. Absent: all. */
  matrix?: { include: MatrixRule[]; exclude: MatrixRule[] };
  /** `test_scenarios`: parts of the datasets with expectations of their own. */
  scenarios?: Scenario[];
  fewshot?: FewShot;
  /** What it may cost; absent: whatever it takes. */
  budget?: Budget;
  /** Absent unless `run.mode` asks for it. */
  load?: SuiteLoad;
  placement: { /** Shards whose times are compared may run on devices of several classes. */ mixed: boolean };
}

/** The ids a cell may have; absent: any. */
export interface MatrixRule {
  prompts?: string[];
  models?: string[];
  datasets?: string[];
}

/** Some of the items, by their columns and truth. */
export interface Scenario {
  field: string;
  name: string;
  /** Datasets it is about; absent: all. */
  datasets?: string[];
  filter: Filter;
  expected: MetricSpec[];
}

/** What an item's columns must be. All of it must hold. */
export interface Filter {
  /** An expression that must be true. */
  expression?: string;
  columns: ColumnTest[];
}

export type ColumnTest =
  /** The column is one of the values; where it is a list, one of its entries is. */
  | { column: string; kind: "in"; values: Json[] }
  | { column: string; kind: "compare"; operator: ">=" | "<=" | ">" | "<" | "!="; value: Json };

/** Worked examples before each question, drawn from the dataset itself, never the item that is asked. */
export interface FewShot {
  field: string;
  n: number;
  seed: number;
  /** Where the examples come from, when not from the same items. */
  split?: string;
  /** The same examples for every item, or other ones for each. */
  mode: "fixed" | "per_item";
  /** Liquid template of an example's answer; sees `target` and the example's columns. */
  targetTemplate: string;
}

/** A prompt of the suite: a built-in one by id, or the suite's own. */
export interface SuitePrompt {
  /** Where it stands, such as `prompts[0]`; for findings. */
  field: string;
  id: string;
  /** Absent: a built-in prompt. */
  own?: OwnPrompt;
}

export interface OwnPrompt {
  name: string;
  description: string;
  version: string;
  /** The template, or … */
  template?: string;
  /** … the file it stands in. Exactly one of the two. */
  file?: string;
  system?: string;
  output: OutputFormat;
  outputSchema?: Json;
  /** Canonical field → expression over the parsed output. */
  fields: { [field: string]: string };
  answer?: AnswerSpec;
  tags: string[];
  useCases: string[];
}

export interface SuiteModel {
  field: string;
  /** As written; what `--map-model` matches. */
  id: string;
  /** Given when the suite itself says where the model runs. */
  engine?: EngineKind;
  /** The engine's name for it; default: the id. */
  model?: string;
  revision?: string;
  quant?: string;
  price?: NonNullable<ModelSpec["price"]>;
  options: { [key: string]: Json };
  /** `config`: what differs from engine_config for this model. */
  config?: { generation: Partial<GenerationSettings>; engineOptions: { [key: string]: Json } };
}

export const DATASET_TYPES = [
  "inline",
  "synthetic",
  "json",
  "jsonl",
  "csv",
  "tsv",
  "sequences",
  "images",
  "yolo",
] as const;
export type DatasetType = (typeof DATASET_TYPES)[number];

export interface DatasetSpec {
  field: string;
  id: string;
  /** Absent: seen from the path. */
  type?: DatasetType;
  /** File or folder; exactly one of `path`, `items` and `synthetic`. */
  path?: string;
  items?: Json[];
  synthetic?: SyntheticSpec;
  /** SHA-256 the file must have, hex. */
  sha256?: string;
  target?: TargetSpec;
  /** How answers of this dataset are taken out of the output, for prompts that do not say it themselves. */
  answer?: AnswerSpec;
  /** Column or key whose value is the statistical unit, such as `sequence_id`. */
  clusterBy?: string;
  /** Rows, files or subfolder of this part only. */
  split?: string;
  /** Only rows for which it holds. */
  filter?: Filter;
  /** Only the items of these ids. */
  ids?: string[];
  /** Of type yolo: the folder of labels below the dataset's, and names of classes or the file that has them. */
  yolo?: { labelsPath?: string; classes?: string[] | string };
  /** Draw `n` items without replacement, in file order. */
  sample?: { n: number; seed: number };
}

/** Where the expected answer stands in a row, and the RE2 pattern that takes it out (last group, or whole match). */
export interface TargetSpec {
  path: string;
  extract?: string;
}

/** Texts made up for load: so many words, of which tokenizers make about as many tokens. */
export interface SyntheticSpec {
  n: number;
  inputTokens: number;
  /** What an answer is to have, where the engine can be told so. */
  outputTokens?: number;
  /** Of the input, the same in all items. */
  prefixTokens: number;
  seed: number;
}

export interface RunSettings {
  /** quality: how good answers are; load: how fast they come. */
  mode: "quality" | "load" | "both";
  repetitions: number;
  /** Items run before measuring and thrown away; absent: none, and a few before a load. */
  warmup?: number;
  /** Samples in one shard. */
  shardSize: number;
  /** Attempts of one shard that may fail. */
  maxAttempts: number;
  /** deterministic: answers that are sure to be the same again may come from the response cache. */
  cache: "deterministic" | "off";
}

/** Levels to be measured one after the other; see load/load-spec.ts. */
export interface SuiteLoad extends Omit<LoadSpec, "value"> {
  kind: LoadKind;
  values: number[];
  /** Requests sent before a window and thrown away. */
  warmup: number;
}
