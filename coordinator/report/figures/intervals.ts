/**
 * Values with their intervals, one row per model: a marker on a whisker, the number beside it. Where there is no
 * value the row says n/a (why stands below the figure, where it has room), so that a missing model is seen to be missing.
 */
import { NA } from "../format.js";
import { html, type Markup } from "../markup.js";
import type { Look } from "../palette.js";
import { amountScale, ratioScale, type Scale } from "../scale.js";
import { label, marker, px, tickText, xAxis } from "../svg.js";

export interface IntervalRow {
  label: string;
  look: Look;
  simulated: boolean;
  /** A finite number, or undefined for n/a. */
  value: number | undefined;
  interval: { lo: number; hi: number } | undefined;
  /** The value as text, or n/a with its reason. */
  text: string;
  /** The whole story, shown when pointed at. */
  hint: string;
}

const WIDTH = 520;
const PLOT = { left: 158, right: 414, top: 8 };

export interface Drawing {
  size: { width: number; height: number };
  drawing: Markup;
}

/** `target` is a value in the metric's unit, drawn as a line; undefined if there is none. */
export function drawIntervals(
  rows: readonly IntervalRow[],
  unit: string,
  target: number | undefined,
): Drawing {
  const rowHeight = rows.length > 20 ? 19 : 27;
  const bottom = PLOT.top + rows.length * rowHeight;
  const values = rows
    .flatMap((r) => [r.value, r.interval?.hi, r.interval?.lo])
    .filter((v) => v !== undefined);
  const scale = scaleFor(target === undefined ? values : [...values, target], unit);
  const names = rows.map((row, i) => drawRow(row, scale, PLOT.top + (i + 0.5) * rowHeight));
  if (values.length === 0) return { size: { width: WIDTH, height: bottom }, drawing: html`${names}` };
  const axis = xAxis(scale, { top: PLOT.top, bottom }, (tick) => tickText(tick, unit));
  const line = target === undefined ? undefined : targetLine(scale, target, bottom);
  return { size: { width: WIDTH, height: bottom + 24 }, drawing: html`${axis}${line}${names}` };
}

function scaleFor(values: number[], unit: string): Scale {
  const range: [number, number] = [PLOT.left, PLOT.right];
  return unit === "ratio" ? ratioScale(values, range) : amountScale(values, range);
}

function targetLine(scale: Scale, target: number, bottom: number): Markup {
  const x = px(scale.at(target));
  return html`<line class="target" x1="${x}" x2="${x}" y1="${PLOT.top - 4}" y2="${px(bottom)}"><title>target</title></line>`;
}

function drawRow(row: IntervalRow, scale: Scale, y: number): Markup {
  const text = label({ x: 0, y: y + 4 }, row.label, { width: PLOT.left - 14 });
  const valueX = PLOT.right + 12;
  if (row.value === undefined) {
    const missing = label({ x: PLOT.left + 6, y: y + 4 }, NA, { width: 340, kind: "ax" });
    return html`<g>${text}${missing}<title>${row.hint}</title></g>`;
  }
  const value = label({ x: valueX, y: y + 4 }, row.text, { width: WIDTH - valueX, kind: "val" });
  return html`<g>${text}${whisker(row, scale, y)}${marker({ x: scale.at(row.value), y }, row.look, row.hint, row.simulated)}${value}</g>`;
}

function whisker(row: IntervalRow, scale: Scale, y: number): Markup | undefined {
  if (row.interval === undefined) return undefined;
  const [lo, hi] = [px(scale.at(row.interval.lo)), px(scale.at(row.interval.hi))];
  const [mid, up, down] = [px(y), px(y - 4), px(y + 4)];
  return html`<path class="line m${row.look.color}" d="M${lo} ${mid}H${hi}M${lo} ${up}V${down}M${hi} ${up}V${down}"><title>${row.hint}</title></path>`;
}
