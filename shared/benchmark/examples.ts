/**
 * Samples worth a look: a report shows a few with their pictures and answers, because a reader believes a number that
 * can be seen. They are chosen by rule, not by hand and not at random: where models differ first, then what all have
 * wrong, then what all have right, so that both kinds are there if there are both.
 */
import { definitionOf } from "./metrics/definition.js";
import { sampleOf } from "./metrics/sample.js";
import type { JobSpec } from "./plan.js";
import { isAnswered, type ResultRecord } from "./record.js";

export type Why = "models differ" | "wrong" | "right";

export interface Candidate {
  /** Index of the item within its dataset. */
  item: number;
  level?: string | undefined;
  /** How right each model is, 0 to 1; those that cannot be judged are left out. */
  marks: readonly number[];
}

/** Of the places there are; what one kind does not need goes to the others, in this order. */
const SHARES: readonly [Why, number][] = [
  ["models differ", 0.5],
  ["wrong", 0.25],
  ["right", 0.25],
];
const DIFFER = 0.25;

/**
 * At most `most`, by kind, and within a kind the clearest first; of equally clear ones the first of each level, then the second of
 * each, in the order of the dataset.
 */
export function chooseExamples(candidates: readonly Candidate[], most: number): { item: number; why: Why }[] {
  const kinds = new Map<Why, { item: number; clear: number; nth: number }[]>(
    SHARES.map(([why]) => [why, []]),
  );
  const before = new Map<string, number>();
  for (const { item, level = "", marks } of candidates) {
    const { why, clear } = kindOf(marks);
    const alike = `${why} ${clear} ${level}`;
    const nth = before.get(alike) ?? 0;
    before.set(alike, nth + 1);
    kinds.get(why)?.push({ item, clear, nth });
  }
  for (const of of kinds.values()) of.sort((a, b) => b.clear - a.clear || a.nth - b.nth || a.item - b.item);
  const taken = new Map(
    SHARES.map(([why, share]) => [why, Math.min(Math.ceil(share * most), kinds.get(why)?.length ?? 0)]),
  );
  let free = most - [...taken.values()].reduce((sum, n) => sum + n, 0);
  for (const [why, of] of kinds) {
    const more = Math.max(0, Math.min(free, of.length - (taken.get(why) ?? 0)));
    taken.set(why, (taken.get(why) ?? 0) + more);
    free -= more;
  }
  return [...kinds].flatMap(([why, of]) => of.slice(0, taken.get(why)).map(({ item }) => ({ item, why })));
}

/** Nobody's mark: as there is nothing to be right about, what was answered stands for itself. */
function kindOf(marks: readonly number[]): { why: Why; clear: number } {
  if (marks.length === 0) return { why: "right", clear: 0 };
  const [least, highest] = [Math.min(...marks), Math.max(...marks)];
  if (highest - least >= DIFFER) return { why: "models differ", clear: highest - least };
  const mean = marks.reduce((sum, mark) => sum + mark, 0) / marks.length;
  return mean < 0.5 ? { why: "wrong", clear: 1 - mean } : { why: "right", clear: mean };
}

/**
 * How right one answer is, 0 to 1: label and box of the binary task together, else the first quality metric of the job that
 * has a value for it. A failure is wrong. Undefined where nothing can be said.
 */
export function markOf(record: ResultRecord, job: JobSpec): number | undefined {
  if (!isAnswered(record.status)) return 0;
  const { label_true: truth, label_pred: label, bbox_iou: overlap } = record.scores;
  if (truth !== undefined) {
    const right = Number(label === truth);
    return overlap === undefined ? right : (right + overlap) / 2;
  }
  const sample = sampleOf(record, job);
  for (const metric of job.metrics) {
    const definition = definitionOf(metric);
    if (definition?.what.kind !== "quality") continue;
    const row = definition.what.readings.find((reading) => reading.hasTruth(sample))?.row(sample);
    if (row === undefined || row.den === 0) continue;
    const value = Math.min(1, Math.max(0, row.num / row.den));
    return definition.higherIsBetter ? value : 1 - value;
  }
  return undefined;
}
