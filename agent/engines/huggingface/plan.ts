/** From the operator's configuration, a suite's options and the leased place to the worker that is started. */
import { join } from "node:path";
import { canonicalJson, type Json } from "../../../shared/benchmark/json.js";
import type { ModelSpec } from "../../../shared/benchmark/plan.js";
import { EngineError, type EngineOptions, type EnginePlace } from "../engine.js";
import { placeEnvironment } from "../server/place-environment.js";
import { WORKER_DIR } from "./environment.js";
import type { LoadRequest } from "./messages.js";
import type { WorkerPlan } from "./worker.js";

/** What the operator says. */
export interface WorkerConfig {
  /** The interpreter. */
  python: string;
  /** auto: where the scheduler puts it; cpu or cuda: refuses to run elsewhere. */
  device: string;
  torchDtype: string;
  /** A hub cache, or the folder above one (HF_HOME); undefined: the hub client's own. */
  cacheDir: string | undefined;
  /** Share of each GPU's memory, 0 to 1. */
  maxMemoryPerGpu: number;
  /** The hub's token; only a worker that may download gets it. */
  token: string | undefined;
  allowDownload: boolean;
  allowRemoteCode: boolean;
  /** Whether weights may come as pickle. */
  allowPickle: boolean;
  loadTimeoutMs: number;
}

/** What decides whether two jobs can use one worker. */
export const loadKey = (model: ModelSpec, options: EngineOptions, place: EnginePlace): string => {
  const { torch_dtype, device_map, trust_remote_code, num_thread, load_timeout } = options;
  const loading = { torch_dtype, device_map, trust_remote_code, num_thread, load_timeout };
  return canonicalJson({
    ...{ model: model.model, revision: model.revision ?? null },
    loading: Object.fromEntries(Object.entries(loading).filter(([, value]) => value !== undefined)) as Json,
    place: { ...place, gpus: [...place.gpus] },
  });
};

/** Throws EngineError for what a suite may not ask of this agent. */
export function workerPlan(
  config: WorkerConfig,
  model: ModelSpec,
  options: EngineOptions,
  place: EnginePlace,
  knownDigest: LoadRequest["known_digest"] | undefined,
): WorkerPlan {
  checkDevice(config, options, place);
  const wanted = options["trust_remote_code"] === true;
  if (wanted && !config.allowRemoteCode) {
    const hint =
      "set engines.huggingface.allow_remote_code on nodes that may run it, or leave trust_remote_code out";
    throw refused(
      `${model.model}: the suite asks for code that comes with the model, and this node allows none; ${hint}`,
    );
  }
  const number = (key: string) => (typeof options[key] === "number" ? options[key] : undefined);
  const text = (key: string) => (typeof options[key] === "string" ? options[key] : undefined);
  const { revision } = model;
  const threads = number("num_thread");
  const deviceMap = text("device_map");
  const load: LoadRequest = {
    ...{ op: "load", model: model.model, dtype: text("torch_dtype") ?? config.torchDtype },
    ...{ gpus: place.gpus.length, memory_share: config.maxMemoryPerGpu },
    ...{ allow_download: config.allowDownload, allow_pickle: config.allowPickle, trust_remote_code: wanted },
    ...(revision !== undefined && { revision }),
    ...(deviceMap !== undefined && { device_map: deviceMap }),
    ...(place.memoryBytes !== undefined && { memory_bytes: place.memoryBytes }),
    ...(config.cacheDir !== undefined && { cache_dir: config.cacheDir }),
    ...(threads !== undefined && { threads }),
    ...(knownDigest !== undefined && { known_digest: knownDigest }),
  };
  const timeoutS = number("load_timeout");
  return {
    program: {
      name: `Hugging Face worker for ${model.model}`,
      path: config.python,
      args: ["-I", "-B", "-u", join(WORKER_DIR, "main.py")],
      env: environmentOf(config, place),
    },
    load,
    loadTimeoutMs: timeoutS === undefined ? config.loadTimeoutMs : timeoutS * 1000,
    secrets: config.token === undefined ? [] : [config.token],
  };
}

function environmentOf(config: WorkerConfig, place: EnginePlace): { [name: string]: string | undefined } {
  const offline = config.allowDownload ? undefined : "1";
  return {
    ...{ HF_HUB_OFFLINE: offline, TRANSFORMERS_OFFLINE: offline },
    ...(config.cacheDir !== undefined && { HF_HOME: config.cacheDir }),
    ...(config.allowDownload && config.token !== undefined && { HF_TOKEN: config.token }),
    ...{ HF_HUB_DISABLE_TELEMETRY: "1", DO_NOT_TRACK: "1", HF_HUB_DISABLE_PROGRESS_BARS: "1" },
    ...{ TOKENIZERS_PARALLELISM: "false", TRANSFORMERS_VERBOSITY: "error" },
    ...placeEnvironment(place),
  };
}

/** The place decides; who names a device that is not there is told so instead of getting another. */
function checkDevice(config: WorkerConfig, options: EngineOptions, place: EnginePlace): void {
  const isGpu = place.gpus.length > 0;
  const { device } = options;
  const asked = typeof device === "string" && device !== "auto" ? device : config.device;
  if (asked === "auto" || (asked === "cpu") === !isGpu) return;
  const by = asked === device ? "the suite" : "engines.huggingface.device";
  const got = isGpu ? "GPUs" : "the CPU";
  throw refused(
    `${by} asks for the device ${asked}, and this attempt was given ${got}; set device in the suite`,
  );
}

const refused = (message: string) => new EngineError("engine", "bad_option", message);
