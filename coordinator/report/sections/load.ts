/** Jobs that put a server under load: a row a level, and where more load brings no more. */
import { levelText } from "../../../shared/benchmark/load/load-spec.js";
import type { Cell, Distribution, LoadResult } from "../../../shared/benchmark/summary.js";
import { formatCount, isNumber, significant } from "../format.js";
import { html, type Markup, name, nothing, type Part } from "../markup.js";
import { table } from "../table.js";
import type { View } from "../view.js";
import { modelName, na, section } from "./words.js";

export function load(view: View): Markup | undefined {
  const levels = view.summary.cells.flatMap((cell): Level[] =>
    cell.load ? [{ cell, load: cell.load }] : [],
  );
  if (levels.length === 0) return undefined;
  return section(
    "load",
    "Load",
    html`<p class="intro">Times are from the moment a request was sent; response times, and what counts for goodput in an open loop, are from the moment it was due. Rates are answers and output tokens per second, up to the last answer's end.</p>`,
    [saturation(view), rateTable(view, levels), timesTable(view, levels)],
  );
}

interface Level {
  cell: Cell;
  load: LoadResult;
}

/** What makes a row of either table known: who, on what (where there are several), at which level. */
function whose(view: View, levels: readonly Level[]) {
  const tasks = new Set(levels.map(({ cell }) => JSON.stringify([cell.prompt, cell.dataset])));
  const isNamed = tasks.size > 1;
  return {
    columns: [{ label: "Model" }, ...(isNamed ? [{ label: "Prompt · dataset" }] : []), { label: "Level" }],
    cells: ({ cell, load }: Level): Part[] => [
      modelName(view, cell),
      ...(isNamed ? [html`${name(cell.prompt)} · ${name(cell.dataset)}`] : []),
      levelText(load),
    ],
  };
}

function rateTable(view: View, levels: readonly Level[]): Markup {
  const { columns, cells } = whose(view, levels);
  const rows = levels.map((level) => {
    const { load } = level;
    return [
      ...cells(level),
      ...[formatCount(load.requests), formatCount(load.answered)],
      ...[figure(load.offeredPerS), figure(load.requestsPerS), figure(load.tokensPerS)],
      goodput(load.goodputPerS, load.goodputShare, load.goodputReason),
      isNumber(load.lagMs?.p99) ? significant(load.lagMs.p99, 3) : na(""),
      [...load.flags, ...(load.keepsUp === false ? ["saturated"] : [])].join(", "),
    ];
  });
  const numeric = true;
  const labels = ["Requests", "Answered", "Offered/s", "Requests/s", "Tokens/s", "Goodput", "Lag p99, ms"];
  return table(
    "Rates",
    [...columns, ...labels.map((label) => ({ label, numeric })), { label: "Flags" }],
    rows,
  );
}

function timesTable(view: View, levels: readonly Level[]): Markup {
  const { columns, cells } = whose(view, levels);
  const rows = levels.map((level) => {
    const { cell, load } = level;
    return [...cells(level), ...[cell.ttftMs, cell.tpotMs, cell.e2eMs, load.responseMs].map(times)];
  });
  const labels = ["Time to first token", "Time per token", "End to end", "Response"];
  return table(
    "Times, p50 / p90 / p99, ms",
    [...columns, ...labels.map((label) => ({ label, numeric: true }))],
    rows,
  );
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
