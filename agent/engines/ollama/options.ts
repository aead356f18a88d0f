/** What a suite may say of a server that the agent starts for a model, and what that is in the server's environment. */
import type { Json } from "../../../shared/benchmark/json.js";
import { EngineError, type EngineOptions, type EnginePlace } from "../engine.js";

export interface ManagedOptions {
  /** Answers it makes at once. */
  parallel: number;
  contextTokens: number;
  /** By the suite; otherwise a model's own setting goes before it. */
  isContextSaid: boolean;
  loadTimeoutMs: number;
  flashAttention: boolean | undefined;
  kvCacheType: string | undefined;
}

/** Options that only a server of the agent's own applies. */
export const MANAGED_OPTIONS = ["num_parallel", "load_timeout", "flash_attention", "kv_cache_type"];

const CONTEXT_TOKENS = 4_096;
const LOAD_TIMEOUT_S = 900;
const CACHE_TYPES = ["f16", "q8_0", "q4_0"];

/** Whether a job wants a server of the agent's own: it says on what device (as in shared/benchmark/placement.ts). */
export const isManaged = ({ device }: EngineOptions): boolean =>
  typeof device === "string" && /^(cpu|gpu|cuda(:\d+)?)$/.test(device);

/** Throws EngineError `bad_option`, or `no_gpu` when a GPU is asked for and none was leased. */
export function managedOptions(options: EngineOptions, { gpus }: EnginePlace): ManagedOptions {
  const { device } = options;
  if (gpus.length === 0 && device !== "cpu") {
    const what = `engine_config.device is ${JSON.stringify(device)}, but no GPU was leased for this model`;
    throw new EngineError("engine", "no_gpu", `${what}; see \`sai gpu list\` for what this node has`);
  }
  const contextTokens = whole(options, "num_ctx", 1, 100_000_000);
  return {
    parallel: whole(options, "num_parallel", 1, 256) ?? 1,
    contextTokens: contextTokens ?? CONTEXT_TOKENS,
    isContextSaid: contextTokens !== undefined,
    loadTimeoutMs: (whole(options, "load_timeout", 1, 86_400) ?? LOAD_TIMEOUT_S) * 1000,
    flashAttention: flag(options, "flash_attention"),
    kvCacheType: oneOf(options, "kv_cache_type", CACHE_TYPES),
  };
}

/** Every setting that changes what is measured is set or taken away: nothing comes in from the agent's environment. */
export function serverEnvironment(
  { parallel, contextTokens, loadTimeoutMs, flashAttention, kvCacheType }: ManagedOptions,
  { gpus }: EnginePlace,
  modelsDir: string | undefined,
  port: number,
): { [name: string]: string | undefined } {
  return {
    OLLAMA_HOST: `127.0.0.1:${port}`,
    ...(modelsDir && { OLLAMA_MODELS: modelsDir }),
    OLLAMA_NUM_PARALLEL: String(parallel),
    OLLAMA_MAX_LOADED_MODELS: "1",
    OLLAMA_KEEP_ALIVE: "-1",
    // Of a model that names none itself; the default depends on the GPU's memory.
    OLLAMA_CONTEXT_LENGTH: String(contextTokens),
    // Else a start removes what it takes for left over in the folder that others use, too.
    OLLAMA_NOPRUNE: "1",
    // Vulkan sees GPUs whatever CUDA_VISIBLE_DEVICES says.
    OLLAMA_VULKAN: "0",
    OLLAMA_LOAD_TIMEOUT: `${Math.ceil(loadTimeoutMs / 1000)}s`,
    OLLAMA_SCHED_SPREAD: gpus.length > 1 ? "1" : undefined,
    OLLAMA_FLASH_ATTENTION: flashAttention === undefined ? undefined : String(Number(flashAttention)),
    OLLAMA_KV_CACHE_TYPE: kvCacheType,
    OLLAMA_GPU_OVERHEAD: undefined,
    OLLAMA_LLM_LIBRARY: undefined,
    OLLAMA_NEW_ENGINE: undefined,
    OLLAMA_DEBUG: undefined,
    OLLAMA_MAX_QUEUE: undefined,
    OLLAMA_MULTIUSER_CACHE: undefined,
    // With it a model that does not fit is put into main memory, and nothing says so.
    GGML_CUDA_ENABLE_UNIFIED_MEMORY: undefined,
  };
}

/** For the record: what the server was told. */
export const managedArgs = (
  { parallel, contextTokens, flashAttention, kvCacheType }: ManagedOptions,
  { gpus }: EnginePlace,
): string[] => [
  `device=${gpus.length > 0 ? "gpu" : "cpu"}`,
  ...[`num_ctx=${contextTokens}`, `num_parallel=${parallel}`],
  ...(flashAttention === undefined ? [] : [`flash_attention=${flashAttention}`]),
  ...(kvCacheType === undefined ? [] : [`kv_cache_type=${kvCacheType}`]),
];

function whole(options: EngineOptions, key: string, min: number, max: number): number | undefined {
  const value = options[key] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  throw bad(key, value, `a whole number from ${min} to ${max}`);
}

function flag(options: EngineOptions, key: string): boolean | undefined {
  const value = options[key] ?? undefined;
  if (value === undefined || typeof value === "boolean") return value;
  throw bad(key, value, "true or false");
}

function oneOf(options: EngineOptions, key: string, known: readonly string[]): string | undefined {
  const value = options[key] ?? undefined;
  if (value === undefined || (typeof value === "string" && known.includes(value))) return value;
  throw bad(key, value, `one of ${known.join(", ")}`);
}

const bad = (key: string, value: Json, wanted: string): EngineError =>
  new EngineError(
    "engine",
    "bad_option",
    `engine_config.${key} is ${JSON.stringify(value).slice(0, 60)}; it must be ${wanted}`,
  );
