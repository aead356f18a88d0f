/** The report of a comparison: one static HTML file, by the same rules as a campaign's (report-html.ts). */
import type { ComparedCampaign, Comparing } from "../../shared/benchmark/compare/comparison.js";
import { cellText } from "../../shared/benchmark/compare/judge.js";
import { formatInstant } from "./instant.js";
import { percent } from "./markdown.js";
import { html, type Markup, name, nothing } from "./markup.js";
import { comparedCell, verdictBadge, verdictOf } from "./sections/compared.js";
import { na, section } from "./sections/words.js";
import { style } from "./style.js";
import { table } from "./table.js";

export interface ComparisonOptions {
  /** RFC 3339; shown as the time the report was made. */
  generatedAt?: string;
  /** The program's version, shown at the end. */
  version?: string;
}

/** The whole report as one HTML document (UTF-8). */
export function renderComparisonHtml(comparing: Comparing, options: ComparisonOptions = {}): string {
  const { base, candidate, cells, alpha, verdict, simulated } = comparing;
  const banner = simulated
    ? html`<p class="banner" role="note"><strong>SIMULATED</strong> Numbers of the cells marked so come from the simulated engine. They say nothing about any model.</p>`
    : nothing;
  return html`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${candidate.name === "" ? "Benchmark" : candidate.name} – SAI Bench comparison</title>
<style>${style}</style></head>
<body><main><header><p class="eyebrow">Benchmark comparison</p>
<h1>${name(candidate.name)} <span class="pill ${verdict === "pass" ? "good" : verdict === "fail" ? "bad" : "open"}">${verdict.replace("_", " ")}</span></h1>
${banner}${sides(base, candidate, options.generatedAt)}</header>
${section("verdict", "Verdict", verdictOf(comparing), overview(comparing))}
${cells.map((cell, i) => html`<section id="cell-${i}">${comparedCell(cell, alpha, `change-${i}`, true)}</section>`)}
${unmatched(comparing)}${footer(comparing, options.version)}</main></body></html>
`.text;
}

function sides(base: ComparedCampaign, candidate: ComparedCampaign, generatedAt: string | undefined): Markup {
  const fact = (term: string, value: Markup | string): Markup =>
    html`<div><dt>${term}</dt><dd>${value}</dd></div>`;
  const side = (title: string, of: ComparedCampaign): Markup[] => [
    fact(
      title,
      html`${of.baseline === "" ? nothing : html`<strong>${name(of.baseline)}</strong>, `}<code>${of.campaignId}</code> <small>${of.state}</small>`,
    ),
    fact(`${title} ended`, of.endedAt === "" ? na("has not ended") : formatInstant(of.endedAt)),
  ];
  const made = generatedAt === undefined ? [] : [fact("Report made", formatInstant(generatedAt))];
  return html`<dl class="facts">${[...side("Base", base), ...side("New", candidate), ...made]}</dl>`;
}

/** One row for each cell, where there are several. */
function overview({ cells }: Comparing): Markup {
  if (cells.length < 2) return nothing;
  const rows = cells.map((cell, i) => [
    html`<a href="#cell-${i}">${name(cellText(cell.candidate))}</a>`,
    cell.pairs,
    cell.flipMetric === "" ? "—" : html`${cell.lost} / ${cell.won}`,
    html`${cell.metrics.filter((m) => m.judged).map((m) => html`${verdictBadge(m.verdict)} ${m.id} `)}`,
  ]);
  const columns = [
    { label: "Cell" },
    { label: "Pairs", numeric: true },
    { label: "Lost / won", numeric: true },
    { label: "Judged" },
  ];
  return table("All cells", columns, rows);
}

function unmatched({ unmatched: all }: Comparing): Markup {
  if (all.length === 0) return nothing;
  const rows = all.map((one) => [one.side === "base" ? "base" : "new", name(cellText(one)), one.reason]);
  const columns = [{ label: "Side" }, { label: "Cell" }, { label: "Why" }];
  return section("unmatched", "Not compared", table("Cells without a partner", columns, rows));
}

function footer({ alpha }: Comparing, version: string | undefined): Markup {
  return html`<footer><h2>How to read this</h2><ul>
<li><strong>Change</strong> is new minus base over the samples that both have, matched by content; each with an interval of ${percent(alpha)} by a bootstrap that draws whole clusters of both at once.</li>
<li><strong>Pass</strong>: the whole interval lies above what may be lost. <strong>Fail</strong>: the whole of it lies below. Else it cannot be told, and more samples are what helps.</li>
<li><strong>p</strong> is of the question whether there is any difference; it does not decide.</li>
<li><strong>Flipped</strong> samples are chosen by rule, the greatest changes first. They show what the numbers are made of and are no measure of anything.</li></ul>
<p>Made by SAI Bench${version === undefined ? nothing : ` ${version}`} from the result records alone. This file needs no network and runs no code.</p></footer>
`;
}
