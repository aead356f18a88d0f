/** SVG primitives: coordinates, markers, elided labels, axes. Colours come from the style sheet's classes. */
import { html, type Markup, visible } from "./markup.js";
import type { Look, Shape } from "./palette.js";
import type { Scale } from "./scale.js";

/** A coordinate with one decimal; throws RangeError if it is not a number, for that is a mistake of the caller. */
export function px(value: number): number {
  if (!Number.isFinite(value)) throw new RangeError(`coordinate ${value}`);
  return Math.round(value * 10) / 10;
}

/** A model's marker, centred; hollow marks simulated numbers. The hint, if any, shows when pointed at. */
export function marker(at: { x: number; y: number }, look: Look, hint: string, hollow = false): Markup {
  const path = SHAPE_PATHS[look.shape];
  const title = hint === "" ? undefined : html`<title>${hint}</title>`;
  return html`<path class="dot m${look.color}${hollow ? " hollow" : ""}" transform="translate(${px(at.x)} ${px(at.y)})" d="${path}">${title}</path>`;
}

/** Paths of about equal area around the origin. */
const SHAPE_PATHS: { [shape in Shape]: string } = {
  circle: "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
  square: "M-4 -4h8v8h-8z",
  diamond: "M0 -5.6L5.6 0L0 5.6L-5.6 0z",
  up: "M0 -5.4L5.2 4H-5.2z",
  down: "M0 5.4L5.2 -4H-5.2z",
  hexagon: "M-5 0L-2.5 -4.4H2.5L5 0L2.5 4.4H-2.5z",
  plus: "M-1.7 -5h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3v-3.4h3.3z",
};

/** Text cut in its middle to fit a width, whole when pointed at. `size` is the font size in pixels. */
export function label(at: { x: number; y: number }, text: string, options: LabelOptions): Markup {
  const { width, size = 12, anchor = "start", kind = "lbl" } = options;
  const whole = visible(text === "" ? "(no name)" : text);
  const shown = elide(whole, Math.max(3, Math.floor(width / (size * 0.56))));
  const title = shown === whole ? undefined : html`<title>${whole}</title>`;
  return html`<text class="${kind}" x="${px(at.x)}" y="${px(at.y)}" font-size="${size}" text-anchor="${anchor}">${title}${shown}</text>`;
}

export interface LabelOptions {
  width: number;
  size?: number;
  anchor?: "start" | "middle" | "end";
  /** CSS class: lbl (names), ax (axes), val (values). */
  kind?: string;
}

/** The beginning and the end of a text with … between; whole if it has at most `max` characters. */
export function elide(text: string, max: number): string {
  const chars = [...text];
  if (chars.length <= max) return text;
  const head = Math.ceil((max - 1) / 2);
  const tail = max - 1 - head;
  return `${chars.slice(0, head).join("")}…${tail > 0 ? chars.slice(-tail).join("") : ""}`;
}

/** Grid lines over a height with their values below. */
export function xAxis(
  scale: Scale,
  box: { top: number; bottom: number },
  format: (tick: number) => string,
): Markup {
  return html`<g class="axis">${scale.ticks.map((tick) => {
    const x = px(scale.at(tick));
    return html`<line x1="${x}" x2="${x}" y1="${px(box.top)}" y2="${px(box.bottom)}"/><text class="ax" font-size="11" x="${x}" y="${px(box.bottom + 17)}" text-anchor="middle">${format(tick)}</text>`;
  })}</g>`;
}

/** Grid lines over a width with their values on the left. */
export function yAxis(
  scale: Scale,
  box: { left: number; right: number },
  format: (tick: number) => string,
): Markup {
  return html`<g class="axis">${scale.ticks.map((tick) => {
    const y = px(scale.at(tick));
    return html`<line x1="${px(box.left)}" x2="${px(box.right)}" y1="${y}" y2="${y}"/><text class="ax" font-size="11" x="${px(box.left - 7)}" y="${px(y + 4)}" text-anchor="end">${format(tick)}</text>`;
  })}</g>`;
}

/** Axis values without more digits than needed. */
export function tickText(tick: number, unit: string): string {
  const plain = (value: number): string => String(Number(value.toPrecision(4)));
  if (unit === "ratio") return `${plain(tick * 100)}\u00A0%`;
  if (unit === "ms") return Math.abs(tick) < 1000 ? `${plain(tick)}\u00A0ms` : `${plain(tick / 1000)}\u00A0s`;
  if (unit === "usd") return `$${plain(tick)}`;
  return unit === "per_s" ? `${plain(tick)}\u00A0/s` : plain(tick);
}
