/** The matrix that would run, with what it may take and cost. */
import { type Budget, budgetText } from "../../shared/benchmark/budget.js";
import { type CellEstimate, type Estimate, overBudget } from "../../shared/suites/estimate.js";
import { formatDuration } from "./quantity.js";
import { type Column, tableLines } from "./table.js";

/** Most rows; a large matrix is summed up below them. */
const MAX_ROWS = 40;

const COLUMNS: Column<CellEstimate>[] = [
  { title: "PROMPT", value: (c) => c.prompt },
  { title: "MODEL", value: (c) => c.model },
  { title: "DATASET", value: (c) => c.dataset },
  { title: "SAMPLES", align: "right", value: (c) => String(c.samples) },
  { title: "SHARDS", align: "right", value: (c) => String(c.shards) },
  { title: "TIME", align: "right", value: (c) => `~${formatDuration(c.seconds * 1000)}` },
  { title: "COST", align: "right", value: (c) => (c.mostUsd === undefined ? "?" : usd(c.mostUsd)) },
];

export function dryRunLines(estimate: Estimate, budget: Budget | undefined): string[] {
  const { cells, seconds, nodes, mostUsd, unpriced } = estimate;
  const more = cells.length - MAX_ROWS;
  const on =
    nodes === 0 ? "one node (none is ready now)" : nodes === 1 ? "1 ready node" : `${nodes} ready nodes`;
  return [
    ...tableLines(COLUMNS, cells.slice(0, MAX_ROWS), { paint: (text) => text }),
    ...(more > 0 ? [`and ${more} more`] : []),
    "",
    `time: about ${formatDuration(seconds * 1000)} on ${on}, guessed from what is typical of the engines; loading apart`,
    `cost: ${usd(mostUsd)} at most, with every answer as long as it may be${unpriced.length > 0 ? `; not known for ${unpriced.join(", ")} (give a price)` : ""}`,
    ...(budget ? budgetLines(estimate, budget) : []),
  ];
}

/** The budget beside it, and a warning where it looks too small. */
function budgetLines(estimate: Estimate, budget: Budget): string[] {
  const over = overBudget(estimate, budget).map(
    (why) => `warning: ${why}: it may end incomplete, with what was done by then`,
  );
  const { unpriced } = estimate;
  if (budget.usd !== undefined && unpriced.length > 0)
    over.push(
      `warning: what ${unpriced.join(", ")} costs is not known and does not count towards budget.usd`,
    );
  return [`budget: ${budgetText(budget)}`, ...over];
}

const usd = (value: number): string =>
  value === 0 ? "$0" : value < 0.01 ? "< $0.01" : `$${value.toFixed(2)}`;
