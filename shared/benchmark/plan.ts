/**
 * The plan: a campaign's matrix with everything resolved, so that an agent needs nothing but the plan and the item
 * manifests, both by hash. It is written once, as one content-addressed artifact, before the campaign's gates open.
 */
import type { Budget } from "./budget.js";
import type { Json } from "./json.js";
import type { LoadSpec } from "./load/load-spec.js";

/** The engines of this version. */
export const ENGINE_KINDS = [
  "huggingface",
  "ocr",
  "ollama",
  "openai",
  "anthropic",
  "vllm",
  "sglang",
  "simulated",
] as const;
export type EngineKind = (typeof ENGINE_KINDS)[number];

export interface Plan {
  v: 1;
  campaign: string;
  name: string;
  description: string;
  /** SHA-256 of the suite text as submitted, hex. */
  suiteSha256: string;
  jobs: JobSpec[];
  /** The summary has the original's numbers beside the right ones; see legacy.ts. */
  compat?: "sai-legacy";
  baseline?: SuiteBaseline;
  /** What it may cost; a retry may have another one. */
  budget?: Budget;
}

/** What a campaign is compared with when it has ended. */
export interface SuiteBaseline {
  /** A campaign's id or a baseline's name. */
  campaign: string;
  /** The one that is judged; absent: all quality metrics that are shares. */
  metric?: string;
  /** How much it may lose; absent: the default. */
  maxDrop?: number;
  /** Intervals are of 1 − alpha; absent: the default. */
  alpha?: number;
}

/** One cell of the matrix: model × prompt × dataset × generation settings. */
export interface JobSpec {
  /** `j0000`, `j0001`, … in matrix order (prompts outermost, datasets innermost). */
  id: string;
  prompt: PromptSpec;
  model: ModelSpec;
  dataset: DatasetRef;
  generation: GenerationSettings;
  /** engine_config keys that are about the engine, not the generation: base_url, device, num_gpu, … */
  engineOptions: { [key: string]: Json };
  metrics: MetricSpec[];
  test: TestConfig;
  repetitions: number;
  /**
   * items × repetitions; sample ordinal o is item o % items in repetition floor(o / items). Of a load: its windows, whose
   * requests are records of their own (load/load-spec.ts).
   */
  samples: number;
  /** Samples in one shard; the last one may be shorter. */
  shardSize: number;
  /** Items run before measuring and thrown away. */
  warmup: number;
  /** Attempts of one shard that may fail before its samples get engine_error records. */
  maxAttempts: number;
  /** Answers that are sure to be the same again may come from the response cache. */
  cache?: true;
  /** It may run on devices of several classes although its times are compared. */
  mixedClasses?: true;
  /** Parts of the dataset with expectations of their own. */
  scenarios?: ScenarioSpec[];
  /** It is put under load, instead of being scored. */
  load?: LoadSpec;
  /** Its samples are verdicts on the answers of another job, which ends before. */
  judge?: Pick<JudgeSpec, "scale" | "choices" | "higherIsBetter"> & { of: string; metric: string };
  /** When only some samples are run, again: `samples` counts these, and shards are ranges of positions among them. */
  retry?: RetrySpec;
}

export interface ScenarioSpec {
  name: string;
  /** Ranges [from, to) of item indexes, ascending. */
  items: [from: number, to: number][];
  /** With the targets it expects. */
  metrics: MetricSpec[];
}

/** Samples that a retry runs again. */
export interface RetrySpec {
  /** The first campaign of the chain: its samples these are, and are named after. */
  campaign: string;
  /** Their ordinals there, ascending. */
  ordinals: number[];
}

/** The ordinal of the sample at a position of a job's shards. RangeError when the job has no such position. */
export function ordinalAt({ samples, retry }: JobSpec, position: number): number {
  const ordinal = retry === undefined ? position : retry.ordinals[position];
  if (ordinal === undefined || position < 0 || position >= samples) {
    throw new RangeError(`position ${position} of ${samples}`);
  }
  return ordinal;
}

/** Where a sample stands among those a job runs; undefined when it is none of them. */
export function positionOf({ samples, retry }: JobSpec, ordinal: number): number | undefined {
  if (retry === undefined) return ordinal >= 0 && ordinal < samples ? ordinal : undefined;
  let [low, high] = [0, retry.ordinals.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((retry.ordinals[middle] ?? 0) < ordinal) low = middle + 1;
    else high = middle;
  }
  return retry.ordinals[low] === ordinal ? low : undefined;
}

export interface DatasetRef {
  id: string;
  /** SHA-256 of the item manifest artifact, hex. */
  manifestSha256: string;
  items: number;
}

