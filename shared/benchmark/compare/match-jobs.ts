/**
 * Which cell of one campaign is compared with which of the other: those of the same prompt, dataset and model. A name
 * that was changed is told by a map; where each side has only one model (prompt, dataset), those two belong together.
 */
import type { JobSpec } from "../plan.js";
import { suggestion } from "../suggest.js";
import type { UnmatchedCell } from "./comparison.js";

export const DIMENSIONS = ["model", "prompt", "dataset"] as const;
export type Dimension = (typeof DIMENSIONS)[number];

/** Names of the base and what the candidate has in their place. */
export type NameMap = { readonly [dimension in Dimension]?: ReadonlyMap<string, string> };

export interface JobMatch {
  base: JobSpec;
  candidate: JobSpec;
  /** The jobs with verdicts on their answers. */
  judges: { base: JobSpec[]; candidate: JobSpec[] };
}

/** Cells of verdicts are part of the cells that they judge. */
const judgesOf = (jobs: readonly JobSpec[], { id }: JobSpec): JobSpec[] =>
  jobs.filter(({ judge }) => judge?.of === id);

export interface Matched {
  matches: JobMatch[];
  unmatched: UnmatchedCell[];
}

/** In the order of the base. Cells under load have windows instead of samples, and no partner. */
export function matchJobs(
  allOfBase: readonly JobSpec[],
  allOfCandidate: readonly JobSpec[],
  map: NameMap,
): Matched {
  const [base, candidate] = [allOfBase, allOfCandidate].map((jobs) => jobs.filter(({ judge }) => !judge));
  if (base === undefined || candidate === undefined) return { matches: [], unmatched: [] };
  const partner = new Map(
    DIMENSIONS.map((dimension) => [dimension, partners(base, candidate, dimension, map)]),
  );
  const free = new Set(candidate.filter((job) => job.load === undefined));
  const matches: JobMatch[] = [];
  const unmatched: UnmatchedCell[] = [];
  for (const job of base) {
    const wanted = DIMENSIONS.map((dimension) => partner.get(dimension)?.get(job[dimension].id));
    const found = [...free].find((one) =>
      DIMENSIONS.every((dimension, i) => one[dimension].id === wanted[i]),
    );
    if (job.load === undefined && found !== undefined) {
      free.delete(found);
      const judges = { base: judgesOf(allOfBase, job), candidate: judgesOf(allOfCandidate, found) };
      matches.push({ base: job, candidate: found, judges });
    } else unmatched.push(alone("base", job, missing(job, wanted)));
  }
  const matched = new Set(matches.map((match) => match.candidate));
  for (const job of candidate)
    if (!matched.has(job)) unmatched.push(alone("candidate", job, missing(job, [])));
  return { matches, unmatched };
}

/** What is wrong with a map: names that no campaign has. */
export function mapProblems(base: readonly JobSpec[], candidate: readonly JobSpec[], map: NameMap): string[] {
  return DIMENSIONS.flatMap((dimension) => {
    const [ofBase, ofCandidate] = [namesOf(base, dimension), namesOf(candidate, dimension)];
    return [...(map[dimension] ?? [])].flatMap(([from, to]) => [
      ...unknown(dimension, from, ofBase, "base"),
      ...unknown(dimension, to, ofCandidate, "candidate"),
    ]);
  });
}

function unknown(dimension: Dimension, name: string, known: ReadonlySet<string>, side: string): string[] {
  if (known.has(name)) return [];
  const near = suggestion(name, known) || `it has ${[...known].slice(0, 10).join(", ")}`;
  return [`the ${side} has no ${dimension} ${JSON.stringify(name.slice(0, 80))}; ${near}`];
}

function partners(
  base: readonly JobSpec[],
  candidate: readonly JobSpec[],
  dimension: Dimension,
  map: NameMap,
): Map<string, string> {
  const [ofBase, ofCandidate] = [namesOf(base, dimension), namesOf(candidate, dimension)];
  const [only] = ofCandidate;
  const single = ofBase.size === 1 && ofCandidate.size === 1 ? only : undefined;
  const found = new Map<string, string>();
  for (const name of ofBase) {
    const to = map[dimension]?.get(name) ?? (ofCandidate.has(name) ? name : single);
    if (to !== undefined) found.set(name, to);
  }
  return found;
}

const namesOf = (jobs: readonly JobSpec[], dimension: Dimension): Set<string> =>
  new Set(jobs.filter((job) => job.load === undefined).map((job) => job[dimension].id));

function missing({ load }: JobSpec, wanted: readonly (string | undefined)[]): string {
  if (load !== undefined) return "it is put under load, and has no samples to pair";
  const lacking = DIMENSIONS.filter((_, i) => i < wanted.length && wanted[i] === undefined);
  return lacking.length === 0
    ? "the other has no such cell"
    : `the other has no such ${lacking.join(" and ")}`;
}

const alone = (side: "base" | "candidate", job: JobSpec, reason: string): UnmatchedCell => ({
  ...{ side, job: job.id, model: job.model.id, prompt: job.prompt.id, dataset: job.dataset.id, reason },
});
