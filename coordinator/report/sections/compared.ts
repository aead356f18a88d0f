/** Two cells against each other: what changed with its verdict, what else is not the same, the samples that flipped. */
import type {
  ComparedCell,
  ComparedMetric,
  Comparing,
  Flip,
  FlipSide,
} from "../../../shared/benchmark/compare/comparison.js";
import { drawDifferences } from "../figures/differences.js";
import { figure } from "../figures/figure.js";
import { formatCount, formatDifference, formatP, formatValue } from "../format.js";
import { percent } from "../markdown.js";
import { html, type Markup, name, nothing } from "../markup.js";
import { table } from "../table.js";
import { na, simulatedMark } from "./words.js";

const numeric = true;

/** `id`: of the part in its page; `samples`: whether the flipped samples are shown. */
export function comparedCell(cell: ComparedCell, alpha: number, id: string, samples: boolean): Markup {
  const drawn = drawDifferences(cell.metrics);
  const numbers = metricTable(cell.metrics, alpha);
  const judged = cell.metrics.filter((metric) => metric.judged);
  const description = `Differences of ${cell.metrics.length} metrics with intervals: ${judged.map((m) => `${m.id} ${m.verdict}`).join(", ")}.`;
  const shown =
    drawn === undefined
      ? numbers
      : html`${figure({ id, caption: "New minus base", description, ...drawn, note: "Shaded: losses that fail the gate. A whole interval to the right of it passes." })}${numbers}`;
  return html`<h3>${cellTitle(cell)}${cell.simulated ? html` ${simulatedMark}` : nothing}</h3>
<p class="note">${pairsText(cell)}</p>${shown}${changeTable(cell)}${samples ? flipList(cell) : nothing}
`;
}

function cellTitle({ base, candidate }: ComparedCell): Markup {
  const part = (kind: "model" | "prompt" | "dataset"): Markup =>
    base[kind] === candidate[kind] ? name(base[kind]) : html`${name(base[kind])} → ${name(candidate[kind])}`;
  return html`${part("model")} <span class="on-data">·</span> ${part("prompt")} <span class="on-data">on</span> ${part("dataset")}`;
}

function pairsText({ pairs, baseAlone, candidateAlone, otherTruth }: ComparedCell): string {
  const left = [
    ...(baseAlone > 0 ? [`${formatCount(baseAlone)} only the base has`] : []),
    ...(candidateAlone > 0 ? [`${formatCount(candidateAlone)} only the new one has`] : []),
    ...(otherTruth > 0 ? [`${formatCount(otherTruth)} with different truths left out`] : []),
  ];
  return `${formatCount(pairs)} samples of both${left.length === 0 ? "" : `; ${left.join(", ")}`}.`;
}

function metricTable(metrics: readonly ComparedMetric[], alpha: number): Markup {
  const columns = [
    { label: "Metric" },
    { label: "Base", numeric },
    { label: "New", numeric },
    { label: "Change", numeric },
    { label: `${percent(alpha)} interval`, numeric },
    { label: "n", numeric },
    { label: "better in base / new", numeric },
    { label: "p", numeric },
    { label: "May lose", numeric },
    { label: "Verdict" },
  ];
  const rows = metrics.map((m) => [
    html`${m.id}<br/><small>${m.higherIsBetter ? "higher is better" : "lower is better"}${m.method === "" ? nothing : html`; ${testText(m.method)}`}</small>`,
    m.base === undefined ? na("") : formatValue(m.base, m.unit),
    m.candidate === undefined ? na("") : formatValue(m.candidate, m.unit),
    m.difference === undefined ? na(m.reason) : formatDifference(m.difference, m.unit),
    m.interval === undefined
      ? "—"
      : `${formatDifference(m.interval.lo, m.unit)} to ${formatDifference(m.interval.hi, m.unit)}`,
    formatCount(m.n),
    m.method === "" ? "—" : `${formatCount(m.baseBetter)} / ${formatCount(m.candidateBetter)}`,
    m.p === undefined ? "—" : formatP(m.p),
    m.judged ? formatValue(m.maxDrop, m.unit) : "—",
    m.judged ? verdictBadge(m.verdict) : html`<small>not judged</small>`,
  ]);
  return table("Metrics of both", columns, rows);
}

