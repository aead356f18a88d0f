/**
 * Who is better than whom, in sentences, each with its paired test. A tie is said as what it is: no significant
 * difference, which is not the same as equality.
 */
import type { Comparison } from "../../../shared/benchmark/summary.js";
import { formatCount, formatDifference, formatP } from "../format.js";
import { html, type Markup, name, nothing } from "../markup.js";
import { table } from "../table.js";
import { metricKind, type Task, type View } from "../view.js";
import { section, taskTitle } from "./words.js";

/** More sentences than this are listed in the table only. */
const MAX_SENTENCES = 40;

export function verdicts(view: View): Markup | undefined {
  const tasks = view.tasks.filter((t) => t.comparisons.length > 0);
  if (tasks.length === 0) return undefined;
  return section(
    "verdicts",
    "Verdicts",
    html`<p class="intro">Paired tests over the same items, two-sided, corrected by Holm within a metric, prompt and dataset; α 0.05. Rank is 1 plus the number of models significantly better.</p>`,
    tasks.map((task) => taskVerdicts(task)),
  );
}

function taskVerdicts(task: Task): Markup {
  const overall = task.comparisons.filter((c) => c.level === "");
  const byLevel = task.comparisons.filter((c) => c.level !== "");
  const decided = byLevel.filter((c) => winner(c) !== undefined);
  const levelLead =
    byLevel.length === 0
      ? nothing
      : html`<h4>By level: ${formatCount(decided.length)} of ${formatCount(byLevel.length)} comparisons show a significant difference</h4>${sentences(decided, task)}`;
  return html`${taskTitle(task)}${sentences(overall, task)}${levelLead}<details><summary>All ${formatCount(task.comparisons.length)} comparisons</summary>${comparisonTable(task)}</details>`;
}

/** Winners one by one; the ties of a metric, where they are several, in one sentence. */
function sentences(comparisons: readonly Comparison[], task: Task): Markup {
  const metrics = [...new Set(comparisons.map((c) => c.metric))];
  const items = metrics.flatMap((metric) => {
    const pairs = comparisons.filter((c) => c.metric === metric);
    const ties = pairs.filter((c) => winner(c) === undefined);
    const wins = pairs.filter((c) => winner(c) !== undefined).map((c) => sentence(c, task));
    return [...wins, ...(ties.length > 1 ? [tiesSentence(ties, pairs)] : ties.map((c) => sentence(c, task)))];
  });
  if (items.length > MAX_SENTENCES) {
    return html`<p class="note">${formatCount(comparisons.length)} comparisons: see the table.</p>`;
  }
  return items.length === 0
    ? nothing
    : html`<ul class="verdicts">${items.map((item) => html`<li>${item}</li>\n`)}</ul>`;
}

/** What all ties of one metric have in common; each has its row in the table. */
function tiesSentence(ties: readonly Comparison[], pairs: readonly Comparison[]): Markup {
  const models = new Set(ties.flatMap((c) => [c.a, c.b])).size;
  const among =
    ties.length === pairs.length
      ? html`among ${formatCount(models)} models on ${ties[0]?.metric ?? ""}`
      : html`on ${ties[0]?.metric ?? ""} in the other ${formatCount(ties.length)} of ${formatCount(pairs.length)} pairs`;
  const smallest = Math.min(...ties.map((c) => c.pHolm));
  return html`<span class="badge tie">TIE</span> <span>No significant difference ${among}. <small>${formatCount(ties.length)} pairs, smallest Holm p ${formatP(smallest)}.</small></span>`;
}

/** One comparison as a sentence, with the numbers of its test after it. */
function sentence(c: Comparison, task: Task): Markup {
  const { unit } = metricKind(task.cells, c.metric);
  const where = c.level === "" ? nothing : html` at level ${name(c.level)}`;
  const win = winner(c);
  const said =
    win === undefined
      ? html`<span class="badge tie">TIE</span> <span>No significant difference between <strong>${name(c.a)}</strong> and <strong>${name(c.b)}</strong> on ${c.metric}${where}`
      : html`<span class="badge win">BETTER</span> <span><strong>${name(win.better)}</strong> is better than <strong>${name(win.worse)}</strong> on ${c.metric}${where}`;
  const difference = win?.better === c.b ? -c.difference : c.difference;
  const discordant =
    c.method === "mcnemar-exact"
      ? html`; only ${name(c.a)} right in ${formatCount(c.aOnly)}, only ${name(c.b)} in ${formatCount(c.bOnly)}`
      : nothing;
  return html`${said} (${formatDifference(difference, unit)}). <small>${methodText(c.method)}: p ${formatP(c.p)}, Holm p ${formatP(c.pHolm)}, n ${formatCount(c.n)}${discordant}.</small></span>`;
}

function winner(c: Comparison): { better: string; worse: string } | undefined {
  if (c.verdict === "a") return { better: c.a, worse: c.b };
  return c.verdict === "b" ? { better: c.b, worse: c.a } : undefined;
}

function methodText(method: string): string {
  if (method === "mcnemar-exact") return "Exact McNemar test";
  return method === "sign-flip" ? "Sign-flip permutation test" : method;
}

function differenceInterval({ interval }: Comparison, unit: string): string {
  if (interval === undefined || interval === null) return "—";
  return `${formatDifference(interval.lo, unit)} to ${formatDifference(interval.hi, unit)}`;
}

function comparisonTable(task: Task): Markup {
  const rows = task.comparisons.map((c) => [
    c.metric,
    c.level === "" ? "all" : name(c.level),
    name(c.a),
    name(c.b),
    formatDifference(c.difference, metricKind(task.cells, c.metric).unit),
    differenceInterval(c, metricKind(task.cells, c.metric).unit),
    c.method === "mcnemar-exact" ? `${formatCount(c.aOnly)} / ${formatCount(c.bOnly)}` : "—",
    formatCount(c.n),
    formatP(c.p),
    formatP(c.pHolm),
    methodText(c.method),
    c.verdict === "a" || c.verdict === "b" ? `${c.verdict.toUpperCase()} better` : "tie",
  ]);
  const numeric = true;
  const columns = [
    { label: "Metric" },
    { label: "Level" },
    { label: "A" },
    { label: "B" },
    { label: "A − B", numeric },
    { label: "95 % interval", numeric },
    { label: "only A / only B", numeric },
    { label: "n", numeric },
    { label: "p", numeric },
    { label: "Holm p", numeric },
    { label: "Test" },
    { label: "Verdict" },
  ];
  return table("All comparisons", columns, rows);
}
