/**
 * What a suite's metric is: a built-in one, one of the suite's own, or either over the repetitions of its items by
 * another rule than their mean.
 */
import { compileMetric, customScore } from "../custom-metric.js";
import { judgeScore } from "../judge.js";
import type { CustomMetric, JudgeSpec, MetricSpec, Reduction } from "../plan.js";
import type { Reading } from "./reading.js";
import { meanOf } from "./readings.js";
import { isMetric, METRICS, type MetricDefinition } from "./registry.js";
import { majority, passAt } from "./repetitions.js";

/** Undefined if there is no such metric. Readings are new ones at each call. */
export function definitionOf(spec: MetricSpec): MetricDefinition | undefined {
  const name = spec.reduce?.of ?? spec.id;
  const base = spec.judge
    ? judgedMetric(spec.id, spec.judge)
    : spec.custom
      ? ownMetric(spec.id, spec.custom)
      : isMetric(name)
        ? METRICS[name]
        : undefined;
  if (base === undefined || spec.reduce === undefined) return base;
  const { reduce } = spec;
  if (base.what.kind !== "quality") return undefined;
  const readings = base.what.readings.flatMap((reading) => reduced(reading, reduce));
  return readings.length === 0 ? undefined : { ...base, what: { kind: "quality", readings } };
}

function ownMetric(id: string, custom: CustomMetric): MetricDefinition {
  const { fields, yesOrNo } = compileMetric(custom);
  const noTruth = "no item has what it needs";
  const reading = meanOf(
    customScore(id),
    fields.map((field) => [field]),
    noTruth,
    yesOrNo,
  );
  return {
    unit: custom.unit ?? (yesOrNo ? "ratio" : ""),
    higherIsBetter: custom.higherIsBetter,
    what: { kind: "quality", readings: [yesOrNo ? { ...reading, passes: true } : reading] },
  };
}

/** The mean of the verdicts; a proportion where they are 0 and 1. */
function judgedMetric(id: string, { choices, higherIsBetter = true }: JudgeSpec): MetricDefinition {
  const yesOrNo =
    choices !== undefined && Object.values(choices).every((value) => value === 0 || value === 1);
  const reading = meanOf(judgeScore(id), [], "no answer has a verdict", yesOrNo);
  return { unit: yesOrNo ? "ratio" : "", higherIsBetter, what: { kind: "quality", readings: [reading] } };
}

/** The confusion matrix is of samples, so it is not the reduced reading's. */
function reduced(reading: Reading, { by, k }: Reduction): Reading[] {
  const { binary: _, ...rest } = reading;
  if (by === "pass")
    return reading.passes && k !== undefined
      ? [{ ...rest, reduce: passAt(k), noRows: `no item has ${k} repetitions` }]
      : [];
  return reading.vote ? [{ ...rest, reduce: majority }] : [];
}
