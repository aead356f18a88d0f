/** Quality against latency, and against cost where it is known: what a better answer takes. */
import type { Cell } from "../../../shared/benchmark/summary.js";
import { figure, legend } from "../figures/figure.js";
import { drawTradeoff, paretoFront, type TradeoffPoint } from "../figures/tradeoff.js";
import { formatValue, isNumber } from "../format.js";
import { html, type Markup } from "../markup.js";
import { table } from "../table.js";
import { metricKind, metricOf, type Task, type View } from "../view.js";
import { direction, intervalRow, intervalText, metricText, modelName, section, taskTitle } from "./words.js";

interface Price {
  key: string;
  label: string;
  unit: string;
  of(cell: Cell): number | undefined;
}

const PRICES: readonly Price[] = [
  {
    key: "latency",
    label: "median end-to-end time",
    unit: "ms",
    of: (c) => (c.e2eMs && c.e2eMs.n > 0 ? c.e2eMs.p50 : undefined),
  },
  { key: "cost", label: "cost", unit: "usd", of: (c) => metricOf(c.metrics, "cost")?.value },
];

export function tradeoffs(view: View): Markup | undefined {
  const figures = view.tasks.flatMap((task, i) => {
    const drawn = PRICES.flatMap((price) => tradeoffFigure(view, task, price, `tradeoff-${i}-${price.key}`));
    return drawn.length === 0 ? [] : [html`${taskTitle(task)}${drawn}`];
  });
  if (figures.length === 0) return undefined;
  const intro = html`<p class="intro">The stepped line (Pareto front) joins the models that no other beats in both. It uses the values as they are; whether a difference is significant is said by the verdicts.</p>`;
  return section("tradeoffs", "Quality against latency and cost", intro, figures);
}

function tradeoffFigure(view: View, task: Task, price: Price, id: string): Markup[] {
  const metric = task.primary;
  if (metric === undefined || metric === "latency" || metric === price.key) return [];
  const kind = metricKind(task.cells, metric);
  const points = task.cells.flatMap((cell) => pointOf(view, cell, metric, price));
  if (points.length === 0) return [];
  const front = paretoFront(points, kind.higherIsBetter).map((p) => p.label);
  const axes = {
    x: { unit: price.unit, label: price.label },
    y: {
      unit: kind.unit,
      label: `${metric}, ${direction(kind.higherIsBetter)}`,
      higherIsBetter: kind.higherIsBetter,
    },
  };
  const rows = task.cells.map((cell) => {
    const value = price.of(cell);
    return [
      modelName(view, cell),
      isNumber(value) ? formatValue(value, price.unit) : "n/a",
      metricText(metricOf(cell.metrics, metric)),
      intervalText(metricOf(cell.metrics, metric)),
      front.includes(cell.model) ? "yes" : points.some((p) => p.label === cell.model) ? "no" : "n/a",
    ];
  });
  const columns = [
    { label: "Model" },
    { label: price.label, numeric: true },
    { label: metric, numeric: true },
    { label: "95 % interval", numeric: true },
    { label: "On the front" },
  ];
  return [
    figure({
      id,
      caption: html`<strong>${metric}</strong> against <strong>${price.label}</strong>`,
      description: `${metric} against ${price.label}. ${points.map((p) => p.hint).join("; ")}. On the Pareto front: ${front.join(", ")}.`,
      ...drawTradeoff(points, axes),
      legend: legend(
        points.map((p) => ({ text: p.label, look: { ...p.look, dash: "" }, hollow: p.simulated })),
      ),
      table: table(`${metric} against ${price.label}`, columns, rows),
    }),
  ];
}

function pointOf(view: View, cell: Cell, metric: string, price: Price): TradeoffPoint[] {
  const row = intervalRow(view, cell, metricOf(cell.metrics, metric));
  const x = price.of(cell);
  if (row.value === undefined || !isNumber(x)) return [];
  const { label, look, simulated, interval } = row;
  const hint = `${row.hint}; ${price.label} ${formatValue(x, price.unit)}`;
  return [{ label, look, simulated, interval, x, y: row.value, hint }];
}
