/**
 * From result records to the summary that every table, report and export shows.
 *
 * 1. A record counts once: of records with one `record_id` the one of the earliest attempt holds. The summary depends
 *    on the set of records, never on the order in which they came.
 * 2. Failed samples stay in the denominators as wrong ones; cancelled and missing ones leave them and are counted.
 * 3. Every random number is seeded by the names of what it is for: the same records give the same summary.
 */

import { type CellInput, summarizeCell } from "./aggregate-cell.js";
import { compareModels } from "./aggregate-comparisons.js";
import { recommendModels } from "./aggregate-recommendations.js";
import { cellWarnings, fewItemsWarning } from "./aggregate-warnings.js";
import { count } from "./count.js";
import { withVerdicts } from "./judge.js";
import { legacySummary } from "./legacy.js";
import { loadWarnings, withLoad } from "./load/load-cells.js";
import { loadRequest } from "./load/load-request.js";
import { windowOf } from "./load/load-spec.js";
import { saturations } from "./load/saturation.js";
import { groupBy } from "./metrics/group-by.js";
import { compareWithinGroups } from "./metrics/readings.js";
import { type Sample, sampleOf } from "./metrics/sample.js";
import type { JobSpec, Plan } from "./plan.js";
import type { ResultRecord } from "./record.js";
import { percentile } from "./statistics/percentiles.js";
import type { Cell, Legacy, NodeShare, Summary } from "./summary.js";

/** What a summary says beside the numbers. */
export interface SummaryMeta {
  /** The campaign's state in lower case. */
  state: string;
  /** RFC 3339. */
  createdAt: string;
  /** RFC 3339; empty while it runs. */
  endedAt: string;
  /** Hex. */
  planSha256: string;
  /** Findings of others, shown first. */
  warnings: readonly string[];
}

export interface Aggregate {
  /** Takes a record in; a repeated one changes nothing. */
  add(record: ResultRecord): void;
  /** May be asked at any time, as often as wished. */
  summary(meta: SummaryMeta): Summary;
}

/** Sums up the records of `campaigns` (those of a retry and of what it retries have the same samples). */
export function createAggregate(plan: Plan, campaigns: readonly string[] = [plan.campaign]): Aggregate {
  const known = new Set(campaigns);
  const jobs = new Map(plan.jobs.map((job) => [job.id, collectJob(job, plan.compat)]));
  const strangers = new Set<string>();
  // Intervals of a large campaign take a while; what has not changed is not computed again.
  let computed: Computed | undefined;
  return {
    add(record) {
      const job = known.has(record.campaign) ? jobs.get(record.job) : undefined;
      if (job === undefined || sampleIn(job.job, record) >= job.job.samples) strangers.add(record.record_id);
      else if (job.add(record)) computed = undefined;
    },
    summary(meta) {
      computed ??= compute([...jobs.values()].map((job) => job.input()));
      const unknown = strangers.size;
      return {
        campaignId: plan.campaign,
        name: plan.name,
        description: plan.description,
        state: meta.state,
        createdAt: meta.createdAt,
        endedAt: meta.endedAt,
        suiteSha256: plan.suiteSha256,
        planSha256: meta.planSha256,
        simulated: computed.cells.some((cell) => cell.simulated),
        cells: computed.cells,
        comparisons: computed.comparisons,
        warnings: [
          ...meta.warnings,
          ...computed.warnings,
          ...(unknown > 0 ? [`${count(unknown, "record")} of no sample of the plan`] : []),
        ],
        nodes: computed.nodes,
        legacy: computed.legacy,
        saturations: saturations(computed.cells),
        recommendations: computed.recommendations,
      };
    },
  };
}

type Computed = Pick<Summary, "cells" | "comparisons" | "warnings" | "nodes" | "legacy" | "recommendations">;

/** The sample of the job that a record is of. */
const sampleIn = ({ load }: JobSpec, { ordinal }: ResultRecord): number =>
  load ? windowOf(ordinal) : ordinal;

