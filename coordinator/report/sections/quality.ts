/** Every metric of every task: values with 95 % intervals per model, and both ways of counting failures. */
import type { Cell } from "../../../shared/benchmark/summary.js";
import { figure } from "../figures/figure.js";
import { drawIntervals } from "../figures/intervals.js";
import { formatCount, formatValue, isNumber } from "../format.js";
import { html, type Markup, nothing } from "../markup.js";
import { table } from "../table.js";
import { hasValue, metricIds, metricKind, metricOf, rankOf, type Task, type View } from "../view.js";
import {
  direction,
  intervalRow,
  intervalText,
  metricText,
  missingNote,
  modelName,
  na,
  section,
  targetValue,
  taskTitle,
} from "./words.js";

export function quality(view: View): Markup | undefined {
  const tasks = view.tasks.filter((t) => metricIds(t.cells).length > 0);
  if (tasks.length === 0) return undefined;
  return section(
    "quality",
    "Metrics with 95 % intervals",
    html`<p class="intro">Failures count as wrong; the tables also give each value over answered samples only. Overlapping intervals are no test: see the verdicts.</p>`,
    tasks.map((task, i) => {
      const ids = metricIds(task.cells);
      const valued = ids.filter((id) => hasValue(task.cells, id));
      const figures = valued.map((id, j) => metricFigure(view, task, id, `quality-${i}-${j}`));
      const grid = figures.length === 0 ? nothing : html`<div class="grid">${figures}</div>`;
      return html`${taskTitle(task)}${grid}${withoutValue(
        task,
        ids.filter((id) => !valued.includes(id)),
      )}`;
    }),
  );
}

/** Metrics no model has a value of: a line each, for a panel would show nothing. */
function withoutValue(task: Task, ids: readonly string[]): Markup {
  const items = ids.map((id) => {
    const note = missingNote(task.cells, (cell) => metricOf(cell.metrics, id));
    return html`<li><strong>${id}</strong> ${note}</li>`;
  });
  return items.length === 0 ? nothing : html`<ul class="notes">${items}</ul>`;
}

function metricFigure(view: View, task: Task, id: string, figureId: string): Markup {
  const kind = metricKind(task.cells, id);
  const rows = task.cells.map((cell) => intervalRow(view, cell, metricOf(cell.metrics, id)));
  const target = targetValue(task.cells, id);
  const expression = task.cells.map((c) => metricOf(c.metrics, id)?.target?.expression).find((e) => !!e);
  const aim = expression === undefined ? "" : `; target ${expression}, dashed`;
  return figure({
    id: figureId,
    caption: html`<strong>${id}</strong> <small>${direction(kind.higherIsBetter)}${aim}</small>`,
    description: `${id} per model, ${direction(kind.higherIsBetter)}. ${rows.map((r) => r.hint).join("; ")}.`,
    ...drawIntervals(rows, kind.unit, target),
    ...noteOf(missingNote(task.cells, (cell) => metricOf(cell.metrics, id))),
    table: metricTable(view, task.cells, id),
  });
}

const noteOf = (note: Markup | undefined): { note?: Markup } => (note === undefined ? {} : { note });

function metricTable(view: View, cells: readonly Cell[], id: string): Markup {
  const rows = cells.map((cell) => {
    const metric = metricOf(cell.metrics, id);
    const answered = metric?.answeredOnly;
    return [
      modelName(view, cell),
      metricText(metric),
      intervalText(metric),
      metric?.interval?.method ?? na(""),
      formatCount(metric?.n ?? 0),
      answered === undefined || answered === null
        ? "the same"
        : isNumber(answered.value)
          ? html`${formatValue(answered.value, metric?.unit ?? "")} <small>n ${formatCount(answered.n)}</small>`
          : na(`n ${formatCount(answered.n)}`),
      rankOf(cell, id) ?? na(""),
    ];
  });
  const columns = [
    { label: "Model" },
    { label: id, numeric: true },
    { label: "95 % interval", numeric: true },
    { label: "Method" },
    { label: "n", numeric: true },
    { label: "Answered only", numeric: true },
    { label: "Rank", numeric: true },
  ];
  return table(`${id} per model`, columns, rows);
}
