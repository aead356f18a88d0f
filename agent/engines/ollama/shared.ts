/** A model on an Ollama server that somebody else runs, at `base_url`: it is asked, and left as it was found. */
import type { ModelResponse } from "ollama";
import { PLACE_OPTIONS } from "../../../shared/benchmark/placement.js";
import type { ModelSpec } from "../../../shared/benchmark/plan.js";
import { baseUrlOf } from "../base-url.js";
import { EngineError, type EngineOptions, type PreparedModel } from "../engine.js";
import { notApplied } from "../not-applied.js";
import type { Pulls } from "./pulls.js";
import { partialOffload } from "./requests.js";
import { findModel, OllamaServer, type ServerAccess } from "./server.js";

/** Settings and options that any Ollama applies. */
export const SUPPORTED = [
  ...["temperature", "max_tokens", "top_p", "top_k", "seed", "num_ctx", "repeat_penalty", "stop"],
  ...["num_gpu", "num_thread", "keep_alive", "think", "pull"],
  ...PLACE_OPTIONS,
];

export class SharedOllama {
  /** Who uses each server's model here; with the last one it is unloaded, unless it had been loaded before the first. */
  private readonly users = new Map<string, { count: number; wasLoaded: boolean }>();

  constructor(
    private readonly baseUrl: string,
    private readonly access: ServerAccess,
    private readonly pulls: Pulls,
  ) {}

  async prepare(model: ModelSpec, options: EngineOptions, signal: AbortSignal): Promise<PreparedModel> {
    const { url } = baseUrlOf(options, this.baseUrl);
    const name = model.model;
    const server = new OllamaServer(url, `Ollama at ${url}, model ${name}`, this.access);
    const version = await server.version(signal);
    if (options["pull"] === true) await this.pulls.ifMissing(server, name, signal);
    const found = await findModel(server, name, `run \`ollama pull ${name}\` there`, signal);
    const wasLoaded = (await server.running(name, signal)) !== undefined;
    const startNs = this.access.clock.nowNs();
    await server.load(name, options, signal);
    const loadNs = wasLoaded ? 0 : this.access.clock.nowNs() - startNs;
    const loaded = await server.running(name, signal);
    const partial = partialOffload(loaded);
    if (partial !== undefined && Number(options["num_gpu"] ?? 0) > 0) {
      const hint = "free GPU memory, use a smaller model or context, or leave num_gpu out";
      throw new EngineError(
        "engine",
        "partial_offload",
        `${server.where}: ${partial}, though num_gpu asks for a GPU; ${hint}`,
      );
    }
    // All of it in main memory is a machine without a GPU; only a model in two places is slower than it looks.
    const split = partial !== undefined && loaded !== undefined && loaded.size_vram > 0;
    const user = `${url} ${name}`;
    const { count, wasLoaded: before } = this.users.get(user) ?? { count: 0, wasLoaded };
    this.users.set(user, { count: count + 1, wasLoaded: before });
    const args = ["num_gpu", "num_thread", "keep_alive"].flatMap((key) =>
      options[key] === undefined ? [] : [`${key}=${options[key]}`],
    );
    let unloaded = false;
    return {
      identity: { version, ...identityOf(found), args: [`base_url=${url}`, ...args] },
      loadNs,
      flags: split ? ["partial_offload"] : [],
      notApplied: (generation, given) => notApplied(generation, given, [...SUPPORTED, "base_url"]),
      run: (request, requestSignal) =>
        server.chat(name, { ...request.options, ...model.options }, request, requestSignal),
      unload: async () => {
        if (unloaded) return;
        unloaded = true;
        const use = this.users.get(user);
        if (use === undefined) return;
        use.count -= 1;
        if (use.count > 0) return;
        this.users.delete(user);
        if (!use.wasLoaded) await server.unload(name);
      },
    };
  }
}

export function identityOf(found: ModelResponse): { digest: string; quant?: string } {
  const quant = found.details?.quantization_level;
  return { digest: found.digest, ...(quant ? { quant } : {}) };
}
