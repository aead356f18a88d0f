/** How samples ended: one bar per job, its parts in proportion, from answered to never run. */
import type { Counts } from "../../../shared/benchmark/summary.js";
import { formatCount } from "../format.js";
import { html, type Markup } from "../markup.js";
import { label, px } from "../svg.js";
import type { Drawing } from "./intervals.js";

/** Words and CSS classes of the ways a sample can end, in the order they are drawn. */
export const OUTCOMES = [
  { key: "ok", text: "ok" },
  { key: "parseError", text: "parse error" },
  { key: "refused", text: "refused" },
  { key: "engineError", text: "engine error" },
  { key: "timeout", text: "timeout" },
  { key: "oom", text: "out of memory" },
  { key: "poison", text: "poison" },
  { key: "cancelled", text: "cancelled" },
  { key: "notRun", text: "not run" },
] as const;

const PLOT = { left: 266, right: 840 };
const WIDTH = 920;

export function drawOutcomes(bars: readonly { label: string; counts: Counts }[]): Drawing {
  const rowHeight = bars.length > 20 ? 20 : 27;
  const drawing = bars.map((bar, row) => {
    const middle = 4 + (row + 0.5) * rowHeight;
    const text = label({ x: 0, y: middle + 4 }, bar.label, { width: PLOT.left - 14 });
    const total = OUTCOMES.reduce((sum, { key }) => sum + bar.counts[key], 0);
    const whole = label({ x: PLOT.right + 10, y: middle + 4 }, `of ${formatCount(total)}`, {
      width: 70,
      kind: "ax",
    });
    return html`<g>${text}${total > 0 ? drawParts(bar.counts, total, middle, rowHeight - 9) : undefined}${whole}</g>`;
  });
  return { size: { width: WIDTH, height: 8 + bars.length * rowHeight }, drawing: html`${drawing}` };
}

function drawParts(counts: Counts, total: number, middle: number, height: number): Markup[] {
  let x = PLOT.left;
  return OUTCOMES.filter(({ key }) => counts[key] > 0).map(({ key, text }) => {
    const width = ((PLOT.right - PLOT.left) * counts[key]) / total;
    const left = x;
    x += width;
    const count = formatCount(counts[key]);
    const number =
      width > count.length * 7 + 8
        ? html`<text class="on o-${key}" font-size="11" text-anchor="middle" x="${px(left + width / 2)}" y="${px(middle + 4)}">${count}</text>`
        : undefined;
    return html`<g><title>${text}: ${count}</title><rect class="part o-${key}" x="${px(left)}" y="${px(middle - height / 2)}" width="${px(Math.max(1.5, width - 1))}" height="${height}" rx="2"/>${number}</g>`;
  });
}
