import { MOST_GPUS } from "../../domain/gpu-lanes.js";
import type { GenerationSettings } from "../plan.js";
import type { Fields, JsonObject, NumberRange } from "./fields.js";

const NUMBERS: { key: string; as: NumericSetting; range: NumberRange }[] = [
  { key: "temperature", as: "temperature", range: { min: 0, max: 5 } },
  { key: "max_tokens", as: "max_tokens", range: { min: 1, max: 1_000_000, integer: true } },
  { key: "top_p", as: "top_p", range: { min: 0, max: 1, above: true } },
  { key: "top_k", as: "top_k", range: { min: 0, max: 1_000_000, integer: true } },
  { key: "seed", as: "seed", range: { min: 0, max: 2 ** 31 - 1, integer: true } },
  { key: "num_ctx", as: "num_ctx", range: { min: 1, max: 16_777_216, integer: true } },
  { key: "repeat_penalty", as: "repeat_penalty", range: { min: 0, max: 10, above: true } },
  { key: "max_retries", as: "maxRetries", range: { min: 0, max: 100, integer: true } },
  { key: "retry_delay", as: "retryDelayS", range: { min: 0, max: 3_600 } },
  { key: "max_image_size", as: "maxImageSize", range: { min: 16, max: 20_000, integer: true } },
  {
    key: "max_concurrent_requests",
    as: "maxConcurrentRequests",
    range: { min: 1, max: 1_024, integer: true },
  },
  { key: "request_delay", as: "requestDelayS", range: { min: 0, max: 3_600 } },
];
type NumericSetting = Exclude<keyof GenerationSettings, "stop" | "timeoutS">;

const SECONDS: NumberRange = { min: 0, max: 86_400, above: true };

/**
 * `engine_config`, split: what shapes a request becomes generation settings, what configures the engine itself becomes
 * engine options, which go to the engine under their own names.
 */
export function readEngineConfig(root: Fields): {
  generation: GenerationSettings;
  engineOptions: JsonObject;
} {
  const { generation = {}, engineOptions = {} } = readConfig(root, "engine_config") ?? {};
  return { generation: { timeoutS: 120, maxRetries: 3, retryDelayS: 1, ...generation }, engineOptions };
}

/** The same of one model's `config`: only what it says. */
export function readConfig(
  root: Fields,
  key: string,
): { generation: Partial<GenerationSettings>; engineOptions: JsonObject } | undefined {
  const generation: Partial<GenerationSettings> = {};
  const config = root.object(key);
  if (!config) return undefined;
  for (const { key, as, range } of NUMBERS) {
    const value = config.number(key, range);
    if (value !== undefined) generation[as] = value;
  }
  const stop = config.texts("stop");
  if (stop) generation.stop = stop;
  const timeouts = ["timeout", "timeout_seconds"].flatMap((key) => config.number(key, SECONDS) ?? []);
  if (new Set(timeouts).size > 1) {
    config.findings.error(
      config.path("timeout_seconds"),
      "timeout and timeout_seconds differ",
      "give one of them",
    );
  }
  if (timeouts[0] !== undefined) generation.timeoutS = timeouts[0];
  const engineOptions = readOptions(config);
  config.close();
  return { generation, engineOptions };
}

function readOptions(config: Fields): JsonObject {
  const options: JsonObject = {};
  const set = (key: string, value: string | number | boolean | undefined) => {
    if (value !== undefined) options[key] = value;
  };
  set("base_url", readUrl(config));
  set("num_gpu", config.number("num_gpu", { min: -1, max: 1_024, integer: true }));
  set("num_thread", config.number("num_thread", { min: 1, max: 1_024, integer: true }));
  for (const key of ["device", "mig", "torch_dtype", "cache_dir"]) set(key, config.text(key, 1_000));
  set("gpus", config.number("gpus", { min: 1, max: MOST_GPUS, integer: true }));
  for (const key of ["trust_remote_code", "load_in_8bit", "load_in_4bit"]) set(key, config.boolean(key));
  for (const key of ["device_map", "max_memory", "gpu_memory"]) {
    const value = config.raw(key);
    if (Array.isArray(value) || typeof value === "boolean") {
      config.findings.error(config.path(key), "expected a text, a number or an object");
    } else if (value !== undefined) options[key] = value;
  }
  return options;
}

function readUrl(config: Fields): string | undefined {
  const text = config.text("base_url", 1_000);
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && ["http:", "https:"].includes(url.protocol) && url.username === "" && url.password === "")
    return text;
  const hint = "an http:// or https:// address without a user name";
  config.findings.error(config.path("base_url"), "that is no address of a server", hint);
  return undefined;
}
