/**
 * A suite as read: checked field by field, with defaults filled in, and the same type for plain SAI suites and for
 * `schema: sai/v1`. Nothing in it is resolved yet: prompts, models and datasets are still names and paths.
 */
import type { Json } from "../json.js";
import type {
  AnswerSpec,
  EngineKind,
  GenerationSettings,
  MetricSpec,
  ModelSpec,
  OutputFormat,
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
  placement: { /** Shards whose times are compared may run on devices of several classes. */ mixed: boolean };
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
}

export const DATASET_TYPES = ["inline", "json", "jsonl", "csv", "sequences", "images"] as const;
export type DatasetType = (typeof DATASET_TYPES)[number];

export interface DatasetSpec {
  field: string;
  id: string;
  /** Absent: seen from the path. */
  type?: DatasetType;
  /** File or folder; exactly one of `path` and `items`. */
  path?: string;
  items?: Json[];
  /** SHA-256 the file must have, hex. */
  sha256?: string;
  target?: TargetSpec;
  /** How answers of this dataset are taken out of the output, for prompts that do not say it themselves. */
  answer?: AnswerSpec;
  /** Column or key whose value is the statistical unit, such as `sequence_id`. */
  clusterBy?: string;
  /** Draw `n` items without replacement, in file order. */
  sample?: { n: number; seed: number };
}

/** Where the expected answer stands in a row, and the RE2 pattern that takes it out (last group, or whole match). */
export interface TargetSpec {
  path: string;
  extract?: string;
}

export interface RunSettings {
  repetitions: number;
  /** Items run before measuring and thrown away. */
  warmup: number;
  /** Samples in one shard. */
  shardSize: number;
  /** Attempts of one shard that may fail. */
  maxAttempts: number;
}
