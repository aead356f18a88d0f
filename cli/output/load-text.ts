/** Levels of a load, a row each; where more load brings no more; what speaks against the numbers stands in the warnings. */
import { levelText } from "../../shared/benchmark/load/load-spec.js";
import type { Cell, Summary } from "../client.js";
import { formatNumber } from "./quantity.js";
import type { SummaryStyle } from "./summary-text.js";
import { type Column, tableLines } from "./table.js";

type Load = NonNullable<Cell["load"]>;
type Times = Cell["e2eMs"];
interface Row {
  name: string;
  cell: Cell;
  load: Load;
}

/** None without levels that ran. */
export function loadLines(
  cells: readonly Cell[],
  summary: Summary,
  style: SummaryStyle,
  nameOf: (cell: Cell) => string,
): string[] {
  const rows = cells.flatMap((cell): Row[] =>
    cell.load ? [{ name: nameOf(cell), cell, load: cell.load }] : [],
  );
  const [first] = rows;
  if (first === undefined) return [];
  const columns: Column<Row>[] = [
    { title: "LOAD", value: ({ load }) => levelText(load) },
    { title: "MODEL", value: (row) => row.name },
    right("REQUESTS", ({ load }) => String(load.requests)),
    right("OK", ({ load }) => String(load.answered)),
    right("REQ/S", ({ load }) => shown(load.requestsPerS)),
    right("TOKENS/S", ({ load }) => shown(load.tokensPerS)),
    right("TTFT P50/P90/P99 ms", ({ cell }) => percentiles(cell.ttftMs)),
    right("TPOT P50/P90/P99 ms", ({ cell }) => percentiles(cell.tpotMs)),
    right("E2E P50/P90/P99 ms", ({ cell }) => percentiles(cell.e2eMs)),
    right("GOODPUT", goodput),
    right("LAG P99 ms", ({ load }) => (load.lagMs ? formatNumber(load.lagMs.p99) : "n/a")),
    { title: "FLAGS", value: flags },
    right("OFFERED/S", ({ load }) => shown(load.offeredPerS), true),
    right("RESPONSE P50/P90/P99 ms", ({ load }) => percentiles(load.responseMs), true),
    right("PEAK", ({ load }) => String(load.peakInflight), true),
    right("WINDOWS", ({ load }) => String(load.windows), true),
  ];
  const reasons = new Set(rows.map(({ load }) => load.goodputReason).filter((reason) => reason !== ""));
  const { prompt, dataset } = first.cell;
  const saturations = summary.saturations
    .filter((one) => one.prompt === prompt && one.dataset === dataset)
    .map((one) => `  ${one.model}: saturation ${one.text}${atMost(one.requestsPerS)}`);
  return [
    "",
    ...tableLines(columns, rows, { ...style, indent: "  " }),
    ...[...reasons].map((reason) => `  goodput: n/a, ${reason}`),
    ...saturations,
  ];
}

const right = (title: string, value: (row: Row) => string, wide = false): Column<Row> => ({
  ...{ title, value, align: "right" },
  ...(wide && { wide }),
});

const shown = (value: number | undefined): string => (value === undefined ? "n/a" : formatNumber(value));

const percentiles = (times: Times): string =>
  times === undefined ? "n/a" : [times.p50, times.p90, times.p99].map(formatNumber).join(" / ");

function goodput({ load }: Row): string {
  const { goodputPerS, goodputShare } = load;
  if (goodputPerS === undefined || goodputShare === undefined) return "n/a";
  return `${formatNumber(goodputPerS)}/s (${(goodputShare * 100).toFixed(0)} %)`;
}

const flags = ({ load }: Row): string =>
  [...load.flags, ...(load.keepsUp === false ? ["saturated"] : [])].join(" ");

const atMost = (requestsPerS: number | undefined): string =>
  requestsPerS === undefined ? "" : ` (${formatNumber(requestsPerS)} requests/s at most)`;
