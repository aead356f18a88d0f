/**
 * The result record: one JSON line per sample. The records of the committed attempt are the result; everything shown
 * to people is computed from them. Times are monotonic nanoseconds of the agent that ran the sample.
 */
import type { Json } from "./json.js";
import type { EngineKind, GenerationSettings } from "./plan.js";
import type { Detection } from "./scoring/detections.js";

export const STATUSES = [
  "ok",
  "parse_error",
  "refused",
  "engine_error",
  "timeout",
  "oom",
  "poison",
  "cancelled",
] as const;
/** How a sample ended. ok, parse_error and refused are answers; the others are failures of the machinery. */
export type Status = (typeof STATUSES)[number];

export const isStatus = (text: string): text is Status => (STATUSES as readonly string[]).includes(text);
export const isAnswered = (s: Status): boolean => s === "ok" || s === "parse_error" || s === "refused";
/** engine_error, timeout, oom, poison: run, and no answer came. */
export const isFailure = (s: Status): boolean =>
  s === "engine_error" || s === "timeout" || s === "oom" || s === "poison";

export interface ResultRecord {
  v: 1;
  /** SHA-256 of (first campaign, job, ordinal), hex: the same sample has the same id in every attempt and retry. */
  record_id: string;
  /** SHA-256 of everything that decides the answer; for the response cache only. */
  cache_key: string;
  /** SHA-256 of {item content, occurrence of that content, repetition}: what paired comparisons match on. */
  pair_key: string;
  campaign: string;
  job: string;
  shard: number;
  /** Name of the attempt, `<epoch>.<n>`. */
  attempt: string;
  ordinal: number;
  repetition: number;
  item_id: string;
  cluster_id: string;
  level?: string;
  group?: string;
  prompt: { id: string; version: string; sha256: string };
  model: { id: string; digest?: string; quant?: string };
  engine: { kind: EngineKind; version: string; args: string[] };
  /** `gpu_share`: what was leased of the one GPU, where it was a part or a slice; absent: whole GPUs, or none. */
  node: { id: string; device_class: string; gpu_uuids: string[]; gpu_share?: number; driver?: string };
  gen: GenerationSettings;
  /** The answer is one of before, from the response cache: its times are of the lookup, its tokens of then. */
  cached: boolean;
  /** In-engine tries, the last one included. */
  tries: { t_ns: number; status: string }[];
  t_ns: SampleTimes;
  /** Deltas received; 0 for engines that do not stream. */
  chunks: number;
  tokens: TokenCounts;
  /** Figures of the server itself, beside ours; keys as the engine reports them, times in ns. */
  server: { [key: string]: number };
  status: Status;
  finish: Finish;
  /** Class and message when status is not ok, e.g. {class: "media_missing", message: "…"}. */
  error?: { class: string; message: string };
  /** Raw answer text; absent when none came or it is not kept. */
  output?: string;
  /** Canonical fields taken out of the answer. */
  parsed?: Json;
  parse_mode?: ParseMode;
  /** SHA-256 of truth and target; pairs with different ones are not comparable. */
  target_sha: string;
  /** Per-sample values that the aggregates are made of; see `score.ts`. */
  scores: { [name: string]: number };
  /** Boxes matched with true ones, per label; where map_50 is asked for and the item has truth about boxes. */
  detections?: Detection[];
  cost_usd?: number;
  /** Of an answer from the response cache: what asking would have cost. */
  cost_avoided_usd?: number;
  /** Whose prices `cost_usd` is by: `suite`, or `table` with its date. */
  price_source?: string;
  /** Of its GPUs while it ran; only where it was alone on them and took at least ten seconds. */
  energy_j?: { value: number; source: EnergySource };
  /** How long the model's load took that this record's attempt waited for; on the first record after it. */
  load_ns?: number;
  /** On the record of an attempt that ended last; earlier starts of an agent that was cut short leave none. */
  gpu_window?: GpuWindow & {
    /** Records that were made in it. */
    samples: number;
    /** Their output tokens, where the engine told them. */
    tokens_out?: number;
  };
  /** Of loads: what a window was, on the first record of it. Times of a window's records are ns from its beginning. */
  load_window?: LoadWindow;
  /** Such as truncated, prefix_cache, simulated. */
  flags: string[];
}

/** One window of one load generator. */
export interface LoadWindow {
  /** When it began, wall clock, RFC 3339; for people. */
  began_at: string;
  /** In which requests were scheduled, ms: as planned, or less where the most requests were reached before its end. */
  ms: number;
  /** From its end until the last request had ended, or the drain was over, ms. */
  drained_ms: number;
  requests: number;
  /** Most that were on their way at once. */
  peak_inflight: number;
  /** How late the generator's own event loop was, 99th percentile, ms. */
  loop_lag_p99_ms: number;
}

/** integrated: estimated from readings of the power; counter: the difference of the GPU's own counter. */
export type EnergySource = "integrated" | "counter";

/** What the GPUs of an attempt did while its samples ran; loading and warming up are left out. Of GPUs only. */
export interface GpuWindow {
  /** UUIDs. */
  gpus: string[];
  ms: number;
  /** Readings of each GPU, the least of them. */
  readings: number;
  /** Of all GPUs together, J; absent where `no_energy` says why. */
  energy_j?: number;
  energy_source?: EnergySource;
  /** Without what the GPUs would have drawn idling, J. */
  above_idle_j?: number;
  /** What they drew before with nothing on them, W. */
  idle_w?: number;
  /** shared: others had parts of them; few_readings: too short, or the readings had gaps; no_power: not told. */
  no_energy?: "shared" | "few_readings" | "no_power";
  /** `peak`: the sum of each GPU's own, which need not be of one moment. */
  power_w?: { mean: number; peak: number };
  /** While they worked. */
  sm_mhz?: { median: number; min: number };
  memory_mhz?: { median: number; min: number };
  /** The highest of any. */
  temperature_c?: number;
  /** The most in use, of all GPUs together. */
  memory_bytes?: number;
  utilization_percent?: number;
  /** By reason, of the GPU that was slowed longest; 0: seen, too short to be counted. */
  slowed_ms?: { [reason: string]: number };
  /** How late the event loop was that handed out the samples. */
  lag_ms?: { p99: number; max: number };
  /** thermal_slowdown, power_brake, clock_change, foreign_process, ecc_errors. */
  flags: string[];
}

export type Finish = "stop" | "length" | "filter" | "tool" | "error";
/** direct: the answer was clean; fenced: inside a code fence; extracted: found inside prose. */
export type ParseMode = "direct" | "fenced" | "extracted";

export interface SampleTimes {
  /** When the slot was free (closed loop), or the request was due (open loop). */
  scheduled: number;
  /** Just before the request's bytes were handed to the socket (last try). */
  sent: number;
  first_byte?: number;
  /** First non-empty content or reasoning delta; absent when not streaming. */
  first_token?: number;
  /** First output (non-reasoning) delta. */
  first_output?: number;
  /** Last non-empty delta. */
  last_token?: number;
  done: number;
}

export interface TokenCounts {
  in?: number;
  out?: number;
  reasoning?: number;
  cached?: number;
  /** server: reported; none: the engine has no tokens. */
  source: "server" | "none";
}
