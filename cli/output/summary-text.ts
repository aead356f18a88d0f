/**
 * A campaign's summary as text: for each prompt and dataset the models' values with their 95 % intervals, slices by
 * level, who beats whom in a sentence, and failures by class. Nothing is computed here that the summary does not say,
 * except which levels two models lead on; a value that cannot be given is `n/a` with its reason, and numbers of the
 * simulated engine are marked wherever they stand.
 */

import { count } from "../../shared/benchmark/count.js";
import type { Cell, MetricValue, Summary } from "../client.js";
import type { Paint } from "./color.js";
import { comparisonSentences, groupBy } from "./comparison-text.js";
import { gpuUseLines } from "./gpu-use-text.js";
import { legacyLines } from "./legacy-text.js";
import { loadLines } from "./load-text.js";
import { formatDuration, formatNumber, formatValue } from "./quantity.js";
import { type Column, tableLines } from "./table.js";

export interface SummaryStyle {
  paint: Paint;
  wide: boolean;
}

/** All lines of a summary. */
export function summaryLines(summary: Summary, style: SummaryStyle): string[] {
  const { paint } = style;
  const lines = [
    `${paint(summary.name || summary.campaignId, "bold")}  ${summary.state}  ${paint(summary.campaignId, "dim")}`,
  ];
  if (summary.simulated) lines.push(paint(SIMULATED_LINE, "yellow", "bold"));
  for (const group of groupsOf(summary.cells)) {
    lines.push("", paint(`prompt ${group.prompt} · dataset ${group.dataset}`, "bold"));
    const scored = group.cells.filter((cell) => cell.load === undefined);
    lines.push(
      ...(scored.length === 0 ? [] : metricLines(scored, style)),
      ...timeLines(scored, style),
      ...loadLines(group.cells, summary, style, modelName),
      ...gpuUseLines(group.cells, style, modelName),
      ...levelLines(scored, style),
    );
  }
  const sentences = comparisonSentences(summary);
  if (sentences.length > 0) lines.push("", ...sentences);
  const recommended = recommendationLines(summary);
  if (recommended.length > 0) lines.push("", ...recommended);
  lines.push(
    ...failureLines(summary.cells, paint),
    ...noteLines(summary, paint),
    ...legacyLines(summary, style),
  );
  return lines;
}

/** Which model to take where money counts; named by task where there are several. */
function recommendationLines({ recommendations }: Summary): string[] {
  const tasks = new Set(recommendations.map(({ prompt, dataset }) => JSON.stringify([prompt, dataset])));
  return recommendations.map(({ prompt, dataset, model, text }) => {
    const where = tasks.size > 1 ? `${prompt} · ${dataset}: ` : "";
    return `${where}${model === "" ? "" : "recommended: "}${text}`;
  });
}

const SIMULATED_LINE = "SIMULATED: these numbers come from the simulated engine, not from a model.";

interface Group {
  prompt: string;
  dataset: string;
  cells: Cell[];
}

/** Cells that can be compared with each other, in matrix order. */
export const groupsOf = (cells: readonly Cell[]): Group[] =>
  groupBy(cells, (cell) => [cell.prompt, cell.dataset]).flatMap((group) => {
    const [first] = group;
    return first ? [{ prompt: first.prompt, dataset: first.dataset, cells: group }] : [];
  });

interface MetricRow {
  cell: Cell;
  metric: MetricValue;
}

/** One row per metric and model, metrics in the suite's order. */
function metricLines(cells: readonly Cell[], style: SummaryStyle): string[] {
  const ids = [...new Set(cells.flatMap((cell) => cell.metrics.map((m) => m.id)))];
  const rows: MetricRow[] = ids.flatMap((id) =>
    cells.flatMap((cell) => cell.metrics.filter((m) => m.id === id).map((metric) => ({ cell, metric }))),
  );
  if (rows.length === 0) return ["  no results yet"];
  const reasons = reasonsForAll(cells, ids);
  const shown = rows.filter(({ metric }) => !reasons.has(metric.id));
  // What failed counts as wrong in VALUE; whoever sees failures wants to know the value without them.
  const failed = cells.some((cell) => cell.failures.length > 0);
  const differs = failed && shown.some(({ metric }) => metric.answeredOnly !== undefined);
  const columns = differs
    ? METRIC_COLUMNS.map((c) => (c === ANSWERED ? { ...c, wide: false } : c))
    : METRIC_COLUMNS;
  const lines = shown.length === 0 ? [] : tableLines(columns, shown, { ...style, indent: "  " });
  return [...lines, ...[...reasons].map(([id, reason]) => `  ${id}: n/a, ${reason}`)];
}

