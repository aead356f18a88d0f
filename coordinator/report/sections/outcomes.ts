/** How the samples ended, what went wrong with an example of each kind, and which flags the records carry. */
import { levelText } from "../../../shared/benchmark/load/load-spec.js";
import type { Cell, Failure } from "../../../shared/benchmark/summary.js";
import { figure } from "../figures/figure.js";
import { drawOutcomes, OUTCOMES } from "../figures/outcomes.js";
import { formatCount, formatPercent } from "../format.js";
import { html, type Markup, name, nothing } from "../markup.js";
import { table } from "../table.js";
import type { View } from "../view.js";
import { modelName, na, section } from "./words.js";

export function outcomes(view: View): Markup | undefined {
  if (view.summary.cells.length === 0) return undefined;
  return section("outcomes", "How samples ended", endings(view), failures(view), flags(view));
}

function endings(view: View): Markup {
  const tasks = view.tasks.length;
  const bars = view.summary.cells.flatMap((c) => {
    const task = tasks > 1 ? `${c.model} · ${c.prompt} · ${c.dataset}` : c.model;
    const label = c.load ? `${task} · ${levelText(c.load)}` : task;
    return c.counts === undefined || c.counts === null ? [] : [{ label, counts: c.counts }];
  });
  const seen = OUTCOMES.filter(({ key }) => bars.some((b) => b.counts[key] > 0));
  const anyCached = view.summary.cells.some((c) => c.cached > 0);
  const rows = view.summary.cells.map((c) => [
    modelName(view, c),
    name(c.prompt),
    name(c.dataset),
    c.counts ? formatCount(c.counts.planned) : na(""),
    ...OUTCOMES.map(({ key }) => (c.counts ? formatCount(c.counts[key]) : na(""))),
    ...(anyCached ? [formatCount(c.cached)] : []),
  ]);
  const numeric = true;
  const columns = [
    { label: "Model" },
    { label: "Prompt" },
    { label: "Dataset" },
    { label: "Planned", numeric },
    ...OUTCOMES.map(({ text }) => ({ label: text, numeric })),
    ...(anyCached ? [{ label: "of them from the cache", numeric }] : []),
  ];
  const said = bars.map(
    (b) => `${b.label}: ${seen.map(({ key, text }) => `${b.counts[key]} ${text}`).join(", ")}`,
  );
  return figure({
    id: "outcomes-all",
    caption: html`<strong>Samples per job</strong>`,
    description: `How samples ended. ${said.join("; ")}.`,
    legend: html`<ul class="legend">${seen.map(({ key, text }) => html`<li><svg aria-hidden="true" width="12" height="12" viewBox="0 0 12 12"><rect class="part o-${key}" width="12" height="12" rx="2"/></svg>${text}</li>`)}</ul>`,
    ...drawOutcomes(bars),
    table: table("Samples per job", columns, rows),
  });
}

/** A row for each message: a picture that is missing fails in every job that asks for it. */
function failures(view: View): Markup {
  const groups = new Map<string, { cells: Cell[]; failure: Failure; count: number }>();
  for (const cell of view.summary.cells) {
    for (const failure of cell.failures) {
      const key = JSON.stringify([failure.status, failure.class, failure.example]);
      const group = groups.get(key) ?? { cells: [], failure, count: 0 };
      group.cells.push(cell);
      group.count += failure.count;
      groups.set(key, group);
    }
  }
  const rows = [...groups.values()].map(({ cells, failure: f, count }) => [
    ...where(view, cells),
    html`${f.status} <small>${f.class}</small>`,
    formatCount(count),
    f.example === "" ? na("no message") : html`<code class="example"><bdi>${f.example}</bdi></code>`,
  ]);
  if (rows.length === 0)
    return html`<p class="note">No sample failed, was refused or could not be parsed.</p>`;
  const columns = [
    { label: "Model" },
    { label: "Task" },
    { label: "Status and class" },
    { label: "Samples", numeric: true },
    { label: "One example" },
  ];
  return table("Failures by class", columns, rows);
}

function flags(view: View): Markup {
  const groups = new Map<string, { cells: Cell[]; flag: string; count: number }>();
  for (const cell of view.summary.cells) {
    for (const [flag, count] of Object.entries(cell.flags)) {
      const key = JSON.stringify([cell.model, flag]);
      const group = groups.get(key) ?? { cells: [], flag, count: 0 };
      group.cells.push(cell);
      group.count += count;
      groups.set(key, group);
    }
  }
  const rows = [...groups.values()].map(({ cells, flag, count }) => {
    const planned = cells.reduce((sum, c) => sum + (c.counts?.planned ?? 0), 0);
    return [
      ...where(view, cells),
      html`<code>${flag}</code>`,
      formatCount(count),
      planned > 0 ? formatPercent(count / planned) : na(""),
    ];
  });
  if (rows.length === 0) return nothing;
  const numeric = true;
  const columns = [
    { label: "Model" },
    { label: "Task" },
    { label: "Flag" },
    { label: "Samples", numeric },
    { label: "Of planned", numeric },
  ];
  return table("Flags on samples", columns, rows);
}

/** The model and the task of what belongs together: by name while it is one, else how many. */
function where(view: View, cells: readonly Cell[]): Markup[] {
  const [first] = cells;
  if (first === undefined) return [nothing, nothing];
  const models = new Set(cells.map((c) => c.model)).size;
  const tasks = new Set(cells.map((c) => JSON.stringify([c.prompt, c.dataset]))).size;
  return [
    models === 1 ? modelName(view, first) : html`${formatCount(models)} models`,
    tasks === 1
      ? html`${name(first.prompt)} <small>on</small> ${name(first.dataset)}`
      : html`${formatCount(tasks)} tasks, ${formatCount(cells.length)} jobs`,
  ];
}
