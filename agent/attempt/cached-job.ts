/**
 * Whether the answers of a job may come from the response cache: only where it is sure that the same question would be
 * answered in the same way, by the same model.
 */
import type { JobSpec, ModelSpec } from "../../shared/benchmark/plan.js";
import type { InferenceRequest, PreparedModel } from "../engines/engine.js";

/** Why not, as the flag of the records ends; undefined where they may. `ignored`: settings that the engine ignores. */
export function whyNotCached(
  job: JobSpec,
  prepared: PreparedModel,
  ignored: readonly string[],
): string | undefined {
  const { temperature, seed } = job.generation;
  const isFixed =
    (temperature === 0 && !ignored.includes("temperature")) ||
    (seed !== undefined && !ignored.includes("seed"));
  if (!isFixed && prepared.drawsNothing !== true) return "not_deterministic";
  return sureModel(job.model, prepared.identity) === undefined ? "model_unknown" : undefined;
}

/**
 * What names the model's weights: the digest that its engine knows, else a revision. For servers that are not ours that is
 * the word of whoever wrote the suite; a branch of a repository is none.
 */
export function sureModel(model: ModelSpec, identity: PreparedModel["identity"]): string | undefined {
  if (identity.digest !== undefined) return identity.digest;
  const { engine, revision } = model;
  if (revision === undefined) return undefined;
  const isRemote = engine === "openai" || engine === "anthropic";
  return isRemote || /^[0-9a-f]{40}$/.test(revision) ? `revision ${revision}` : undefined;
}

/** Everything that an engine is asked with stands in the cache key; what is added to a request must be added there. */
export const IN_CACHE_KEY: Record<keyof InferenceRequest, string> = {
  system: "messages",
  user: "messages",
  images: "media",
  generation: "generation, seed",
  options: "engine.options",
  ordinal: "simulated",
  repetition: "repetition",
  target: "simulated",
};