/** Metrics no model of the group has, all for one reason: a line says more than a row each. */
function reasonsForAll(cells: readonly Cell[], ids: readonly string[]): Map<string, string> {
  const reasons = new Map<string, string>();
  if (cells.length < 2) return reasons;
  for (const id of ids) {
    const values = cells.flatMap((cell) => cell.metrics.filter((m) => m.id === id));
    const [first] = values;
    if (first && values.every((m) => m.value === undefined && !m.target && m.reason === first.reason)) {
      reasons.set(id, first.reason);
    }
  }
  return reasons;
}

const ANSWERED: Column<MetricRow> = {
  title: "ANSWERED ONLY",
  wide: true,
  value: ({ metric }) => answeredText(metric),
};

const METRIC_COLUMNS: Column<MetricRow>[] = [
  { title: "METRIC", value: ({ metric }) => metric.id },
  { title: "MODEL", value: ({ cell }) => modelName(cell) },
  {
    title: "VALUE",
    align: "right",
    value: ({ metric }) => valueText(metric),
    color: ({ metric }) => (metric.target?.met === false ? "red" : undefined),
  },
  { title: "95 % INTERVAL", value: ({ metric }) => intervalText(metric) },
  { title: "N", align: "right", value: ({ metric }) => (metric.value === undefined ? "" : String(metric.n)) },
  { title: "RANK", align: "right", value: ({ cell, metric }) => rankOf(cell, metric.id) },
  ANSWERED,
  { title: "METHOD", wide: true, value: ({ metric }) => metric.interval?.method ?? "" },
  {
    title: "ENGINE",
    wide: true,
    value: ({ cell }) => [cell.engine, cell.engineVersion].filter(Boolean).join(" "),
  },
  { title: "NOTE", value: ({ metric }) => noteOf(metric) },
];

/** The model's id, marked when its numbers are simulated. */
export const modelName = (cell: Cell): string => (cell.simulated ? `${cell.model} [SIMULATED]` : cell.model);

/** The value with its unit, or `n/a`. */
export const valueText = (metric: MetricValue): string =>
  metric.value === undefined ? "n/a" : formatValue(metric.value, metric.unit);

/** `[0.677, 0.884]` in the metric's unit; empty when there is none. */
export function intervalText(metric: MetricValue): string {
  if (metric.interval === undefined || metric.value === undefined) return "";
  const show = (x: number) => (metric.unit === "ratio" ? x.toFixed(3) : formatNumber(x));
  return `[${show(metric.interval.lo)}, ${show(metric.interval.hi)}]`;
}

function answeredText({ answeredOnly, unit }: MetricValue): string {
  if (answeredOnly === undefined) return "";
  const value = answeredOnly.value === undefined ? "n/a" : formatValue(answeredOnly.value, unit);
  return `${value} (n ${answeredOnly.n})`;
}

const rankOf = (cell: Cell, metric: string): string =>
  String(cell.ranks.find((rank) => rank.metric === metric)?.rank ?? "");

function noteOf(metric: MetricValue): string {
  const parts = [metric.reason];
  if (metric.target) {
    const { met, expression } = metric.target;
    parts.push(`target ${expression}: ${met === undefined ? "n/a" : met ? "met" : "missed"}`);
  }
  return parts.filter(Boolean).join("; ");
}

/** End-to-end, first-token and per-token times, where there are any. */
function timeLines(cells: readonly Cell[], style: SummaryStyle): string[] {
  const rows = cells.flatMap((cell) =>
    (
      [
        ["end to end", cell.e2eMs],
        ["first token", cell.ttftMs],
        ["per token", cell.tpotMs],
        ["model load", cell.loadMs],
      ] as const
    ).flatMap(([what, times]) => (times === undefined || times.n === 0 ? [] : [{ cell, what, times }])),
  );
  if (rows.length === 0) return [];
  const ms = (value: number) => formatNumber(value);
  const columns: Column<(typeof rows)[number]>[] = [
    { title: "TIME (ms)", value: (row) => row.what },
    { title: "MODEL", value: (row) => modelName(row.cell) },
    { title: "P50", align: "right", value: (row) => ms(row.times.p50) },
    { title: "P95", align: "right", value: (row) => ms(row.times.p95) },
    { title: "P99", align: "right", value: (row) => ms(row.times.p99) },
    { title: "MAX", align: "right", value: (row) => ms(row.times.max) },
    { title: "N", align: "right", value: (row) => String(row.times.n) },
  ];
  const notes = new Set(rows.map((row) => row.times.flags.join("; ")));
  const [note = ""] = notes;
  if (notes.size > 1) columns.push({ title: "NOTE", value: (row) => row.times.flags.join("; ") });
  const footnote = notes.size === 1 && note !== "" ? [`  ${note}`] : [];
  return ["", ...tableLines(columns, rows, { ...style, indent: "  " }), ...footnote];
}

