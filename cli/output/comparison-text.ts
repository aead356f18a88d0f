/**
 * Paired comparisons as sentences: who is better, or an honest tie, with the test and its p value; and where a tie
 * hides a crossover, on which levels each of the two leads.
 */

import { count } from "../../shared/benchmark/count.js";
import type { Cell, Comparison, Summary } from "../client.js";
import { formatP } from "./quantity.js";

/** Levels where the values differ by less than this are a draw. */
const LEAD = 0.005;

/**
 * Who beats whom overall, a sentence a pair; ties of one metric, prompt and dataset are one sentence when they are
 * several. A lone tie is followed by its crossover, several only by those that a level's own test bears out.
 */
export function comparisonSentences(summary: Summary): string[] {
  const overall = summary.comparisons.filter((c) => c.level === "");
  const many = new Set(overall.map((c) => JSON.stringify([c.prompt, c.dataset]))).size > 1;
  return groupBy(overall, (c) => [c.metric, c.prompt, c.dataset]).flatMap((pairs) => {
    const [first] = pairs;
    const where = many && first ? ` (${first.prompt} · ${first.dataset})` : "";
    const ties = pairs.filter((c) => c.verdict === "tie");
    const wins = pairs.filter((c) => c.verdict !== "tie");
    const tied = ties.length > 1 ? tiesSentence(ties, pairs) : ties.map(verdictSentence);
    const crossovers = ties.flatMap((c) => {
      const crossover = findCrossover(summary, c);
      return crossover && (ties.length === 1 || crossover.proven) ? [`  ${crossover.text}`] : [];
    });
    return [...[...wins.map(verdictSentence), ...tied].map((text) => `${text}${where}`), ...crossovers];
  });
}

/** Items that share a key, in first-seen order. */
export function groupBy<T>(items: readonly T[], key: (item: T) => readonly string[]): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const id = JSON.stringify(key(item));
    const group = groups.get(id);
    if (group) group.push(item);
    else groups.set(id, [item]);
  }
  return [...groups.values()];
}

/** Such as `exact_match: no significant difference among 5 models (10 pairs, smallest Holm p = 0.250)`. */
function tiesSentence(ties: readonly Comparison[], pairs: readonly Comparison[]): string[] {
  const [first] = ties;
  if (first === undefined) return [];
  const smallest = `smallest Holm p ${formatP(Math.min(...ties.map((c) => c.pHolm)))}`;
  if (ties.length < pairs.length) {
    return [
      `${first.metric}: no significant difference in the other ${ties.length} of ${pairs.length} pairs (${smallest})`,
    ];
  }
  const models = new Set(ties.flatMap((c) => [c.a, c.b])).size;
  return [
    `${first.metric}: no significant difference among ${models} models (${ties.length} pairs, ${smallest})`,
  ];
}

/** Such as `exact_match: A vs B: tie (McNemar p = 1.0, 60 pairs, 3 only A right, 4 only B right)`. */
export function verdictSentence(c: Comparison): string {
  const test = c.method === "mcnemar-exact" ? "McNemar" : c.method;
  const corrected = c.pHolm === c.p ? "" : `, Holm p ${formatP(c.pHolm)}`;
  const wins =
    c.method === "mcnemar-exact" ? `; only the first right ${c.aOnly}, only the second ${c.bOnly}` : "";
  const proof = `(${test} p ${formatP(c.p)}${corrected}, ${c.n} pairs${wins})`;
  if (c.verdict === "tie") return `${c.metric}: ${c.a} vs ${c.b}: tie ${proof}`;
  const [better, worse] = c.verdict === "a" ? [c.a, c.b] : [c.b, c.a];
  return `${c.metric}: ${better} beats ${worse} by ${Math.abs(c.difference).toFixed(3)} ${proof}`;
}

/**
 * The levels on which each of the two leads, when both lead somewhere. A level has few items, so a lead is called
 * proven only where the level's own comparison says so.
 */
export const crossoverSentence = (summary: Summary, c: Comparison): string | undefined =>
  findCrossover(summary, c)?.text;

function findCrossover(summary: Summary, c: Comparison): { text: string; proven: boolean } | undefined {
  const cellOf = (model: string) =>
    summary.cells.find((x) => x.model === model && x.prompt === c.prompt && x.dataset === c.dataset);
  const [a, b] = [cellOf(c.a), cellOf(c.b)];
  if (a === undefined || b === undefined) return undefined;
  const leads = { a: [] as string[], b: [] as string[] };
  let items = 0;
  let anyProven = false;
  for (const { level, n } of a.levels) {
    const difference = goodness(a, level, c.metric) - goodness(b, level, c.metric);
    if (!(Math.abs(difference) >= LEAD)) continue;
    const proven = summary.comparisons.some(
      (x) => x.level === level && sameCells(x, c) && (x.verdict === "a" || x.verdict === "b"),
    );
    anyProven ||= proven;
    leads[difference > 0 ? "a" : "b"].push(
      `${level} (${Math.abs(difference).toFixed(3)}${proven ? ", significant" : ""})`,
    );
    items = Math.max(items, n);
  }
  if (leads.a.length === 0 || leads.b.length === 0) return undefined;
  const text = `crossover: ${c.a} leads on ${leads.a.join(", ")}; ${c.b} leads on ${leads.b.join(", ")}; with ${count(items, "item")} a level read it as a hint`;
  return { text, proven: anyProven };
}

const sameCells = (x: Comparison, y: Comparison): boolean =>
  x.metric === y.metric && x.prompt === y.prompt && x.dataset === y.dataset && x.a === y.a && x.b === y.b;

/** The level's value, turned so that more is better; NaN when it is n/a. */
function goodness(cell: Cell, level: string, metricId: string): number {
  const metric = cell.levels.find((l) => l.level === level)?.metrics.find((m) => m.id === metricId);
  if (metric?.value === undefined) return Number.NaN;
  return metric.higherIsBetter ? metric.value : -metric.value;
}
