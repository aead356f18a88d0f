/** Tables: a caption, a header row and cells; numbers are right-aligned with tabular digits. */
import { html, type Markup, type Part } from "./markup.js";

export interface Column {
  label: Part;
  numeric?: boolean;
}

/** One row per array of cells, in the columns' order. The first column is the row's header. */
export function table(
  caption: string,
  columns: readonly Column[],
  rows: readonly (readonly Part[])[],
): Markup {
  const css = (i: number): Markup | undefined =>
    columns[i]?.numeric === true ? html` class="num"` : undefined;
  const head = columns.map((c, i) => html`<th scope="col"${css(i)}>${c.label}</th>`);
  const body = rows.map(
    (row) =>
      html`<tr>${row.map((cell, i) =>
        i === 0 ? html`<th scope="row"${css(i)}>${cell}</th>` : html`<td${css(i)}>${cell}</td>`,
      )}</tr>\n`,
  );
  return html`<div class="scroll"><table><caption>${caption}</caption><thead><tr>${head}</tr></thead>
<tbody>${body}</tbody></table></div>
`;
}
