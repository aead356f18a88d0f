/** One metric of two cells over their pairs: both values, the difference, its interval and test, and the gate's verdict. */
import { comparePairs, type Pair } from "../aggregate-pairs.js";
import { chooseReading } from "../metrics/applicable.js";
import { definitionOf } from "../metrics/definition.js";
import { detectionDifference, detectionEstimate } from "../metrics/detection.js";
import { estimate } from "../metrics/estimate.js";
import type { Reading } from "../metrics/reading.js";
import type { MetricDefinition } from "../metrics/registry.js";
import type { Sample } from "../metrics/sample.js";
import { metricValue } from "../metrics/value.js";
import type { JobSpec, MetricSpec } from "../plan.js";
import { gateVerdict } from "../statistics/gate.js";
import { seedOf } from "../statistics/seed.js";
import type { ComparedMetric } from "./comparison.js";
import { type CompareRules, gateOf } from "./rules.js";

/** Two cells with their pairs: `a` of a pair is the candidate's sample, `b` the base's. */
export interface PairedCells {
  base: JobSpec;
  candidate: JobSpec;
  pairs: readonly Pair[];
}

type Found = Partial<
  Pick<
    ComparedMetric,
    | "base"
    | "candidate"
    | "difference"
    | "interval"
    | "n"
    | "baseBetter"
    | "candidateBetter"
    | "p"
    | "method"
    | "reason"
  >
>;

export function compareMetric(spec: MetricSpec, cells: PairedCells, rules: CompareRules): ComparedMetric {
  const definition = definitionOf(spec);
  const found = definition
    ? find(spec, definition, cells, rules.alpha)
    : { reason: "there is no such metric" };
  const { unit = "", higherIsBetter = true } = definition ?? {};
  const gate = definition && gateOf(spec.id, definition, rules);
  const metric: ComparedMetric = {
    ...{ id: spec.id, unit, higherIsBetter, interval: undefined, n: 0, baseBetter: 0, candidateBetter: 0 },
    ...{ method: "", reason: "", ...found, judged: gate !== undefined, maxDrop: gate?.maxDrop ?? 0 },
    verdict: "",
  };
  if (gate === undefined) return metric;
  const verdict =
    gate.maxDrop === undefined
      ? "inconclusive"
      : gateVerdict(metric.interval, gate.maxDrop, metric.higherIsBetter);
  return {
    ...metric,
    verdict,
    reason: metric.reason || (verdict === "pass" ? "" : why(metric, gate, verdict)),
  };
}

function why(metric: ComparedMetric, gate: { maxDrop: number | undefined }, verdict: string): string {
  if (gate.maxDrop === undefined) return `nobody said how much it may lose: --fail-on ${metric.id}=…`;
  if (verdict === "fail") return "it lost more than it may";
  if (metric.interval === undefined) return "there is no interval to judge by";
  return "the interval holds losses that may be and losses that may not";
}

function find(spec: MetricSpec, definition: MetricDefinition, cells: PairedCells, alpha: number): Found {
  const { base, candidate, pairs } = cells;
  const samples = { base: pairs.map(({ b }) => b), candidate: pairs.map(({ a }) => a) };
  if (pairs.length === 0) return { reason: "no sample of one is a sample of the other" };
  const seed = seedOf(["compare", base.prompt.id, base.dataset.id, spec.id, base.model.id].join("|"));
  const { what, unit, higherIsBetter } = definition;
  switch (what.kind) {
    case "throughput":
    case "cost":
      return { ...valuesOf(spec, cells, samples), n: pairs.length };
    case "detection": {
      const both = detectionDifference(samples.candidate, samples.base, seed, alpha);
      const [b, c] = [detectionEstimate(samples.base), detectionEstimate(samples.candidate)];
      if ("reason" in b) return { reason: `base: ${b.reason}` };
      if ("reason" in c) return { reason: `candidate: ${c.reason}` };
      if (both === undefined) return { reason: "no item has true boxes in both" };
      const { bounds, n, difference } = both;
      const interval = bounds && { ...bounds, method: "cluster-bootstrap" };
      return { base: b.value, candidate: c.value, difference, interval, n };
    }
    case "rate":
    case "time":
      return paired(what.reading);
    case "quality": {
      const [ofBase, ofCandidate] = [
        chooseReading(what.readings, base.prompt, samples.base),
        chooseReading(what.readings, candidate.prompt, samples.candidate),
      ];
      if ("reason" in ofBase) return { reason: `base: ${ofBase.reason}` };
      if ("reason" in ofCandidate) return { reason: `candidate: ${ofCandidate.reason}` };
      if (ofBase.reading !== ofCandidate.reading)
        return { reason: "it is read otherwise in the other campaign" };
      return paired(ofBase.reading);
    }
  }

  function paired(reading: Reading): Found {
    const bounded = unit === "ratio";
    const result = comparePairs(pairs, reading, higherIsBetter, { seed, alpha, bounded });
    if (result === undefined) return { reason: reading.noRows };
    const [b, c] = [estimate(samples.base, reading), estimate(samples.candidate, reading)];
    const { difference, interval, n, aOnly, bOnly, p, method } = result;
    const values = { base: b?.value, candidate: c?.value, difference, interval, n };
    return { ...values, candidateBetter: aOnly, baseBetter: bOnly, p, method };
  }
}

/** What each side reached over the pairs as a whole, with its own prices: sums, which have no interval. */
function valuesOf(
  spec: MetricSpec,
  { base, candidate }: PairedCells,
  samples: { base: readonly Sample[]; candidate: readonly Sample[] },
): Found {
  const of = (job: JobSpec, own: readonly Sample[]) =>
    metricValue(spec, { job, samples: own, scope: "compare" });
  const [ofBase, ofCandidate] = [of(base, samples.base), of(candidate, samples.candidate)];
  if (ofBase.value === undefined) return { reason: `base: ${ofBase.reason}` };
  if (ofCandidate.value === undefined) return { reason: `candidate: ${ofCandidate.reason}` };
  const difference = ofCandidate.value - ofBase.value;
  return { base: ofBase.value, candidate: ofCandidate.value, difference };
}