/** One table per metric: levels down, models across. */
export function levelLines(cells: readonly Cell[], style: SummaryStyle): string[] {
  const levels = [...new Set(cells.flatMap((cell) => cell.levels.map((level) => level.level)))];
  if (levels.length === 0) return [];
  const ids = [...new Set(cells.flatMap((c) => c.levels.flatMap((l) => l.metrics.map((m) => m.id))))];
  const find = (cell: Cell, level: string, id: string) =>
    cell.levels.find((l) => l.level === level)?.metrics.find((m) => m.id === id);
  return ids
    .filter((id) => cells.some((cell) => levels.some((level) => find(cell, level, id)?.value !== undefined)))
    .flatMap((id) => {
      const columns: Column<string>[] = [
        { title: `${id} by level`, value: (level) => level },
        ...cells.map((cell) => ({
          title: modelName(cell),
          value: (level: string) => {
            const metric = find(cell, level, id);
            return metric === undefined ? "" : `${valueText(metric)} ${intervalText(metric)}`.trimEnd();
          },
        })),
        {
          title: "N",
          align: "right" as const,
          value: (level) => String(cells[0]?.levels.find((l) => l.level === level)?.n ?? ""),
        },
      ];
      return ["", ...tableLines(columns, levels, { ...style, indent: "  " })];
    });
}

/** What went wrong, a row for each message: a picture that is missing fails in every job that asks for it. */
function failureLines(cells: readonly Cell[], paint: Paint): string[] {
  const all = cells.flatMap((cell) => cell.failures.map((failure) => ({ cell, failure })));
  const rows = groupBy(all, ({ failure }) => [failure.status, failure.class, failure.example]).flatMap(
    (same) => {
      const [first] = same;
      const samples = same.reduce((sum, { failure }) => sum + failure.count, 0);
      return first ? [{ ...first, jobs: same.length, samples }] : [];
    },
  );
  const notRun = cells.reduce(
    (sum, cell) => sum + (cell.counts?.notRun ?? 0) + (cell.counts?.cancelled ?? 0),
    0,
  );
  const lines: string[] = [];
  if (rows.length > 0) {
    const columns: Column<(typeof rows)[number]>[] = [
      { title: "FAILURE", value: ({ failure }) => failure.status, color: () => "red" },
      { title: "CLASS", value: ({ failure }) => failure.class },
      { title: "SAMPLES", align: "right", value: ({ samples }) => String(samples) },
      {
        title: "WHERE",
        value: ({ cell, jobs }) =>
          jobs > 1 ? `${jobs} jobs` : `${modelName(cell)} · ${cell.prompt} · ${cell.dataset}`,
      },
      { title: "EXAMPLE", value: ({ failure }) => failure.example },
    ];
    lines.push("", ...tableLines(columns, rows, { paint }));
  }
  if (notRun > 0)
    lines.push(
      "",
      `${count(notRun, "sample")} ${notRun === 1 ? "was" : "were"} not run and in no denominator.`,
    );
  return lines;
}

/** Flags of every sample of an engine, which a mark or a warning of the campaign says already. */
const SAID_ELSEWHERE = ["simulated", "prompt_ignored"];

function noteLines(summary: Summary, paint: Paint): string[] {
  const unapplied = groupBy(
    summary.cells.filter((cell) => cell.notApplied.length > 0),
    (cell) => cell.notApplied,
  ).map((same) => {
    const models = [...new Set(same.map((cell) => cell.model))].join(", ");
    return `${models}: not applied: ${same[0]?.notApplied.join(", ")}`;
  });
  const flagged = summary.cells.flatMap((cell) =>
    Object.entries(cell.flags)
      .filter(([flag]) => !/^not_(applied|cached):/.test(flag) && !SAID_ELSEWHERE.includes(flag))
      .map(([flag, n]) => `${cell.model} · ${cell.dataset}: ${count(n, "sample")} flagged ${flag}`),
  );
  const notes = [...unapplied, ...flagged];
  const all = [...summary.warnings.map((w) => `${paint("warning:", "yellow")} ${w}`), ...new Set(notes)];
  const nodes = summary.nodes.map(
    (n) => `${n.node}: ${count(n.samples, "sample")}, median ${formatDuration(n.e2eP50Ms)}`,
  );
  if (nodes.length > 1) all.push(...nodes);
  return all.length === 0 ? [] : ["", ...all];
}