function compute(collected: readonly CellInput[]): Computed {
  const inputs = withVerdicts(collected);
  const scored = inputs.filter(({ job }) => job.load === undefined && job.judge === undefined);
  const { comparisons, ranks, notComparable } = compareModels(scored);
  const warnings: string[] = [];
  const cells = inputs.map((input): Cell => {
    const cell = withLoad(summarizeCell(input), input);
    warnings.push(...(input.job.load ? loadWarnings(input, cell) : cellWarnings(input, cell)));
    return { ...cell, ranks: ranks.get(cell.job) ?? [] };
  });
  warnings.push(...fewItemsWarning(scored));
  for (const [where, n] of notComparable) {
    warnings.push(`${where}: ${n} pairs have different truths, not compared`);
  }
  const samples = inputs.flatMap((input) => input.samples);
  const legacy = legacyOf(
    scored,
    scored.flatMap((input) => input.samples),
  );
  const recommendations = recommendModels(scored, cells, comparisons);
  return { cells, comparisons, warnings, nodes: nodeShares(samples), legacy, recommendations };
}

/** Cancelled samples were never run, as far as the original could have known. */
function legacyOf(inputs: readonly CellInput[], samples: readonly Sample[]): Legacy | undefined {
  const kept = samples.filter((sample) => sample.status !== "cancelled").map((sample) => sample.legacy);
  const asked = new Set(inputs.flatMap(({ job }) => job.metrics.map((spec) => spec.id)));
  const known = kept.filter((sample) => sample !== undefined);
  return known.length === 0 ? undefined : legacySummary(known, [...asked]);
}

export interface JobCollector {
  job: JobSpec;
  /** Whether it changed anything. */
  add(record: ResultRecord): boolean;
  input(): CellInput;
}

/** Collects the records of one job. */
export function collectJob(job: JobSpec, compat?: Plan["compat"]): JobCollector {
  const samples = new Map<string, Sample>();
  return {
    job,
    add(record) {
      const known = samples.get(record.record_id);
      if (known !== undefined && !isEarlier(record.attempt, known.attempt)) return false;
      const sample = sampleOf(record, job, compat);
      samples.set(record.record_id, job.load ? { ...sample, request: loadRequest(record) } : sample);
      return true;
    },
    input() {
      const inOrder = [...samples.values()].sort((a, b) => a.ordinal - b.ordinal);
      compareWithinGroups(inOrder.filter((sample) => sample.status !== "cancelled"));
      return { job, samples: inOrder };
    },
  };
}

/** Attempts are named `<epoch>.<n>`; names that are not numbers compare as texts. */
function isEarlier(a: string, b: string): boolean {
  const [epochA, nA, epochB, nB] = [...split(a), ...split(b)];
  if (epochA !== epochB) return smaller(epochA ?? "", epochB ?? "");
  return nA !== nB && smaller(nA ?? "", nB ?? "");
}

const split = (attempt: string): [string, string] => {
  const dot = attempt.indexOf(".");
  return dot < 0 ? [attempt, ""] : [attempt.slice(0, dot), attempt.slice(dot + 1)];
};

/** Whole numbers without leading zeros compare by length first: epochs can pass 2^53. */
const smaller = (a: string, b: string): boolean => (a.length === b.length ? a < b : a.length < b.length);

/** By node id; samples that were given up without ever running belong to none. */
function nodeShares(samples: readonly Sample[]): NodeShare[] {
  const nodes = groupBy(
    samples.filter((sample) => sample.node !== ""),
    (sample) => sample.node,
  );
  return [...nodes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([node, own]) => {
      const e2eMs = own.map((s) => s.times?.e2eMs).filter((ms) => ms !== undefined);
      const sorted = Float64Array.from(e2eMs).sort();
      return { node, samples: own.length, e2eP50Ms: sorted.length === 0 ? 0 : percentile(sorted, 0.5) };
    });
}
