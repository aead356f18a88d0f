/** The head of the report: what was measured, in which state, from what, and whether any of it is simulated. */
import { formatMs } from "../format.js";
import { elapsedMs, formatInstant } from "../instant.js";
import { html, type Markup, name, nothing } from "../markup.js";
import type { View } from "../view.js";
import { na } from "./words.js";

export function header(view: View, generatedAt: string | undefined): Markup {
  const s = view.summary;
  const elapsed = elapsedMs(s.createdAt, s.endedAt);
  const facts: [string, Markup | string][] = [
    ["Campaign", html`<code>${s.campaignId}</code>`],
    ["Created", s.createdAt === "" ? na("not recorded") : formatInstant(s.createdAt)],
    ["Ended", s.endedAt === "" ? na("has not ended") : formatInstant(s.endedAt)],
    ["Took", elapsed === undefined ? na("") : formatMs(elapsed)],
    ["Suite", hash(s.suiteSha256)],
    ["Plan", hash(s.planSha256)],
  ];
  if (generatedAt !== undefined) facts.splice(4, 0, ["Report made", formatInstant(generatedAt)]);
  return html`<header><p class="eyebrow">Benchmark report</p>
<h1>${name(s.name)} ${statePill(s.state)}</h1>
${s.description === "" ? nothing : html`<p class="lead">${name(s.description)}</p>`}
${simulatedBanner(view)}<dl class="facts">${facts.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl></header>
`;
}

function statePill(state: string): Markup {
  const kind = state === "succeeded" ? "good" : /fail|cancel/.test(state) ? "bad" : "open";
  return html`<span class="pill ${kind}">${state === "" ? "state unknown" : state}</span>`;
}

function hash(sha256: string): Markup {
  return sha256 === "" ? na("not recorded") : html`<code class="hash">${sha256}</code>`;
}

function simulatedBanner(view: View): Markup {
  const { simulated, cells } = view.summary;
  const count = cells.filter((c) => c.simulated).length;
  if (!simulated && count === 0) return nothing;
  const which =
    count === 0 || count === cells.length
      ? "All numbers come"
      : `Numbers of ${count} of ${cells.length} jobs, each marked, come`;
  return html`<p class="banner" role="note"><strong>SIMULATED</strong> ${which} from the simulated engine. They say nothing about any model.</p>
`;
}
