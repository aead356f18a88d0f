/** What a job asks of the nodes it runs on, as far as the scheduler goes by it. */
import type { JobSpec } from "../shared/benchmark/plan.js";

/** A job with a target for a time needs times that can be compared. */
export const isTimed = ({ metrics }: JobSpec): boolean =>
  metrics.some(({ id, target }) => target !== undefined && (id === "latency" || id === "throughput"));

/** Whether all of it runs on one device class. */
export const staysOnClass = (spec: JobSpec): boolean => isTimed(spec) && spec.mixedClasses !== true;

/** Whether the answer to one question may be another the next time; servers sample unless they are told not to. */
export function maySample({ model: { engine }, generation: { temperature } }: JobSpec): boolean {
  const isServer = engine === "ollama" || engine === "openai";
  return temperature === undefined ? isServer : temperature > 0;
}

/** Whether changing to the job's model costs a load. */
export const modelLoads = ({ model: { engine } }: JobSpec): boolean =>
  engine === "ollama" || engine === "ocr";

export const needsOf = (spec: JobSpec) => ({
  engine: spec.model.engine,
  model: spec.model.model,
  lanes: lanesOf(spec),
  namesServer: "base_url" in spec.engineOptions || "base_url" in spec.model.options,
});

/** Servers elsewhere take requests, not devices; a simulated job may ask for a declared test device. */
function lanesOf(spec: JobSpec): string[] {
  if (spec.model.engine === "ollama" || spec.model.engine === "openai") return ["remote"];
  return spec.model.options["device"] === "test" ? ["test"] : ["cpu"];
}