/** A prompt version, immutable; `sha256` names it. */
export interface PromptSpec {
  id: string;
  name: string;
  description: string;
  version: string;
  /** Liquid template of the user message; sees `input`, `item`, `images` and the item's vars. */
  template: string;
  /** Liquid template of the system message. */
  system?: string;
  /** What the answer should look like; decides about parsing when `answer` is absent. */
  output: OutputFormat;
  /** JSON Schema of the output, for people and for engines that enforce it. */
  outputSchema?: Json;
  /** Canonical field → expression over the parsed output, such as {has_smoke: "judgment == 'Yes'"}. */
  fields: { [field: string]: string };
  answer?: AnswerSpec;
  tags: string[];
  useCases: string[];
  /** SHA-256 over all of the above as canonical JSON, hex. */
  sha256: string;
}

/** text: the whole answer; json: one JSON object; lines: `Key: value` lines, keys lower-cased with _ for spaces. */
export type OutputFormat = "text" | "json" | "lines";

/** How the answer is taken out of the output text. */
export interface AnswerSpec {
  /** RE2 patterns tried in order; the first match's last group (or whole match) is the answer. */
  extract: string[];
  /** Applied after extraction. */
  normalize: ("trim" | "lower" | "collapse_spaces" | "strip_punctuation" | "strip_commas")[];
  type: "text" | "number" | "choice" | "json";
  /** What a choice may be, such as A, B, C, D. */
  choices?: string[];
}

export interface ModelSpec {
  /** As written in the suite. */
  id: string;
  engine: EngineKind;
  /** The engine's name for it, after mapping. */
  model: string;
  revision?: string;
  quant?: string;
  /** Prices in USD, for `cost`. Unit: per million tokens, per GPU hour. */
  price?: { in_1m?: number; cached_1m?: number; out_1m?: number; gpu_hour?: number };
  /** Engine-specific settings of this model alone, such as {upscale: 2} for ocr or a script for simulated. */
  options: { [key: string]: Json };
}

export interface GenerationSettings {
  temperature?: number;
  max_tokens?: number;
  top_p?: number;
  top_k?: number;
  seed?: number;
  num_ctx?: number;
  repeat_penalty?: number;
  stop?: string[];
  /** Seconds one try may take. Default 120. */
  timeoutS: number;
  /** Tries after the first for transient failures. Default 3. */
  maxRetries: number;
  /** Seconds before the first retry; doubles with jitter. Default 1. */
  retryDelayS: number;
  /** Longest side in pixels; larger pictures are scaled down before they are sent. */
  maxImageSize?: number;
  /** Requests in flight at once on one agent for remote engines. */
  maxConcurrentRequests?: number;
  /** Seconds between the starts of two requests of one attempt. */
  requestDelayS?: number;
}

export interface TestConfig {
  iouThreshold: number;
  confidenceThreshold: number;
  /** Keep at most this many pictures of a sequence, evenly spaced. */
  maxImagesPerSequence?: number;
  /** Record the raw output of answered samples too, not only of failed ones. Default true. */
  includeRawResponses: boolean;
  /** Cancel the rest of the job after this many failed samples. */
  maxFailures?: number;
  /** Cancel the rest of the job when more than this share failed (over at least 20). */
  failureThreshold?: number;
}

export interface MetricSpec {
  /** What tables call it: exact_match, exact_match.pass@5, or a name of the suite's own. Each once in a suite. */
  id: string;
  /** Such as ">= 0.80". */
  target?: string;
  /** How the repetitions of an item become one; absent: their mean. */
  reduce?: Reduction;
  /** A metric of the suite's own. */
  custom?: CustomMetric;
  /** A metric whose values another model gives; see judge.ts. */
  judge?: JudgeSpec;
}

export interface JudgeSpec {
  /** The judge's id. */
  model: string;
  /** Liquid templates; they see `input`, `answer`, `target` and the item's vars. */
  template: string;
  system?: string;
  /** The least and the greatest verdict. */
  scale: [lo: number, hi: number];
  /** Words that are verdicts, with what each is worth; absent: verdicts are numbers. */
  choices?: { [word: string]: number };
  /** RE2 patterns that take the verdict out of the output. */
  extract?: string[];
  /** Default true. */
  higherIsBetter?: boolean;
}

export interface Reduction {
  /** The metric that is read. */
  of: string;
  by: "pass" | "majority";
  /** Of pass@k. */
  k?: number;
}

/** See custom-metric.ts. */
export interface CustomMetric {
  expression: string;
  /** Which items it applies to; absent: those with all that the expression reads of truth, target and item. */
  when?: string;
  /** What a sample without a value counts. */
  wrong: number;
  higherIsBetter: boolean;
  /** Written behind values; ratio is shown as percent. */
  unit?: string;
}
