/** Which settings an engine leaves unused, so that records can say so instead of looking as if they had worked. */
import type { GenerationSettings } from "../../shared/benchmark/plan.js";
import type { EngineOptions } from "./engine.js";

/** Settings the sample runner applies for every engine. */
const RUNNER = new Set([
  "timeoutS",
  "maxRetries",
  "retryDelayS",
  "maxImageSize",
  "maxConcurrentRequests",
  "requestDelayS",
]);

/** Keys that are set and not among `supported`, sorted; generation settings and options share the names of engine_config. */
export function notApplied(
  generation: GenerationSettings,
  options: EngineOptions,
  supported: readonly string[],
): string[] {
  const set = Object.entries({ ...generation, ...options })
    .filter(([key, value]) => value !== undefined && value !== null && !RUNNER.has(key))
    .map(([key]) => key);
  return set.filter((key) => !supported.includes(key)).sort();
}
