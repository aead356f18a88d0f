/** What the reader should know before trusting a number, and how the numbers are meant. */
import { html, type Markup, nothing } from "../markup.js";
import type { View } from "../view.js";

export function warnings(view: View): Markup | undefined {
  const all = view.summary.warnings;
  if (all.length === 0) return undefined;
  return html`<section id="warnings" class="warnings"><h2>Warnings</h2><ul>${all.map((w) => html`<li><bdi>${w}</bdi></li>`)}</ul></section>
`;
}

export function footer(version: string | undefined): Markup {
  return html`<footer><h2>How to read this</h2><ul>
<li><strong>Intervals</strong> are 95 %: Wilson for proportions with one row per item, else a seeded cluster bootstrap.</li>
<li><strong>n/a</strong> means that no number exists, never zero; the reason stands beside it.</li>
<li><strong>n</strong> is the number of items a value is over. Cancelled samples and those never run leave it.</li>
<li><strong>TTFT</strong> is the time from sending to the first token, <strong>TPOT</strong> the time per output token after the first; engines that do not stream have neither.</li>
<li><strong>Hollow markers</strong> are simulated numbers. Each model has the same colour and marker in every figure.</li></ul>
<p>Made by SAI Bench${version === undefined ? nothing : ` ${version}`} from the result records alone. This file needs no network and runs no code.</p></footer>
`;
}
