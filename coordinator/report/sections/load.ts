/** Jobs that put a server under load: a row a level, and where more load brings no more. */
import { levelText } from "../../../shared/benchmark/load/load-spec.js";
import type { Cell, Distribution } from "../../../shared/benchmark/summary.js";
import { formatCount, isNumber, significant } from "../format.js";
import { html, type Markup, name, nothing, type Part } from "../markup.js";
import { table } from "../table.js";
import type { View } from "../view.js";
import { modelName, na, section } from "./words.js";

export function load(view: View): Markup | undefined {
  const cells = view.summary.cells.filter((cell) => cell.load !== undefined);
  if (cells.length === 0) return undefined;
  return section(
    "load",
    "Load",
    html`<p class="intro">Times are from the moment a request was sent; response times, and what counts for goodput in an open loop, are from the moment it was due. Rates are answers and output tokens per second, up to the last answer's end.</p>`,
    [levelTable(view, cells), saturation(view)],
  );
}

function levelTable(view: View, cells: readonly Cell[]): Markup {
  const rows = cells.flatMap((cell) => {
    const { load } = cell;
    if (load === undefined) return [];
    return [
      [
        modelName(view, cell),
        html`${name(cell.prompt)} · ${name(cell.dataset)}`,
        levelText(load),
        formatCount(load.requests),
        formatCount(load.answered),
        figure(load.offeredPerS),
        figure(load.requestsPerS),
        figure(load.tokensPerS),
        times(cell.ttftMs),
        times(cell.tpotMs),
        times(cell.e2eMs),
        times(load.responseMs),
        goodput(load.goodputPerS, load.goodputShare, load.goodputReason),
        isNumber(load.lagMs?.p99) ? significant(load.lagMs.p99, 3) : na(""),
        [...load.flags, ...(load.keepsUp === false ? ["saturated"] : [])].join(", "),
      ],
    ];
  });
  const numeric = true;
  const columns = [
    ...[{ label: "Model" }, { label: "Prompt · dataset" }, { label: "Level" }],
    ...["Requests", "Answered", "Offered/s", "Requests/s", "Tokens/s"].map((label) => ({ label, numeric })),
    ...["TTFT", "TPOT", "End to end", "Response"].map((what) => ({
      label: `${what} p50 / p90 / p99, ms`,
      numeric,
    })),
    ...["Goodput", "Lag p99, ms"].map((label) => ({ label, numeric })),
    { label: "Flags" },
  ];
  return table("Levels of the load", columns, rows);
}

function saturation(view: View): Markup {
  const { saturations } = view.summary;
  if (saturations.length === 0) return nothing;
  const items = saturations.map(
    (one) =>
      html`<li>${name(one.model)} on ${name(one.prompt)} · ${name(one.dataset)}: saturation ${one.text}${isNumber(one.requestsPerS) ? ` (${significant(one.requestsPerS, 3)} requests/s at most)` : ""}</li>`,
  );
  return html`<ul class="notes">${items}</ul>`;
}

const figure = (value: number | undefined): Part => (isNumber(value) ? significant(value, 3) : na(""));

const times = (of: Distribution | undefined): Part =>
  of === undefined ? na("") : [of.p50, of.p90, of.p99].map((ms) => significant(ms, 3)).join(" / ");

function goodput(perS: number | undefined, share: number | undefined, reason: string): Part {
  if (!isNumber(perS) || !isNumber(share)) return na(reason);
  return `${significant(perS, 3)}/s (${significant(share * 100, 3)} %)`;
}
