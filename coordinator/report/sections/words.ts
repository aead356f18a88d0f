/** Phrases and marks that several sections share, so that the same thing is always said the same way. */
import type { Cell, MetricValue } from "../../../shared/benchmark/summary.js";
import type { IntervalRow } from "../figures/intervals.js";
import { formatCount, formatValue, isNumber, NA } from "../format.js";
import { html, type Markup, name, nothing } from "../markup.js";
import { marker } from "../svg.js";
import { metricOf, type Task, type View } from "../view.js";

/** n/a with its reason, never a number. */
export function na(reason: string): Markup {
  return html`<span class="na">n/a${reason === "" ? nothing : html` <small>${reason}</small>`}</span>`;
}

export const simulatedMark = html`<strong class="badge sim">SIMULATED</strong>`;

/** A model's name beside its marker, marked if its numbers are simulated. */
export function modelName(view: View, cell: { model: string; simulated: boolean }): Markup {
  const look = view.look(cell.model);
  return html`<span class="model"><svg aria-hidden="true" width="13" height="13" viewBox="0 0 13 13">${marker({ x: 6.5, y: 6.5 }, look, "", cell.simulated)}</svg> ${name(cell.model)}${cell.simulated ? html` ${simulatedMark}` : nothing}</span>`;
}

export const direction = (higherIsBetter: boolean): string =>
  higherIsBetter ? "higher is better" : "lower is better";

/** A task's heading: what the models compete on. */
export function taskTitle(task: Task): Markup {
  return html`<h3>${name(task.prompt)} <span class="on-data">on</span> ${name(task.dataset)}</h3>`;
}

/** The value of a metric, or n/a and why. */
export function metricText(metric: MetricValue | undefined): Markup {
  if (metric === undefined || !isNumber(metric.value)) return na(reasonOf(metric));
  return html`${formatValue(metric.value, metric.unit)}`;
}

export function intervalText(metric: MetricValue | undefined): Markup {
  const interval = metric?.interval;
  if (metric === undefined || interval === undefined || interval === null) return na("");
  if (!isNumber(interval.lo) || !isNumber(interval.hi)) return na("");
  return html`${formatValue(interval.lo, metric.unit)} to ${formatValue(interval.hi, metric.unit)}`;
}

/** A cell's metric as a row of an interval figure. */
export function intervalRow(view: View, cell: Cell, metric: MetricValue | undefined): IntervalRow {
  const value = isNumber(metric?.value) ? metric.value : undefined;
  const lo = metric?.interval?.lo;
  const hi = metric?.interval?.hi;
  const interval = value !== undefined && isNumber(lo) && isNumber(hi) ? { lo, hi } : undefined;
  const unit = metric?.unit ?? "";
  const text = value === undefined ? `${NA}: ${reasonOf(metric)}` : formatValue(value, unit);
  const range =
    interval === undefined
      ? ""
      : `, 95 % interval ${formatValue(interval.lo, unit)} to ${formatValue(interval.hi, unit)} (${metric?.interval?.method ?? ""})`;
  return {
    label: cell.model,
    look: view.look(cell.model),
    simulated: cell.simulated,
    value,
    interval,
    text,
    hint: `${cell.model}: ${text}${range}, n ${formatCount(metric?.n ?? 0)}${cell.simulated ? ", simulated" : ""}`,
  };
}

/**
 * Why some models have no value, each reason once and whole: `n/a: the reason – one, two`. Undefined when all have one.
 */
export function missingNote(
  cells: readonly Cell[],
  of: (cell: Cell) => MetricValue | undefined,
): Markup | undefined {
  const models = new Map<string, string[]>();
  for (const cell of cells) {
    const metric = of(cell);
    if (isNumber(metric?.value)) continue;
    const reason = reasonOf(metric);
    models.set(reason, [...(models.get(reason) ?? []), cell.model]);
  }
  if (models.size === 0) return undefined;
  const parts = [...models].map(([reason, of], i) => {
    const all = of.length === cells.length ? nothing : html` – ${list(of)}`;
    return html`${i > 0 ? "; " : nothing}${reason}${all}`;
  });
  return html`${NA}: ${parts}`;
}

const list = (names: readonly string[]): Markup[] =>
  names.map((text, i) => html`${i > 0 ? ", " : nothing}${name(text)}`);

const reasonOf = (metric: MetricValue | undefined): string =>
  metric === undefined ? "not asked for" : metric.reason || "no reason recorded";

/** The number in a target such as ">= 0.80" or "< 15 %", in the metric's unit; undefined if it has another form. */
export function targetValue(cells: readonly Cell[], metricId: string): number | undefined {
  const expression = cells.map((c) => metricOf(c.metrics, metricId)?.target?.expression).find((e) => !!e);
  const match = /^\s*(?:[<>]=?|==?)\s*(\d+(?:\.\d+)?)\s*(%?)\s*$/.exec(expression ?? "");
  return match === null ? undefined : Number(match[1]) / (match[2] === "%" ? 100 : 1);
}

export function section(id: string, title: string, ...body: (Markup | readonly Markup[])[]): Markup {
  return html`<section id="${id}"><h2>${title}</h2>
${body}</section>
`;
}
