/**
 * All models of the same prompt and dataset against each other, metric by metric: over all items, and for the first
 * quality metric that can be compared also level by level. The p values of one metric, prompt, dataset and level are
 * one family for Holm's correction. A model's rank is 1 + the number of models significantly better than it.
 */
import { type CellInput, levelsOf, measuredOf } from "./aggregate-cell.js";
import { comparePairs, type Pair, type PairedResult, pairUp } from "./aggregate-pairs.js";
import { chooseReading } from "./metrics/applicable.js";
import { definitionOf } from "./metrics/definition.js";
import { groupBy } from "./metrics/group-by.js";
import type { Reading } from "./metrics/reading.js";
import type { MetricDefinition } from "./metrics/registry.js";
import type { Sample } from "./metrics/sample.js";
import { holm } from "./statistics/holm.js";
import { seedOf } from "./statistics/seed.js";
import type { Comparison, Rank } from "./summary.js";

const ALPHA = 0.05;

export interface Compared {
  comparisons: Comparison[];
  /** By job id. */
  ranks: Map<string, Rank[]>;
  /** Pairs left out because the truths differ, by `prompt × dataset`. */
  notComparable: Map<string, number>;
}

export function compareModels(cells: readonly CellInput[]): Compared {
  const result: Compared = { comparisons: [], ranks: new Map(), notComparable: new Map() };
  const groups = groupBy(cells, ({ job }) => JSON.stringify([job.prompt.sha256, job.dataset.id]));
  for (const group of groups.values()) if (group.length > 1) compareGroup(group, result);
  return result;
}

/** Two cells of a group with their pairs. */
interface Match {
  a: CellInput;
  b: CellInput;
  pairs: readonly Pair[];
}

function compareGroup(group: readonly CellInput[], result: Compared): void {
  const samples = new Map(group.map((cell) => [cell, measuredOf(cell.samples)]));
  const matches: Match[] = [];
  let notComparable = 0;
  group.forEach((a, i) => {
    for (const b of group.slice(i + 1)) {
      const paired = pairUp(samples.get(a) ?? [], samples.get(b) ?? []);
      notComparable += paired.notComparable;
      matches.push({ a, b, pairs: paired.pairs });
    }
  });
  const [first] = group;
  if (first === undefined) return;
  if (notComparable > 0) {
    result.notComparable.set(`${first.job.prompt.id} × ${first.job.dataset.id}`, notComparable);
  }
  const levels = levelsOf(samples.get(first) ?? []);
  let primaryDone = false;
  const specs = new Map(group.flatMap(({ job }) => job.metrics.map((spec) => [spec.id, spec])));
  for (const [id, spec] of specs) {
    const metric = definitionOf(spec);
    if (metric === undefined || metric.what.kind !== "quality") continue;
    const readable = withReading(metric.what.readings, matches, samples);
    const overall = family(readable, { id, metric, level: "" });
    if (overall.length === 0) continue;
    result.comparisons.push(...overall.map(({ comparison }) => comparison));
    addRanks(group, overall, id, result.ranks);
    if (primaryDone) continue;
    primaryDone = true;
    for (const level of levels) {
      const inLevel = family(readable, { id, metric, level });
      result.comparisons.push(...inLevel.map(({ comparison }) => comparison));
    }
  }
}

interface Readable extends Match {
  reading: Reading;
}

/** The matches of cells that both have the metric, with how it is read; where it is n/a nothing is compared. */
function withReading(
  readings: readonly Reading[],
  matches: readonly Match[],
  samples: ReadonlyMap<CellInput, readonly Sample[]>,
): Readable[] {
  const chosen = new Map<CellInput, Reading | undefined>();
  for (const [cell, own] of samples) {
    const choice = chooseReading(readings, cell.job.prompt, own);
    chosen.set(cell, "reading" in choice ? choice.reading : undefined);
  }
  return matches.flatMap((match) => {
    const reading = chosen.get(match.a);
    return reading !== undefined && reading === chosen.get(match.b) ? [{ ...match, reading }] : [];
  });
}

interface Family {
  id: string;
  metric: MetricDefinition;
  level: string;
}

interface Judged {
  match: Match;
  comparison: Comparison;
}

function family(matches: readonly Readable[], { id, metric, level }: Family): Judged[] {
  const tested: { match: Readable; result: PairedResult }[] = [];
  for (const match of matches) {
    const pairs = level === "" ? match.pairs : match.pairs.filter(({ a }) => a.level === level);
    const { reading } = match;
    const { job } = match.a;
    const name = [job.prompt.id, job.dataset.id, level, id, job.model.id, match.b.job.model.id].join("|");
    const result = comparePairs(pairs, reading, metric.higherIsBetter, { seed: seedOf(name) });
    if (result !== undefined) tested.push({ match, result });
  }
  const adjusted = holm(tested.map(({ result }) => result.p));
  return tested.map(({ match, result }, i) => {
    const pHolm = adjusted[i] ?? 1;
    const aLeads = metric.higherIsBetter ? result.difference > 0 : result.difference < 0;
    const significant = pHolm <= ALPHA && result.difference !== 0;
    return {
      match,
      comparison: {
        metric: id,
        prompt: match.a.job.prompt.id,
        dataset: match.a.job.dataset.id,
        level,
        a: match.a.job.model.id,
        b: match.b.job.model.id,
        ...result,
        pHolm,
        verdict: significant ? (aLeads ? "a" : "b") : "tie",
      },
    };
  });
}

function addRanks(
  group: readonly CellInput[],
  judged: readonly Judged[],
  metric: string,
  ranks: Map<string, Rank[]>,
): void {
  for (const cell of group) {
    const own = judged.filter(({ match }) => match.a === cell || match.b === cell);
    if (own.length === 0) continue;
    const better = own.filter(
      ({ match, comparison }) => comparison.verdict === (match.a === cell ? "b" : "a"),
    );
    const list = ranks.get(cell.job.id) ?? [];
    list.push({ metric, rank: 1 + better.length });
    ranks.set(cell.job.id, list);
  }
}
