/**
 * Markdown for pull requests: short, because it is read in passing; the report has the rest. Text from outside cannot become
 * markup: what has a meaning in Markdown or HTML is escaped, and lines are joined.
 */
import type { ComparedMetric, Comparing } from "../../shared/benchmark/compare/comparison.js";
import { cellText } from "../../shared/benchmark/compare/judge.js";
import type { MetricValue, Summary } from "../../shared/benchmark/summary.js";
import { formatCount, formatDifference, formatP, formatValue } from "./format.js";
import { visible } from "./markup.js";

const MOST_ROWS = 100;
const MOST_REASONS = 20;

/** Values with intervals, and targets. */
export function renderMarkdown(summary: Summary): string {
  const { name, campaignId, state, cells, warnings } = summary;
  const rows = cells.flatMap((cell) =>
    cell.metrics.map((metric) => [
      words(cell.model),
      words(`${cell.prompt} · ${cell.dataset}`),
      words(metric.id),
      measured(metric),
      metric.interval
        ? `${formatValue(metric.interval.lo, metric.unit)} to ${formatValue(metric.interval.hi, metric.unit)}`
        : "",
      formatCount(metric.n),
      targetOf(metric),
    ]),
  );
  const failed = cells.reduce(
    (sum, { counts: c }) => sum + (c ? c.engineError + c.timeout + c.oom + c.poison : 0),
    0,
  );
  return page([
    `### ${words(name)}: ${words(state)}`,
    `Campaign ${code(campaignId)}${failed > 0 ? `, **${formatCount(failed)} failed samples**` : ""}.${summary.simulated ? " **SIMULATED: says nothing about any model.**" : ""}`,
    table(["Model", "Task", "Metric", "Value", "95 % interval", "n", "Target"], rows),
    list(warnings.slice(0, MOST_REASONS).map((warning) => `⚠ ${words(warning)}`)),
  ]);
}

/** The verdict first, then each metric. */
export function renderComparisonMarkdown(comparing: Comparing): string {
  const { base, candidate, verdict, reasons, cells, alpha, simulated } = comparing;
  const sign = verdict === "pass" ? "✅" : verdict === "fail" ? "❌" : "⚠️";
  const rows = cells.flatMap((cell) =>
    cell.metrics.map((metric) => [
      words(cellText(cell.candidate)),
      words(metric.id),
      valueText(metric.base, metric.unit),
      valueText(metric.candidate, metric.unit),
      metric.difference === undefined
        ? words(metric.reason)
        : formatDifference(metric.difference, metric.unit),
      intervalText(metric),
      metric.p === undefined ? "" : formatP(metric.p),
      verdictOf(metric),
    ]),
  );
  const flips = cells
    .filter(({ lost, won }) => lost + won > 0)
    .map(
      ({ candidate: cell, flipMetric, lost, won, pairs }) =>
        `${words(cellText(cell))}: of ${formatCount(pairs)} samples ${formatCount(lost)} lost and ${formatCount(won)} won by ${words(flipMetric)}`,
    );
  const left = comparing.unmatched.map(
    (one) => `not compared: ${words(cellText(one))} (${one.side}): ${words(one.reason)}`,
  );
  const named =
    base.baseline === "" ? code(base.campaignId) : `${code(base.baseline)} (${code(base.campaignId)})`;
  return page([
    `### ${sign} ${verdict.replace("_", " ").toUpperCase()}: ${words(candidate.name)}`,
    `${code(candidate.campaignId)} compared with ${named}.${simulated ? " **SIMULATED: says nothing about any model.**" : ""}`,
    list(reasons.slice(0, MOST_REASONS).map(words)),
    table(["Cell", "Metric", "Base", "New", "Change", `${percent(alpha)} interval`, "p", "Verdict"], rows),
    list([...flips, ...left]),
  ]);
}

export const percent = (alpha: number): string => `${Number(((1 - alpha) * 100).toFixed(2))} %`;

const measured = (metric: MetricValue): string =>
  metric.value === undefined ? `n/a: ${words(metric.reason)}` : formatValue(metric.value, metric.unit);

function targetOf({ target }: MetricValue): string {
  if (target === undefined || target === null) return "";
  const sign = target.met === true ? "✅" : target.met === false ? "❌" : "⚠️ n/a";
  return `${sign} ${words(target.expression)}`;
}

const valueText = (value: number | undefined, unit: string): string =>
  value === undefined ? "n/a" : formatValue(value, unit);

const intervalText = ({ interval, unit }: ComparedMetric): string =>
  interval === undefined
    ? ""
    : `${formatDifference(interval.lo, unit)} to ${formatDifference(interval.hi, unit)}`;

function verdictOf({ judged, verdict, maxDrop, unit }: ComparedMetric): string {
  if (!judged) return "";
  const sign = verdict === "pass" ? "✅" : verdict === "fail" ? "❌" : "⚠️";
  return `${sign} ${verdict} (may lose ${formatValue(maxDrop, unit)})`;
}

const page = (parts: readonly string[]): string => `${parts.filter((part) => part !== "").join("\n\n")}\n`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const more = rows.length > MOST_ROWS ? `\n\nand ${rows.length - MOST_ROWS} more rows: see the report` : "";
  const shown = rows.slice(0, MOST_ROWS).map(line);
  return [line(head), line(head.map(() => "---")), ...shown].join("\n") + more;
}

const list = (items: readonly string[]): string => items.map((item) => `- ${item}`).join("\n");

/** Text of others: one line, nothing of it markup, nobody mentioned by it. */
function words(text: string): string {
  return visible(text)
    .replace(/\s+/g, " ")
    .replace(/[\\`*_[\]{}()#+!|~^]/g, (c) => `\\${c}`)
    .replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`)
    .replace(/@/g, "@\u2060");
}

const code = (text: string): string => `\`${visible(text).replace(/[`\n]/g, "")}\``;
