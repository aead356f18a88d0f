/**
 * What changed, one row per metric: the difference with its interval on a common scale, the range of losses that may not be as a
 * shade, no change as a line. Less that is better is drawn the other way round, so that left is always worse.
 */
import type { ComparedMetric } from "../../../shared/benchmark/compare/comparison.js";
import { formatDifference } from "../format.js";
import { html, type Markup } from "../markup.js";
import { linearScale, type Scale } from "../scale.js";
import { label, px, xAxis } from "../svg.js";

const WIDTH = 640;
const PLOT = { left: 150, right: 450, top: 8 };
const ROW = 28;

/** Of shares only: they have one scale. Undefined if there is nothing to draw. */
export function drawDifferences(
  metrics: readonly ComparedMetric[],
): { size: { width: number; height: number }; drawing: Markup } | undefined {
  const rows = metrics.filter(({ unit, difference }) => unit === "ratio" && difference !== undefined);
  if (rows.length === 0) return undefined;
  const bottom = PLOT.top + rows.length * ROW;
  const reach = rows.flatMap(({ difference = 0, interval, judged, maxDrop }) =>
    [difference, interval?.lo ?? 0, interval?.hi ?? 0, judged ? 1.5 * maxDrop : 0].map(Math.abs),
  );
  const most = niceReach(Math.max(...reach));
  const ticks = [-1, -0.5, 0, 0.5, 1].map((share) => share * most);
  const scale = linearScale([-most, most], [PLOT.left, PLOT.right], ticks);
  const axis = xAxis(scale, { top: PLOT.top, bottom }, (tick) =>
    tick === 0 ? "0" : `${tick > 0 ? "+" : "−"}${Number((Math.abs(tick) * 100).toPrecision(3))}`,
  );
  const zero = px(scale.at(0));
  const drawn = rows.map((metric, i) => rowOf(metric, scale, PLOT.top + i * ROW));
  const words = html`<text class="ax" font-size="11" x="${PLOT.left}" y="${bottom + 32}">← worse</text><text class="ax" font-size="11" x="${PLOT.right}" y="${bottom + 32}" text-anchor="end">points, better →</text>`;
  return {
    size: { width: WIDTH, height: bottom + 38 },
    drawing: html`${axis}${drawn.map(({ shade }) => shade)}<line class="target" x1="${zero}" x2="${zero}" y1="${PLOT.top - 4}" y2="${bottom}"/>${drawn.map(({ marks }) => marks)}${words}`,
  };
}

function rowOf(
  metric: ComparedMetric,
  scale: Scale,
  top: number,
): { shade: Markup | undefined; marks: Markup } {
  const { id, unit, difference = 0, interval, judged, maxDrop, verdict, higherIsBetter } = metric;
  const turn = higherIsBetter ? 1 : -1;
  const y = top + ROW / 2;
  const at = (value: number): number => px(scale.at(turn * value));
  const kind = judged ? `v-${verdict}` : "v-none";
  const limit = px(scale.at(-maxDrop));
  const shade = judged
    ? html`<rect class="forbidden" x="${PLOT.left}" y="${px(top + 3)}" width="${px(Math.max(0, limit - PLOT.left))}" height="${ROW - 6}"><title>losses that fail</title></rect>`
    : undefined;
  const whisker =
    interval === undefined
      ? undefined
      : html`<path class="change ${kind}" d="M${at(interval.lo)} ${px(y)}H${at(interval.hi)}M${at(interval.lo)} ${px(y - 4)}V${px(y + 4)}M${at(interval.hi)} ${px(y - 4)}V${px(y + 4)}"/>`;
  const text = `${formatDifference(difference, unit)}${judged ? `, ${verdict}` : ""}`;
  const marks = html`<g>${label({ x: 0, y: y + 4 }, id, { width: PLOT.left - 14 })}${whisker}<circle class="change-dot ${kind}" cx="${at(difference)}" cy="${px(y)}" r="4.5"/>${label({ x: PLOT.right + 12, y: y + 4 }, text, { width: WIDTH - PLOT.right - 12, kind: "val" })}</g>`;
  return { shade, marks };
}

/** The next of 1, 2, 4 or 5 times a power of ten, at least a point. */
function niceReach(value: number): number {
  const least = Math.max(0.01, value);
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 4, 5, 10].find((factor) => factor * power >= least * 0.999) ?? 10) * power;
}
