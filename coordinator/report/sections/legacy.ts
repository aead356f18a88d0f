/** SAI-Benchmark's own numbers, where the suite asks for them: apart from all others, with what is wrong with them. */
import { formatCount, formatMs, formatValue, isNumber } from "../format.js";
import { html, type Markup } from "../markup.js";
import { table } from "../table.js";
import type { View } from "../view.js";
import { na, section } from "./words.js";

const UNITS: ReadonlyMap<string, string> = new Map([
  ["latency", "ms"],
  ["throughput", "per_s"],
  ["cost", "usd"],
]);

export function legacy({ summary }: View): Markup | undefined {
  const own = summary.legacy;
  if (own === undefined || own === null) return undefined;
  const rows = own.metrics.map(({ id, value, std, n, reason }) => {
    const unit = UNITS.get(id) ?? "ratio";
    return [
      id,
      isNumber(value) ? formatValue(value, unit) : na(reason),
      isNumber(std) ? formatValue(std, unit) : na(""),
      formatCount(n),
    ];
  });
  const columns = [
    { label: "Metric" },
    { label: "Legacy value", numeric: true },
    { label: "Std", numeric: true },
    { label: "Samples counted", numeric: true },
  ];
  const tests = `${formatCount(own.tests)} tests, ${formatCount(own.successful)} successful, mean latency ${formatMs(own.meanLatencyMs)}`;
  return section(
    "legacy",
    "Legacy numbers",
    html`<p class="intro"><strong class="badge lose">LEGACY</strong> ${own.warning} ${tests}.</p>`,
    table("SAI-Benchmark's own numbers, errors included", columns, rows),
  );
}
