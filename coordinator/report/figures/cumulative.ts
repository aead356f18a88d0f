/**
 * The whole distribution of times: for each model the share of answers that took at most so long, from the summary's
 * 101 percentiles (or the six it always has), with marks at the median and at the 95th percentile.
 */
import type { Distribution } from "../../../shared/benchmark/summary.js";
import { formatMs, isNumber } from "../format.js";
import { html, type Markup } from "../markup.js";
import type { Look } from "../palette.js";
import { linearScale, type Scale, timeScale } from "../scale.js";
import { marker, px, tickText, xAxis, yAxis } from "../svg.js";
import type { Drawing } from "./intervals.js";

export interface Curve {
  label: string;
  look: Look;
  simulated: boolean;
  distribution: Distribution;
}

export function drawCumulative(curves: readonly Curve[], width: number): Drawing & { log: boolean } {
  const height = width > 600 ? 320 : 260;
  const box = { left: 52, right: width - 16, top: 10, bottom: height - 38 };
  const times = curves.flatMap((c) => points(c.distribution).map(([ms]) => ms));
  const x = timeScale(times, [box.left, box.right]);
  const y = linearScale([0, 1], [box.bottom, box.top], [0, 0.25, 0.5, 0.75, 1]);
  const axis = `${x.kind === "log" ? "time, logarithmic" : "time"}; share of answers that took at most so long`;
  const drawing = html`${yAxis(y, box, (t) => tickText(t, "ratio"))}${xAxis(x, box, (t) => tickText(t, "ms"))}<text class="ax" font-size="11" x="${box.left}" y="${height - 5}">${axis}</text>${curves.map((c) => drawCurve(c, x, y))}`;
  return { size: { width, height }, drawing, log: x.kind === "log" };
}

function drawCurve(curve: Curve, x: Scale, y: Scale): Markup {
  const { look, distribution: d } = curve;
  const path = points(d)
    .map(([ms, share], i) => `${i === 0 ? "M" : "L"}${px(x.at(ms))} ${px(y.at(share))}`)
    .join("");
  const dash = look.dash === "" ? undefined : html` stroke-dasharray="${look.dash}"`;
  const mark = (ms: number, share: number, what: string): Markup | undefined =>
    isNumber(ms)
      ? marker(
          { x: x.at(ms), y: y.at(share) },
          look,
          `${curve.label}: ${what} ${formatMs(ms)}, n ${d.n}`,
          curve.simulated,
        )
      : undefined;
  return html`<g><path class="line curve m${look.color}" d="${path}"${dash}><title>${curve.label}</title></path>${mark(d.p50, 0.5, "median")}${mark(d.p95, 0.95, "95th percentile")}</g>`;
}

/** [milliseconds, share of answers] in rising order. */
export function points(d: Distribution): [number, number][] {
  const all: [number, number][] =
    d.percentiles.length > 1
      ? d.percentiles.map((ms, i) => [ms, i / (d.percentiles.length - 1)])
      : [
          [d.min, 0],
          [d.p50, 0.5],
          [d.p90, 0.9],
          [d.p95, 0.95],
          [d.p99, 0.99],
          [d.max, 1],
        ];
  return all.filter(([ms]) => isNumber(ms));
}
