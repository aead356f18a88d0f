/** SAI-Benchmark's own numbers (`compat: sai-legacy`): last, apart from all others, with what is wrong with them. */

import { count } from "../../shared/benchmark/count.js";
import type { Summary } from "../client.js";
import { formatValue } from "./quantity.js";
import type { SummaryStyle } from "./summary-text.js";
import { type Column, tableLines } from "./table.js";

type LegacyMetric = NonNullable<Summary["legacy"]>["metrics"][number];

const COLUMNS: Column<LegacyMetric>[] = [
  { title: "LEGACY METRIC", value: ({ id }) => id },
  {
    title: "LEGACY VALUE",
    align: "right",
    value: ({ value }) => (value === undefined ? "n/a" : value.toFixed(4)),
  },
  { title: "STD", align: "right", value: ({ std }) => (std === undefined ? "" : std.toFixed(4)) },
  { title: "COUNTED", align: "right", value: ({ n }) => String(n) },
  { title: "NOTE", value: ({ reason }) => reason },
];

export function legacyLines({ legacy }: Summary, style: SummaryStyle): string[] {
  if (legacy === undefined) return [];
  const { tests, successful, meanLatencyMs } = legacy;
  return [
    "",
    style.paint("LEGACY NUMBERS, wrong on purpose", "yellow", "bold"),
    `  ${legacy.warning}`,
    ...tableLines(COLUMNS, legacy.metrics, { ...style, indent: "  " }),
    `  ${count(tests, "test")}, ${successful} successful, mean latency ${formatValue(meanLatencyMs, "ms")}`,
  ];
}
