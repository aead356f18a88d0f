/** One metric of one cell, or of one level of it, as the tables show it. */
import type { JobSpec, MetricSpec } from "../plan.js";
import type { MetricValue, Target } from "../summary.js";
import { chooseReading, whyNot } from "./applicable.js";
import { confusion } from "./binary.js";
import { definitionOf } from "./definition.js";
import { DETECTION_NEEDS, detectionEstimate } from "./detection.js";
import { estimate } from "./estimate.js";
import type { Reading } from "./reading.js";
import type { MetricDefinition } from "./registry.js";
import { cost, type RunValue, throughput } from "./run.js";
import type { Sample } from "./sample.js";
import { meets, parseTarget } from "./target.js";

/** Samples of a cell or level without the cancelled ones; `scope` names them for the seeds. */
export interface Measured {
  job: JobSpec;
  samples: readonly Sample[];
  scope: string;
}

export function metricValue(spec: MetricSpec, measured: Measured): MetricValue {
  const metric = definitionOf(spec);
  if (metric === undefined) return notAvailable(spec, `there is no metric ${spec.id}`, undefined);
  const { what } = metric;
  switch (what.kind) {
    case "detection":
      return detected(spec, metric, measured);
    case "throughput":
      return ofRun(spec, metric, throughput(measured.samples));
    case "cost":
      return ofRun(spec, metric, cost(measured.samples, measured.job.model.price));
    case "rate":
    case "time":
      return read(spec, metric, what.reading, measured);
    case "quality": {
      const choice = chooseReading(what.readings, measured.job.prompt, measured.samples);
      if ("reason" in choice) return notAvailable(spec, choice.reason, metric);
      return withAnsweredOnly(read(spec, metric, choice.reading, measured), choice.reading, measured.samples);
    }
  }
}

function read(spec: MetricSpec, metric: MetricDefinition, reading: Reading, measured: Measured): MetricValue {
  const { samples } = measured;
  const counts = reading.binary ? confusion(samples) : undefined;
  const found = estimate(samples, reading, nameOf(spec, measured));
  if (found === undefined) {
    const isCached = metric.what.kind === "time" && samples.some(({ cached }) => cached);
    const reason = samples.length === 0 ? "nothing was run" : isCached ? ALL_CACHED : reading.noRows;
    return { ...notAvailable(spec, reason, metric), confusion: counts };
  }
  return { ...present(spec, metric, found.value, found.n), interval: found.interval, confusion: counts };
}

/** Of what is measured while a model is asked. */
const ALL_CACHED = "all answers came from the cache";

function detected(spec: MetricSpec, metric: MetricDefinition, measured: Measured): MetricValue {
  const { job, samples } = measured;
  const why = whyNot(DETECTION_NEEDS, job.prompt, samples);
  const found = why === undefined ? detectionEstimate(samples, nameOf(spec, measured)) : { reason: why };
  if ("reason" in found) return notAvailable(spec, found.reason, metric);
  const value = { ...present(spec, metric, found.value, found.n), interval: found.interval };
  if (!samples.some((sample) => sample.failed)) return value;
  const answered = detectionEstimate(samples.filter((sample) => sample.answered));
  return {
    ...value,
    answeredOnly:
      "reason" in answered ? { value: undefined, n: 0 } : { value: answered.value, n: answered.n },
  };
}

/** Seeds the draws. */
const nameOf = (spec: MetricSpec, { job, scope }: Measured): string =>
  `${job.prompt.id}|${job.dataset.id}|${scope}|${spec.id}`;

/** Beside the value that counts failures as wrong, the value without them; only where there are failures. */
function withAnsweredOnly(value: MetricValue, reading: Reading, samples: readonly Sample[]): MetricValue {
  if (!samples.some((sample) => sample.failed)) return value;
  const answered = estimate(
    samples.filter((sample) => sample.answered),
    reading,
  );
  return { ...value, answeredOnly: { value: answered?.value, n: answered?.n ?? 0 } };
}

function ofRun(spec: MetricSpec, metric: MetricDefinition, run: RunValue): MetricValue {
  return "reason" in run ? notAvailable(spec, run.reason, metric) : present(spec, metric, run.value, run.n);
}

function present(spec: MetricSpec, metric: MetricDefinition, value: number, n: number): MetricValue {
  return {
    id: spec.id,
    value,
    reason: "",
    unit: metric.unit,
    n,
    interval: undefined,
    answeredOnly: undefined,
    target: targetOf(spec, value),
    confusion: undefined,
    higherIsBetter: metric.higherIsBetter,
  };
}

function notAvailable(spec: MetricSpec, reason: string, metric: MetricDefinition | undefined): MetricValue {
  return {
    id: spec.id,
    value: undefined,
    reason,
    unit: metric?.unit ?? "",
    n: 0,
    interval: undefined,
    answeredOnly: undefined,
    target: targetOf(spec, undefined),
    confusion: undefined,
    higherIsBetter: metric?.higherIsBetter ?? true,
  };
}

function targetOf(spec: MetricSpec, value: number | undefined): Target | undefined {
  if (spec.target === undefined) return undefined;
  return { expression: spec.target, met: meets(value, parseTarget(spec.target)) };
}
