/** The suite's targets: met, missed, or not decidable because the metric is n/a. */
import { html, type Markup, name } from "../markup.js";
import { table } from "../table.js";
import type { View } from "../view.js";
import { intervalText, metricText, modelName, section } from "./words.js";

export function targets(view: View): Markup | undefined {
  const rows = view.summary.cells.flatMap((cell) =>
    cell.metrics.flatMap((metric) =>
      metric.target === undefined || metric.target === null
        ? []
        : [
            [
              modelName(view, cell),
              html`${name(cell.prompt)} <small>on</small> ${name(cell.dataset)}`,
              metric.id,
              html`<code class="whole">${metric.target.expression}</code>`,
              metricText(metric),
              intervalText(metric),
              outcome(metric.target.met),
            ],
          ],
    ),
  );
  if (rows.length === 0) return undefined;
  const columns = [
    { label: "Model" },
    { label: "Task" },
    { label: "Metric" },
    { label: "Target" },
    { label: "Value", numeric: true },
    { label: "95 % interval", numeric: true },
    { label: "Result" },
  ];
  const intro = html`<p class="intro">A target is met by the value itself; where its interval reaches across the target, another draw of items could end otherwise.</p>`;
  return section("targets", "Targets", intro, table("Targets of the suite", columns, rows));
}

function outcome(met: boolean | undefined | null): Markup {
  if (met === true) return html`<span class="badge win">✓ met</span>`;
  return met === false
    ? html`<span class="badge lose">✗ missed</span>`
    : html`<span class="badge tie">n/a</span>`;
}
