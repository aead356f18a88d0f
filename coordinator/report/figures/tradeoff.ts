/**
 * What better answers cost: quality against time (or money), one marker per model with the 95 % interval of its
 * quality. The stepped line joins those that no other model beats in both (the Pareto front).
 */
import { html, type Markup } from "../markup.js";
import type { Look } from "../palette.js";
import { amountScale, ratioScale, type Scale, timeScale } from "../scale.js";
import { label, marker, px, tickText, xAxis, yAxis } from "../svg.js";
import type { Drawing } from "./intervals.js";

export interface TradeoffPoint {
  label: string;
  look: Look;
  simulated: boolean;
  /** Smaller is better. */
  x: number;
  y: number;
  interval: { lo: number; hi: number } | undefined;
  hint: string;
}

export interface TradeoffAxes {
  x: { unit: string; label: string };
  y: { unit: string; label: string; higherIsBetter: boolean };
}

const SIZE = { width: 920, height: 360 };
const BOX = { left: 62, right: 900, top: 26, bottom: 312 };

export function drawTradeoff(all: readonly TradeoffPoint[], axes: TradeoffAxes): Drawing {
  const xs = all.map((p) => p.x);
  const range: [number, number] = [BOX.left, BOX.right];
  const x = axes.x.unit === "ms" ? timeScale(xs, range) : amountScale(xs, range, 6);
  const ys = all.flatMap((p) => [p.y, p.interval?.lo, p.interval?.hi]).filter((v) => v !== undefined);
  const rise: [number, number] = [BOX.bottom, BOX.top];
  const y = axes.y.unit === "ratio" ? ratioScale(ys, rise) : amountScale(ys, rise);
  const xText = `${axes.x.label}${x.kind === "log" ? " (logarithmic)" : ""} → ${axes.y.higherIsBetter ? "upper" : "lower"} left is better`;
  const drawing = html`${yAxis(y, BOX, (t) => tickText(t, axes.y.unit))}${xAxis(x, BOX, (t) => tickText(t, axes.x.unit))}
<text class="ax" font-size="11" x="4" y="12">${axes.y.label}</text><text class="ax" font-size="11" x="${BOX.right}" y="${SIZE.height - 8}" text-anchor="end">${xText}</text>
${frontLine(all, axes, x, y)}${all.map((p) => whisker(p, x, y))}${all.map((p) => marker({ x: x.at(p.x), y: y.at(p.y) }, p.look, p.hint, p.simulated))}${placeLabels(all, x, y)}`;
  return { size: SIZE, drawing };
}

/** Points that no other beats: none is at least as good in both and better in one. Sorted by x. */
export function paretoFront(all: readonly TradeoffPoint[], higherIsBetter: boolean): TradeoffPoint[] {
  const gain = (p: TradeoffPoint): number => (higherIsBetter ? p.y : -p.y);
  const beats = (a: TradeoffPoint, b: TradeoffPoint): boolean =>
    a.x <= b.x && gain(a) >= gain(b) && (a.x < b.x || gain(a) > gain(b));
  return all.filter((p) => !all.some((q) => beats(q, p))).sort((a, b) => a.x - b.x);
}

function frontLine(
  all: readonly TradeoffPoint[],
  axes: TradeoffAxes,
  x: Scale,
  y: Scale,
): Markup | undefined {
  const front = paretoFront(all, axes.y.higherIsBetter);
  const first = front[0];
  if (first === undefined || all.length < 2) return undefined;
  const steps = front.slice(1).map((p) => `H${px(x.at(p.x))}V${px(y.at(p.y))}`);
  const path = `M${px(x.at(first.x))} ${px(y.at(first.y))}${steps.join("")}H${BOX.right}`;
  return html`<path class="front" d="${path}"><title>Pareto front</title></path>`;
}

function whisker(p: TradeoffPoint, x: Scale, y: Scale): Markup | undefined {
  if (p.interval === undefined) return undefined;
  const at = px(x.at(p.x));
  return html`<path class="line faint m${p.look.color}" d="M${at} ${px(y.at(p.interval.lo))}V${px(y.at(p.interval.hi))}"/>`;
}

/** Names beside their markers where there is room; the legend names the others. */
function placeLabels(all: readonly TradeoffPoint[], x: Scale, y: Scale): Markup[] {
  const taken = all.map((p) => rectangle(x.at(p.x) - 6, y.at(p.y) - 6, 12, 12));
  const placed: Markup[] = [];
  for (const p of all) {
    const text = p.label === "" ? "(no name)" : p.label;
    const width = Math.min(190, [...text].length * 6.9 + 6);
    const [cx, cy] = [x.at(p.x), y.at(p.y)];
    for (const [dx, dy, anchor] of [
      [10, 4, "start"],
      [-10, 4, "end"],
      [10, -10, "start"],
      [10, 18, "start"],
      [-10, -10, "end"],
      [-10, 18, "end"],
    ] as const) {
      const left = anchor === "start" ? cx + dx : cx + dx - width;
      const box = rectangle(left, cy + dy - 11, width, 14);
      if (left < BOX.left || left + width > SIZE.width || taken.some((t) => overlap(t, box))) continue;
      taken.push(box);
      placed.push(label({ x: cx + dx, y: cy + dy }, text, { width, anchor, kind: "lbl halo" }));
      break;
    }
  }
  return placed;
}

interface Rectangle {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

const rectangle = (x: number, y: number, width: number, height: number): Rectangle => ({
  x0: x,
  y0: y,
  x1: x + width,
  y1: y + height,
});

const overlap = (a: Rectangle, b: Rectangle): boolean =>
  a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1;
