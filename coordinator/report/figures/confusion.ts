/** A confusion matrix: truth in rows, answers in columns, darker where there is more; right answers on the diagonal. */
import type { Confusion } from "../../../shared/benchmark/summary.js";
import { formatCount, formatPercent } from "../format.js";
import { html, type Markup } from "../markup.js";
import { px } from "../svg.js";
import type { Drawing } from "./intervals.js";

const CELL = { width: 104, height: 58 };
const ORIGIN = { x: 78, y: 42 };

export function drawConfusion(confusion: Confusion): Drawing {
  const { tp, fp, fn, tn } = confusion;
  const cell = (count: number, ofRow: number, at: { row: number; column: number; what: string }): Markup => {
    const share = ofRow > 0 ? count / ofRow : 0;
    const [x, y] = [ORIGIN.x + at.column * CELL.width, ORIGIN.y + at.row * CELL.height];
    const css = at.row === at.column ? "right" : "wrong";
    const ratio = ofRow > 0 ? `${formatPercent(share)} of row` : "row is empty";
    return html`<g><title>${at.what}: ${formatCount(count)}</title><rect class="frame" x="${x}" y="${y}" width="${CELL.width - 4}" height="${CELL.height - 4}" rx="4"/><rect class="${css}" fill-opacity="${px(share * 6) / 10}" x="${x}" y="${y}" width="${CELL.width - 4}" height="${CELL.height - 4}" rx="4"/><text class="lbl strong" font-size="17" text-anchor="middle" x="${x + 50}" y="${y + 26}">${formatCount(count)}</text><text class="lbl" font-size="10.5" text-anchor="middle" x="${x + 50}" y="${y + 43}">${ratio}</text></g>`;
  };
  const word = (x: number, y: number, text: string, anchor: string): Markup =>
    html`<text class="ax" font-size="11" x="${x}" y="${y}" text-anchor="${anchor}">${text}</text>`;
  const drawing = html`${word(ORIGIN.x + 102, 12, "answered", "middle")}${word(ORIGIN.x + 50, 32, "positive", "middle")}${word(ORIGIN.x + 154, 32, "negative", "middle")}${word(ORIGIN.x - 8, ORIGIN.y + 24, "truth", "end")}${word(ORIGIN.x - 8, ORIGIN.y + 38, "positive", "end")}${word(ORIGIN.x - 8, ORIGIN.y + 82, "truth", "end")}${word(ORIGIN.x - 8, ORIGIN.y + 96, "negative", "end")}
${cell(tp, tp + fn, { row: 0, column: 0, what: "true positives" })}${cell(fn, tp + fn, { row: 0, column: 1, what: "false negatives" })}${cell(fp, fp + tn, { row: 1, column: 0, what: "false positives" })}${cell(tn, fp + tn, { row: 1, column: 1, what: "true negatives" })}`;
  return { size: { width: 290, height: 162 }, drawing };
}
