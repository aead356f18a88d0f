/** Metrics by level of difficulty: one panel per level, so that a crossover cannot hide behind an average. */
import type { Cell } from "../../../shared/benchmark/summary.js";
import { figure } from "../figures/figure.js";
import { drawTrellis, type Panel } from "../figures/trellis.js";
import { formatCount, isNumber } from "../format.js";
import { html, type Markup, name } from "../markup.js";
import { table } from "../table.js";
import { metricKind, metricOf, type Task, type View } from "../view.js";
import { direction, intervalRow, intervalText, metricText, modelName, section, taskTitle } from "./words.js";

export function levels(view: View): Markup | undefined {
  const tasks = view.tasks.filter((t) => t.cells.some((c) => c.levels.length > 0));
  if (tasks.length === 0) return undefined;
  return section(
    "levels",
    "By level",
    html`<p class="intro">The highest (or lowest, where lower is better) value of each level is bold; that alone is no test.</p>`,
    tasks.map((task, i) => {
      // What has no value at any level is said once, among the metrics.
      const valued = task.cells.flatMap((c) =>
        c.levels.flatMap((l) => l.metrics.filter((m) => isNumber(m.value))),
      );
      const ids = [...new Set(valued.map((m) => m.id))];
      return html`${taskTitle(task)}${ids.map((id, j) => levelFigure(view, task, id, `levels-${i}-${j}`))}`;
    }),
  );
}

function levelFigure(view: View, task: Task, id: string, figureId: string): Markup {
  const { higherIsBetter, unit } = levelKind(task.cells, id);
  const panels = levelNames(task).map((level): Panel => {
    const rows = task.cells.map((cell) => intervalRow(view, cell, levelMetric(cell, level, id)));
    const values = rows.map((r) => r.value).filter((v) => v !== undefined);
    const best = higherIsBetter ? Math.max(...values) : Math.min(...values);
    return { level, rows, best: rows.flatMap((r, i) => (r.value === best ? [i] : [])) };
  });
  const said = panels.map((p) => `${p.level}: ${p.rows.map((r) => `${r.label} ${r.text}`).join(", ")}`);
  return figure({
    id: figureId,
    caption: html`<strong>${id}</strong> <small>by level, with 95 % intervals; ${direction(higherIsBetter)}</small>`,
    description: `${id} by level and model. ${said.join("; ")}.`,
    ...drawTrellis(panels, unit),
    table: levelTable(view, task, id),
  });
}

function levelTable(view: View, task: Task, id: string): Markup {
  const rows = levelNames(task).flatMap((level) =>
    task.cells.map((cell) => {
      const metric = levelMetric(cell, level, id);
      return [
        name(level),
        modelName(view, cell),
        metricText(metric),
        intervalText(metric),
        formatCount(metric?.n ?? 0),
      ];
    }),
  );
  const columns = [
    { label: "Level" },
    { label: "Model" },
    { label: id, numeric: true },
    { label: "95 % interval", numeric: true },
    { label: "n", numeric: true },
  ];
  return table(`${id} by level`, columns, rows);
}

const levelNames = (task: Task): string[] => [
  ...new Set(task.cells.flatMap((c) => c.levels.map((l) => l.level))),
];

function levelMetric(cell: Cell, level: string, id: string): ReturnType<typeof metricOf> {
  return metricOf(cell.levels.find((l) => l.level === level)?.metrics ?? [], id);
}

function levelKind(cells: readonly Cell[], id: string): ReturnType<typeof metricKind> {
  const metric = cells.flatMap((c) => c.levels.flatMap((l) => l.metrics)).find((m) => m.id === id);
  return metric ?? metricKind(cells, id);
}
