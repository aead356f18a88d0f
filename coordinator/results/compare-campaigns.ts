/**
 * Two campaigns against each other, from their records: cells are matched, each pair of cells is read and compared on its
 * own, and the samples that flipped are read once more for their words.
 *
 * 1. Bounded: one pair of cells is in memory at a time, and of words only those of the flips that are shown.
 */
import type { CellComparison } from "../../shared/benchmark/compare/compare-cells.js";
import type {
  ComparedCampaign,
  Comparing,
  Flip,
  FlipSide,
} from "../../shared/benchmark/compare/comparison.js";
import type { FlipRef } from "../../shared/benchmark/compare/flips.js";
import { judge } from "../../shared/benchmark/compare/judge.js";
import {
  type JobMatch,
  mapProblems,
  matchJobs,
  type NameMap,
} from "../../shared/benchmark/compare/match-jobs.js";
import type { CompareRules } from "../../shared/benchmark/compare/rules.js";
import type { Item } from "../../shared/benchmark/item.js";
import { METRIC_IDS } from "../../shared/benchmark/metric-ids.js";
import type { JobSpec } from "../../shared/benchmark/plan.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { suggestion } from "../../shared/benchmark/suggest.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { clip } from "./clip.js";
import type { Summarizer } from "./summary-thread.js";

export interface CampaignSide {
  about: ComparedCampaign;
  jobs: readonly JobSpec[];
  /** Of one job, by ordinal. */
  records(job: string): AsyncIterable<ResultRecord[]>;
}

export interface CompareParts {
  base: CampaignSide;
  candidate: CampaignSide;
  map: NameMap;
  rules: CompareRules;
  comparer: Pick<Summarizer, "compare">;
  items(manifestSha256: string): Promise<readonly Item[]>;
}

const INPUT_CHARS = 1_000;
const OUTPUT_CHARS = 700;

/** Throws invalid_argument for metrics, models, prompts or datasets that neither has, and what reading records throws. */
export async function compareCampaigns(parts: CompareParts): Promise<Comparing> {
  const { base, candidate, map, rules } = parts;
  refuseUnknown(parts);
  const { matches, unmatched } = matchJobs(base.jobs, candidate.jobs, map);
  const cells: (CellComparison & { flips: FlipRef[]; read: Flip[] })[] = [];
  for (const match of matches) {
    const ofBase = recordsOf(base, [match.base, ...match.judges.base]);
    const ofCandidate = recordsOf(candidate, [match.candidate, ...match.judges.candidate]);
    const cell = await parts.comparer.compare({ match, rules }, ofBase, ofCandidate);
    cells.push({ ...cell, read: await readFlips(parts, match, cell.flips) });
  }
  const judged = judge({ base: base.about, candidate: candidate.about, unmatched, cells }, rules);
  return {
    ...{ base: base.about, candidate: candidate.about, unmatched, ...judged },
    cells: cells.map(({ read, ...cell }) => ({ ...cell, flips: read })),
    ...{ maxDrop: rules.maxDrop, alpha: rules.alpha },
    simulated: cells.some((cell) => cell.simulated),
  };
}

async function* recordsOf(side: CampaignSide, jobs: readonly JobSpec[]): AsyncGenerator<ResultRecord[]> {
  for (const { id } of jobs) yield* side.records(id);
}

function refuseUnknown({ base, candidate, map, rules }: CompareParts): void {
  const asked = new Set([...rules.metrics, ...rules.failOn.map(({ metric }) => metric)]);
  const known = new Set([...base.jobs, ...candidate.jobs].flatMap((job) => job.metrics.map(({ id }) => id)));
  const shown = new Set([...known, "latency", "cost"]);
  const violations = [...asked]
    .filter((metric) => !shown.has(metric))
    .map((metric) => {
      const near = suggestion(metric, shown) || suggestion(metric, METRIC_IDS);
      const name = JSON.stringify(metric.slice(0, 80));
      return {
        field: "metric",
        description: `neither campaign has ${name}; ${near || `there are ${[...shown].join(", ")}`}`,
      };
    });
  for (const description of mapProblems(base.jobs, candidate.jobs, map))
    violations.push({ field: "map", description });
  if (violations.length > 0)
    throw new SaiError("invalid_argument", "these campaigns cannot be compared so", { violations });
}

/** The words of the samples that flipped; of each side the records are read until all are found. */
async function readFlips(
  { base, candidate, items }: CompareParts,
  match: JobMatch,
  refs: FlipRef[],
): Promise<Flip[]> {
  if (refs.length === 0) return [];
  const [ofBase, ofCandidate, all] = [
    await recordsAt(base, match.base.id, new Set(refs.map((ref) => ref.base.ordinal))),
    await recordsAt(candidate, match.candidate.id, new Set(refs.map((ref) => ref.candidate.ordinal))),
    await items(match.base.dataset.manifestSha256),
  ];
  return refs.map(({ kind, level, repetition, ...ref }): Flip => {
    const item = all[ref.base.ordinal % Math.max(1, match.base.dataset.items)];
    const expected = item?.target ?? (item?.truth === undefined ? "" : JSON.stringify(item.truth));
    return {
      ...{ kind, level, repetition, item: item?.id ?? "" },
      input: clip(item?.input ?? "", INPUT_CHARS),
      expected: clip(expected, OUTPUT_CHARS),
      base: sideOf(ref.base, ofBase.get(ref.base.ordinal)),
      candidate: sideOf(ref.candidate, ofCandidate.get(ref.candidate.ordinal)),
    };
  });
}

async function recordsAt(
  side: CampaignSide,
  job: string,
  wanted: Set<number>,
): Promise<Map<number, ResultRecord>> {
  const found = new Map<number, ResultRecord>();
  for await (const records of side.records(job)) {
    for (const record of records) if (wanted.has(record.ordinal)) found.set(record.ordinal, record);
    if (found.size === wanted.size) break;
  }
  return found;
}

function sideOf({ ordinal, mark }: FlipRef["base"], record: ResultRecord | undefined): FlipSide {
  const { status = "ok", output, error } = record ?? {};
  const why = error === undefined ? "" : `${error.class}: ${error.message}`;
  const words = output === undefined ? why || "(not kept)" : why === "" ? output : `${output}\n(${why})`;
  return { ordinal, status, mark, output: clip(words, OUTPUT_CHARS) };
}
