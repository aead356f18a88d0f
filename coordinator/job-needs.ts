/** What a job asks of the nodes it runs on, as far as the scheduler goes by it. */
import { lanesOf } from "../shared/benchmark/placement.js";
import type { JobSpec } from "../shared/benchmark/plan.js";

/** A load, or a job with a target for a time, needs times that can be compared. */
export const isTimed = ({ metrics, load }: JobSpec): boolean =>
  load !== undefined ||
  metrics.some(({ id, target }) => target !== undefined && (id === "latency" || id === "throughput"));

/** Whether all of it runs on one device class: where times are compared, and where it may be a GPU or the CPU. */
export const staysOnClass = (spec: JobSpec): boolean =>
  spec.mixedClasses !== true && (isTimed(spec) || lanesOf(spec).length > 1);

/** Whether the answer to one question may be another the next time; servers sample unless they are told not to, workers only if. */
export function maySample({ model: { engine }, generation: { temperature } }: JobSpec): boolean {
  const isServer = engine !== "ocr" && engine !== "simulated" && engine !== "huggingface";
  return temperature === undefined ? isServer : temperature > 0;
}

/** Whether changing to the job's model costs a load. */
export const modelLoads = ({ model: { engine } }: JobSpec): boolean =>
  engine !== "openai" && engine !== "anthropic" && engine !== "simulated";

export function needsOf(spec: JobSpec) {
  const options = { ...spec.engineOptions, ...spec.model.options };
  const { engine, model } = spec.model;
  const lanes = lanesOf(spec);
  const isOllama = engine === "ollama";
  const managed = isOllama && !lanes.includes("remote");
  const namesServer = "base_url" in options && !managed;
  return { engine, model, lanes, managed, namesServer, fetches: isOllama && options["pull"] === true };
}
