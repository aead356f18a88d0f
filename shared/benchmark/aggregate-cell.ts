/** One cell of the summary: everything about one job's samples. */

import { gpuUseOf } from "./aggregate-gpus.js";
import { definitionOf } from "./metrics/definition.js";
import type { Sample } from "./metrics/sample.js";
import { distribution } from "./metrics/times.js";
import type { Measured } from "./metrics/value.js";
import { metricValue } from "./metrics/value.js";
import type { JobSpec } from "./plan.js";
import { summarizeScenarios } from "./scenarios.js";
import type { Cell, Counts, Failure, Level } from "./summary.js";

export const NOT_APPLIED = "not_applied:";

/** A job with its samples in ordinal order. */
export interface CellInput {
  job: JobSpec;
  samples: readonly Sample[];
}

/** Ranks are filled in later, from the comparisons, and what is of loads. */
export function summarizeCell({ job, samples }: CellInput): Cell {
  const measured: Measured = { job, samples: measuredOf(samples), scope: "" };
  const times = measured.samples.map((sample) => sample.times).filter((t) => t !== undefined);
  const censored = samples.filter((sample) => sample.status === "timeout").length;
  const flags = countFlags(samples);
  const ttftMs = distribution(
    times.map((t) => t.ttftMs).filter((ms) => ms !== undefined),
    censored,
  );
  const e2eMs = distribution(
    times.map((t) => t.e2eMs),
    censored,
  );
  return {
    job: job.id,
    model: job.model.id,
    prompt: job.prompt.id,
    dataset: job.dataset.id,
    engine: job.model.engine,
    engineVersion: distinct(samples.map((sample) => sample.engineVersion)),
    modelDigest: distinct(samples.map((sample) => sample.modelDigest)),
    simulated: job.model.engine === "simulated",
    counts: countStatuses(samples, job.samples),
    metrics: job.metrics.map((spec) => metricValue(spec, measured)),
    levels: [...summarizeLevels(measured), ...summarizeScenarios(measured)],
    ttftMs,
    tpotMs: distribution(
      times.map((t) => t.tpotMs).filter((ms) => ms !== undefined),
      censored,
    ),
    e2eMs,
    failures: failures(samples),
    ...{ ranks: [], load: undefined },
    notApplied: [...flags.keys()]
      .filter((flag) => flag.startsWith(NOT_APPLIED))
      .map((flag) => flag.slice(NOT_APPLIED.length))
      .sort(),
    cached: samples.filter((sample) => sample.cached).length,
    costAvoidedUsd: sumOf(samples.map((sample) => sample.costAvoidedUsd)),
    flags: Object.fromEntries([...flags].filter(([flag]) => !flag.startsWith(NOT_APPLIED)).sort()),
    gpu: gpuUseOf(samples, (ttftMs ?? e2eMs)?.p50),
    loadMs: distribution(
      samples.map(({ loadMs }) => loadMs).filter((ms) => ms !== undefined),
      0,
    ),
  };
}

/** Of those that are known; undefined where none is. */
function sumOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, value) => sum + value, 0);
}

/** What the records say, sorted; normally one value. */
function distinct(values: readonly string[]): string {
  return [...new Set(values)]
    .filter((value) => value !== "")
    .sort()
    .join(", ");
}

/** Cancelled samples leave every denominator. */
export function measuredOf(samples: readonly Sample[]): Sample[] {
  return samples.filter((sample) => sample.status !== "cancelled");
}

/** Levels in the order in which the items first show them. */
export function levelsOf(samples: readonly Sample[]): string[] {
  return [...new Set(samples.map((sample) => sample.level).filter((level) => level !== undefined))];
}

function summarizeLevels({ job, samples }: Measured): Level[] {
  const specs = job.metrics.filter((spec) => {
    const kind = definitionOf(spec)?.what.kind;
    return kind === "quality" || kind === "detection" || kind === "rate";
  });
  return levelsOf(samples).map((level) => {
    const own = samples.filter((sample) => sample.level === level);
    return {
      level,
      n: new Set(own.map((sample) => sample.item)).size,
      metrics: specs.map((spec) => metricValue(spec, { job, samples: own, scope: level })),
    };
  });
}

function countStatuses(samples: readonly Sample[], planned: number): Counts {
  const of = (status: Sample["status"]): number => samples.filter((s) => s.status === status).length;
  return {
    planned,
    ok: of("ok"),
    parseError: of("parse_error"),
    refused: of("refused"),
    engineError: of("engine_error"),
    timeout: of("timeout"),
    oom: of("oom"),
    poison: of("poison"),
    cancelled: of("cancelled"),
    notRun: Math.max(0, planned - samples.length),
  };
}

/** By status and class, most frequent first; the example is the first one in sample order. */
function failures(samples: readonly Sample[]): Failure[] {
  const found = new Map<string, Failure>();
  for (const { status, error } of samples) {
    if (status === "ok" || status === "cancelled") continue;
    const kind = error?.class ?? status;
    const key = `${status}|${kind}`;
    const failure = found.get(key) ?? { status, class: kind, example: error?.message ?? "", count: 0 };
    failure.count++;
    found.set(key, failure);
  }
  return [...found].sort(([a, x], [b, y]) => y.count - x.count || (a < b ? -1 : 1)).map(([, f]) => f);
}

function countFlags(samples: readonly Sample[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const sample of samples) {
    for (const flag of sample.flags) counts.set(flag, (counts.get(flag) ?? 0) + 1);
  }
  return counts;
}
