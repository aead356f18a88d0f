/**
 * Refuses a model that cannot fit on the GPUs that were leased for it, before minutes are spent on loading it. Whatever is
 * not known is let through: the server itself says when something does not fit.
 */
import { errorText } from "../../../shared/runtime/errors.js";
import type { Logger } from "../../../shared/runtime/logger.js";
import { EngineError, type EnginePlace } from "../engine.js";
import { readGguf } from "../memory/gguf-file.js";
import type { GpuMemory } from "../memory/gpu-memory.js";
import { type GgufFacts, ggufNeed, gib } from "../memory/need.js";
import { installedModel } from "./manifests.js";
import type { ManagedOptions } from "./options.js";

export class Admission {
  /** By file, whose name is the hash of what is in it. */
  private readonly facts = new Map<string, GgufFacts | undefined>();

  constructor(
    private readonly gpus: GpuMemory,
    private readonly modelsDir: string,
    private readonly log: Logger,
  ) {}

  /** Throws EngineError `oom` `too_large`. */
  async check(model: string, told: ManagedOptions, place: EnginePlace, signal: AbortSignal): Promise<void> {
    const has = this.roomOf(place);
    const needs = has === undefined ? undefined : await this.needOf(model, told, place, signal);
    if (has === undefined || needs === undefined || needs.bytes <= has) return;
    const what = `needs about ${gib(needs.bytes)} (${needs.parts}), and ${placeText(place)} ${gib(has)}`;
    const hint = "use a smaller model or context, fewer parallel requests, or a larger device";
    throw new EngineError("oom", "too_large", `Ollama of this agent, model ${model}: it ${what}; ${hint}`);
  }

  /** What the server says that it took, once all of it is in GPU memory. */
  async took(digest: string, told: ManagedOptions, place: EnginePlace, bytes: number): Promise<void> {
    await this.gpus.peaks.note(keyOf(digest, told, place), bytes);
  }

  private roomOf({ gpus, memoryBytes }: EnginePlace): number | undefined {
    if (memoryBytes !== undefined) return memoryBytes;
    const each = gpus.map((uuid) => this.gpus.memoryBytes(uuid));
    return each.reduce<number | undefined>(
      (sum, one) => (sum === undefined || one === undefined ? undefined : sum + one),
      0,
    );
  }

  private async needOf(
    model: string,
    told: ManagedOptions,
    place: EnginePlace,
    signal: AbortSignal,
  ): Promise<{ bytes: number; parts: string } | undefined> {
    try {
      const found = await installedModel(this.modelsDir, model);
      const peak = await this.gpus.peaks.of(keyOf(found.digest, told, place));
      if (peak !== undefined) return { bytes: peak, parts: "as it took before" };
      const facts = this.facts.get(found.file) ?? (await readGguf(found.file, signal));
      this.facts.set(found.file, facts);
      if (facts === undefined) return undefined;
      const { weightsBytes } = found;
      const contextTokens = told.isContextSaid
        ? told.contextTokens
        : (found.contextTokens ?? told.contextTokens);
      const need = ggufNeed(facts, { ...told, weightsBytes, contextTokens });
      if (need === undefined) return undefined;
      const parts = `${gib(need.weightsBytes)} of weights, ${gib(need.cacheBytes)} of context`;
      return { bytes: need.bytes, parts };
    } catch (error) {
      signal.throwIfAborted();
      this.log.debug({ model, reason: errorText(error) }, "what a model needs is not known");
      return undefined;
    }
  }
}

const placeText = ({ gpus, memoryBytes }: EnginePlace): string =>
  memoryBytes !== undefined
    ? "its share of the GPU has"
    : gpus.length > 1
      ? `the ${gpus.length} GPUs have`
      : "the GPU has";

/** Everything that decides how much it takes: over several GPUs it has buffers on each. */
const keyOf = (
  digest: string,
  { contextTokens, parallel, kvCacheType = "f16", flashAttention }: ManagedOptions,
  { gpus }: EnginePlace,
): string =>
  `ollama ${digest} ctx=${contextTokens} parallel=${parallel} kv=${kvCacheType} flash=${flashAttention ?? "auto"} gpus=${gpus.length}`;
