/** The answer before the details: four tiles, then one table of all jobs. */
import { formatCount, formatMs, isNumber } from "../format.js";
import { html, type Markup } from "../markup.js";
import { table } from "../table.js";
import { answeredSamples, failedSamples, metricKind, metricOf, rankOf, type View } from "../view.js";
import { tiles } from "./tiles.js";
import { direction, intervalText, metricText, modelName, na } from "./words.js";

export function headline(view: View): Markup {
  if (view.summary.cells.length === 0) {
    return html`<section id="headline"><p class="empty">This campaign has no jobs, so there is nothing to show.</p></section>`;
  }
  return html`<section id="headline"><h2 class="hidden">Headline</h2>${tiles(view)}${overview(view)}</section>
`;
}

function overview(view: View): Markup {
  return html`${view.tasks.map((task) => {
    const id = task.primary;
    const kind = metricKind(task.cells, id ?? "");
    const lead = id === undefined ? "Metric" : html`${id} <small>${direction(kind.higherIsBetter)}</small>`;
    const rows = task.cells.map((cell) => {
      const metric = metricOf(cell.metrics, id);
      const rank = rankOf(cell, id);
      return [
        modelName(view, cell),
        html`<strong>${metricText(metric)}</strong>`,
        intervalText(metric),
        rank === undefined ? na("") : rank,
        isNumber(cell.e2eMs?.p50) ? formatMs(cell.e2eMs.p50) : na(""),
        html`${formatCount(answeredSamples(cell))} / ${formatCount(cell.counts?.planned ?? 0)}`,
        formatCount(failedSamples(cell)),
      ];
    });
    const columns = [
      { label: "Model" },
      { label: lead, numeric: true },
      { label: "95 % interval", numeric: true },
      { label: "Rank", numeric: true },
      { label: "Median time", numeric: true },
      { label: "Answered", numeric: true },
      { label: "Failed", numeric: true },
    ];
    return table(`${task.prompt} on ${task.dataset}`, columns, rows);
  })}`;
}
