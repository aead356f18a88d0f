/** The difference to the baseline that the suite names; its flipped samples are in a report of their own. */
import { html, type Markup, name } from "../markup.js";
import type { BaselineView } from "../report-html.js";
import { comparedCell, verdictOf } from "./compared.js";
import { section } from "./words.js";

export function baseline(view: BaselineView | undefined): Markup | undefined {
  if (view === undefined) return undefined;
  if ("problem" in view)
    return section(
      "baseline",
      "Baseline",
      html`<p>It could not be compared with its baseline: <bdi>${view.problem}</bdi></p>`,
    );
  const { comparing } = view;
  const { base, candidate, cells, alpha } = comparing;
  const intro = html`<p class="intro">Compared with ${name(base.baseline || base.campaignId)} <small>(${base.campaignId})</small>; flipped samples: <code>sai result compare ${base.baseline || base.campaignId} ${candidate.campaignId} --report FILE</code></p>`;
  const parts = cells.map((cell, i) => comparedCell(cell, alpha, `baseline-${i}`, false));
  return section("baseline", "Baseline", intro, verdictOf(comparing), parts);
}
