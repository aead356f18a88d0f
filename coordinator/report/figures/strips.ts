/**
 * Distributions of many models, one strip each: thin from the 5th to the 95th percentile, thick over the middle half,
 * a marker at the median. Drawn where curves would be a tangle.
 */
import { formatMs, isNumber } from "../format.js";
import { html, type Markup } from "../markup.js";
import { type Scale, timeScale } from "../scale.js";
import { label, marker, px, tickText, xAxis } from "../svg.js";
import type { Curve } from "./cumulative.js";
import type { Drawing } from "./intervals.js";

const PLOT = { left: 216, top: 8 };

export function drawStrips(curves: readonly Curve[], width: number): Drawing & { log: boolean } {
  const bottom = PLOT.top + curves.length * 19;
  const right = width - 80;
  const ends = curves.flatMap((c) => [quantile(c, 5), quantile(c, 95)]);
  const scale = timeScale(ends.filter(isNumber), [PLOT.left, right]);
  const drawing = html`${xAxis(scale, { top: PLOT.top, bottom }, (t) => tickText(t, "ms"))}${curves.map(
    (c, i) => drawStrip(c, scale, { y: PLOT.top + (i + 0.5) * 19, right }),
  )}`;
  return { size: { width, height: bottom + 24 }, drawing, log: scale.kind === "log" };
}

function drawStrip(curve: Curve, scale: Scale, at: { y: number; right: number }): Markup {
  const css = `line m${curve.look.color}`;
  const bar = (from: number, to: number, kind: string): Markup | undefined => {
    const [lo, hi] = [quantile(curve, from), quantile(curve, to)];
    if (!isNumber(lo) || !isNumber(hi)) return undefined;
    return html`<path class="${css} ${kind}" d="M${px(scale.at(lo))} ${px(at.y)}H${px(scale.at(hi))}"/>`;
  };
  const { p50, n } = curve.distribution;
  const hint = `${curve.label}: median ${formatMs(p50)}, n ${n}`;
  const dot = isNumber(p50) && marker({ x: scale.at(p50), y: at.y }, curve.look, hint, curve.simulated);
  const text = label({ x: 0, y: at.y + 4 }, curve.label, { width: PLOT.left - 14 });
  const value = label({ x: at.right + 12, y: at.y + 4 }, formatMs(p50), { width: 70, kind: "val" });
  return html`<g>${text}${bar(5, 95, "thin")}${bar(25, 75, "thick")}${dot}${value}</g>`;
}

/** A percentile of the 101; without them the nearest of those always there. */
function quantile(curve: Curve, percent: number): number | undefined {
  const d = curve.distribution;
  if (d.percentiles.length === 101) return d.percentiles[percent];
  return percent < 50 ? d.min : percent < 95 ? d.p90 : d.p95;
}
