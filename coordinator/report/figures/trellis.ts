/**
 * Small multiples: one panel per level, one row per model, all on one scale, so that a change of order from level to
 * level (a crossover) is seen at a glance. Five panels stand in a line; more levels start further lines.
 */
import { html, type Markup } from "../markup.js";
import { amountScale, ratioScale, type Scale } from "../scale.js";
import { label, marker, px, tickText, xAxis } from "../svg.js";
import type { Drawing, IntervalRow } from "./intervals.js";

export interface Panel {
  level: string;
  /** In the same order in every panel. */
  rows: IntervalRow[];
  /** Indices of the rows with the best value. */
  best: number[];
}

const WIDTH = 920;
const LABEL = 176;
const PER_LINE = 5;
const HEAD = 30;
const FOOT = 34;

export function drawTrellis(panels: readonly Panel[], unit: string): Drawing {
  const models = panels[0]?.rows.length ?? 0;
  const rowHeight = models > 12 ? 19 : 31;
  const lineHeight = HEAD + models * rowHeight + FOOT;
  const perLine = Math.min(PER_LINE, panels.length);
  const panelWidth = (WIDTH - LABEL) / Math.max(perLine, 3);
  const values = panels.flatMap((p) => p.rows.flatMap((r) => [r.value, r.interval?.lo, r.interval?.hi]));
  const finite = values.filter((v) => v !== undefined);
  const drawing = panels.map((panel, i) => {
    const top = Math.floor(i / PER_LINE) * lineHeight;
    const left = LABEL + (i % PER_LINE) * panelWidth;
    const range: [number, number] = [left + 14, left + panelWidth - 32];
    const scale = unit === "ratio" ? ratioScale(finite, range, 2) : amountScale(finite, range, 2);
    const names = i % PER_LINE === 0 ? rowNames(panel, top, rowHeight) : undefined;
    return html`${names}${drawPanel(panel, scale, { left, width: panelWidth, top, rowHeight, unit })}`;
  });
  const lines = Math.ceil(panels.length / PER_LINE);
  return { size: { width: WIDTH, height: lines * lineHeight }, drawing: html`${drawing}` };
}

function rowNames(panel: Panel, top: number, rowHeight: number): Markup {
  return html`${panel.rows.map((row, i) =>
    label({ x: 0, y: top + HEAD + (i + 0.5) * rowHeight + (rowHeight > 20 ? 9 : 4) }, row.label, {
      width: LABEL - 8,
    }),
  )}`;
}

/** The unit stands at the last tick alone: panels are narrow. */
function shortTick(tick: number, scale: Scale, unit: string): string {
  if (unit !== "ratio" || tick === scale.ticks.at(-1)) return tickText(tick, unit);
  return String(Number((tick * 100).toPrecision(4)));
}

interface PanelBox {
  left: number;
  width: number;
  top: number;
  rowHeight: number;
  unit: string;
}

function drawPanel(panel: Panel, scale: Scale, box: PanelBox): Markup {
  const top = box.top + HEAD;
  const bottom = top + panel.rows.length * box.rowHeight;
  const title = label({ x: box.left + 14, y: top - 11 }, panel.level, {
    width: box.width - 30,
    kind: "lbl strong",
  });
  const rows = panel.rows.map((row, i) => {
    const y = top + (i + 0.5) * box.rowHeight;
    return html`<g>${mark(row, scale, y, { best: panel.best.includes(i), left: box.left + 14, roomy: box.rowHeight > 20 })}</g>`;
  });
  return html`${title}${xAxis(scale, { top: top - 2, bottom }, (t) => shortTick(t, scale, box.unit))}${rows}`;
}

function mark(
  row: IntervalRow,
  scale: Scale,
  y: number,
  at: { best: boolean; left: number; roomy: boolean },
): Markup {
  if (row.value === undefined)
    return html`<text class="ax" font-size="11" x="${px(at.left + 4)}" y="${px(y + 4)}">n/a<title>${row.hint}</title></text>`;
  const dotY = at.roomy ? y + 5 : y;
  const x = scale.at(row.value);
  const interval =
    row.interval === undefined
      ? undefined
      : html`<path class="line m${row.look.color}" d="M${px(scale.at(row.interval.lo))} ${px(dotY)}H${px(scale.at(row.interval.hi))}"><title>${row.hint}</title></path>`;
  const value = at.roomy
    ? html`<text class="val halo${at.best ? " strong" : ""}" font-size="11.5" text-anchor="middle" x="${px(x)}" y="${px(y - 4)}">${row.text}</text>`
    : undefined;
  return html`${interval}${marker({ x, y: dotY }, row.look, row.hint, row.simulated)}${value}`;
}
