/**
 * Paired comparisons as sentences: who is better, or an honest tie, with the test and its p value; and where a tie
 * hides a crossover, on which levels each of the two leads.
 */
import type { Cell, Comparison, Summary } from "../client.js";
import { formatP } from "./quantity.js";

/** Levels where the values differ by less than this are a draw. */
const LEAD = 0.005;

/** One sentence per overall comparison; a tie is followed by its crossover if there is one. */
export function comparisonSentences(summary: Summary): string[] {
  const overall = summary.comparisons.filter((c) => c.level === "");
  const many = new Set(overall.map((c) => JSON.stringify([c.prompt, c.dataset]))).size > 1;
  return overall.flatMap((c) => {
    const where = many ? ` (${c.prompt} · ${c.dataset})` : "";
    const crossover = c.verdict === "tie" ? crossoverSentence(summary, c) : undefined;
    return [`${verdictSentence(c)}${where}`, ...(crossover === undefined ? [] : [`  ${crossover}`])];
  });
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
export function crossoverSentence(summary: Summary, c: Comparison): string | undefined {
  const cellOf = (model: string) =>
    summary.cells.find((x) => x.model === model && x.prompt === c.prompt && x.dataset === c.dataset);
  const [a, b] = [cellOf(c.a), cellOf(c.b)];
  if (a === undefined || b === undefined) return undefined;
  const leads = { a: [] as string[], b: [] as string[] };
  let items = 0;
  for (const { level, n } of a.levels) {
    const difference = goodness(a, level, c.metric) - goodness(b, level, c.metric);
    if (!(Math.abs(difference) >= LEAD)) continue;
    const proven = summary.comparisons.some(
      (x) => x.level === level && sameCells(x, c) && (x.verdict === "a" || x.verdict === "b"),
    );
    leads[difference > 0 ? "a" : "b"].push(
      `${level} (${Math.abs(difference).toFixed(3)}${proven ? ", significant" : ""})`,
    );
    items = Math.max(items, n);
  }
  if (leads.a.length === 0 || leads.b.length === 0) return undefined;
  return `crossover: ${c.a} leads on ${leads.a.join(", ")}; ${c.b} leads on ${leads.b.join(", ")}; with ${items} items a level read it as a hint`;
}

const sameCells = (x: Comparison, y: Comparison): boolean =>
  x.metric === y.metric && x.prompt === y.prompt && x.dataset === y.dataset && x.a === y.a && x.b === y.b;

/** The level's value, turned so that more is better; NaN when it is n/a. */
function goodness(cell: Cell, level: string, metricId: string): number {
  const metric = cell.levels.find((l) => l.level === level)?.metrics.find((m) => m.id === metricId);
  if (metric?.value === undefined) return Number.NaN;
  return metric.higherIsBetter ? metric.value : -metric.value;
}