const testText = (method: string): string =>
  method === "mcnemar-exact" ? "exact McNemar" : method === "sign-flip" ? "permutation" : method;

/** A verdict as a mark: pass, fail, or what cannot be told. */
export function verdictBadge(verdict: string): Markup {
  const kind = verdict === "pass" ? "win" : verdict === "fail" ? "lose" : "tie";
  return html`<span class="badge ${kind}">${verdict.replace("_", " ").toUpperCase()}</span>`;
}

function changeTable({ changes }: ComparedCell): Markup {
  if (changes.length === 0)
    return html`<p class="note">Model, prompt, engine and settings are the same in both.</p>`;
  const rows = changes.map(({ what, base, candidate }) => [
    what,
    html`<code>${base || "not known"}</code>`,
    html`<code>${candidate || "not known"}</code>`,
  ]);
  return table("What else is not the same", [{ label: "What" }, { label: "Base" }, { label: "New" }], rows);
}

function flipList({ flips, flipMetric, lost, won }: ComparedCell): Markup {
  if (flipMetric === "") return nothing;
  const shown = flips.length < lost + won ? `, ${formatCount(flips.length)} of them here` : "";
  return html`<h4>Flipped by ${flipMetric}: ${formatCount(lost)} lost, ${formatCount(won)} won${shown}</h4>${flips.map(flipOf)}`;
}

function flipOf(flip: Flip): Markup {
  const { kind, item, level, repetition, input, expected, base, candidate } = flip;
  const columns = [{ label: "Answer of" }, { label: "Right" }, { label: "Answer" }];
  const answer = (who: string, side: FlipSide) => [
    who,
    side.status === "ok"
      ? html`<span class="badge ${side.mark >= 0.5 ? "win" : "lose"}">${side.mark === 1 ? "YES" : side.mark === 0 ? "NO" : side.mark.toFixed(2)}</span>`
      : html`<span class="badge lose">${side.status.replace("_", " ").toUpperCase()}</span>`,
    html`<code class="example">${side.output}</code>`,
  ];
  const rows = [
    ["expected", "", expected === "" ? na("no truth") : html`<code class="example">${expected}</code>`],
    answer("base", base),
    answer("new", candidate),
  ];
  return html`<article class="sample"><h4><bdi>${item}</bdi> <span class="badge ${kind === "lost" ? "lose" : "win"}">${kind.toUpperCase()}</span>${level === "" ? nothing : html` <small>${level}</small>`}${repetition === 0 ? nothing : html` <small>repetition ${repetition}</small>`}</h4>
<div class="said">${input === "" ? nothing : html`<code class="example">${input}</code>`}${table(`Answers to ${item}`, columns, rows)}</div></article>
`;
}

/** The verdict with its reasons. */
export function verdictOf({ verdict, reasons }: Comparing): Markup {
  const more = reasons.length - MOST_REASONS;
  const list = reasons.slice(0, MOST_REASONS).map((reason) => html`<li><bdi>${reason}</bdi></li>`);
  return html`<p>${verdictBadge(verdict)} ${VERDICTS[verdict]}</p>${list.length === 0 ? nothing : html`<ul class="notes">${list}${more > 0 ? html`<li>and ${more} more</li>` : nothing}</ul>`}`;
}

const MOST_REASONS = 20;
const VERDICTS = {
  pass: "Every judged metric lost less than it may.",
  fail: "A judged metric lost more than it may.",
  inconclusive: "What may be lost and what may not cannot be told apart here.",
  incomplete: "Not all of one is there to be compared with the other.",
  not_comparable: "They were not asked the same.",
} as const;
