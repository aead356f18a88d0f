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
  const line = simplify(points(d).map(([ms, share]) => [x.at(ms), y.at(share)]));
  const path = line.map(([left, top], i) => `${i === 0 ? "M" : "L"}${px(left)} ${px(top)}`).join("");
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

/** How far a drawn line may run beside the points it leaves out, in pixels; nobody sees that. */
const TOLERANCE_PX = 0.2;

/**
 * The line without the points that it passes anyway: a few answers have 101 percentiles too, on straight lines. Each
 * stretch is as long as its points allow.
 */
export function simplify(line: readonly [number, number][]): [number, number][] {
  const kept: [number, number][] = line.slice(0, 1).map(([x, y]) => [x, y]);
  for (let from = 0; from < line.length - 1; ) {
    let to = from + 1;
    while (to + 1 < line.length && passes(line.slice(from, to + 2))) to += 1;
    kept.push(...line.slice(to, to + 1));
    from = to;
  }
  return kept;
}

/** Whether the straight line from the first point to the last passes all between them. */
function passes(line: readonly [number, number][]): boolean {
  const [first, last] = [line[0], line.at(-1)];
  if (first === undefined || last === undefined) return true;
  const [dx, dy] = [last[0] - first[0], last[1] - first[1]];
  const length = Math.hypot(dx, dy);
  return line.every(([x, y]) => {
    const away = Math.abs(dx * (y - first[1]) - dy * (x - first[0]));
    return away <= TOLERANCE_PX * length;
  });
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
