/**
 * The frame of every figure: caption, drawing with a title and a description for those who cannot see it, and the
 * numbers behind it as a table that can be opened.
 */
import { html, type Markup, nothing } from "../markup.js";
import type { Look } from "../palette.js";
import { marker, px } from "../svg.js";

export interface FigureSpec {
  /** Unique in the report; letters, digits and hyphens. */
  id: string;
  caption: Markup | string;
  /** Said by screen readers in place of the drawing. */
  description: string;
  size: { width: number; height: number };
  drawing: Markup | readonly Markup[];
  legend?: Markup;
  table?: Markup;
  /** Words under the drawing. */
  note?: Markup | string;
}

export function figure(spec: FigureSpec): Markup {
  const { id, size } = spec;
  const kind = size.width > 600 ? "wide" : size.width > 400 ? "half" : "small";
  return html`<figure id="${id}" class="${kind}"><figcaption>${spec.caption}</figcaption>${spec.legend ?? nothing}
<div class="scroll"><svg role="img" aria-labelledby="${id}-d" viewBox="0 0 ${px(size.width)} ${px(size.height)}" width="${px(size.width)}" height="${px(size.height)}"><desc id="${id}-d">${spec.description}</desc>${spec.drawing}</svg></div>
${spec.note === undefined ? nothing : html`<p class="note">${spec.note}</p>`}${spec.table === undefined ? nothing : html`<details><summary>Numbers behind this figure</summary>${spec.table}</details>`}</figure>
`;
}

/** Names beside their markers, for figures that cannot label directly. */
export function legend(entries: readonly { text: string; look: Look; hollow: boolean }[]): Markup {
  return html`<ul class="legend">${entries.map(
    ({ text, look, hollow }) =>
      html`<li><svg aria-hidden="true" width="30" height="12" viewBox="0 0 30 12"><path class="line m${look.color}" d="M1 6H29"${look.dash === "" ? nothing : html` stroke-dasharray="${look.dash}"`}/>${marker({ x: 15, y: 6 }, look, "", hollow)}</svg><bdi>${text === "" ? "(no name)" : text}</bdi></li>`,
  )}</ul>`;
}
