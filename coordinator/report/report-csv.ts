/**
 * The summary as CSV (RFC 4180): one row per job × level (or all items) × metric, numbers in full precision and in
 * the metric's own unit (a ratio is 0 to 1). Text that a spreadsheet would run as a formula gets a leading apostrophe
 * (https://owasp.org/www-community/attacks/CSV_Injection).
 */
import type { Cell, MetricValue, Summary } from "../../shared/benchmark/summary.js";

const OUTCOMES = [
  "planned",
  "ok",
  "parseError",
  "refused",
  "engineError",
  "timeout",
  "oom",
  "poison",
  "cancelled",
  "notRun",
] as const;

const GPU = [
  "windows",
  "windowsWithEnergy",
  "samples",
  "energyJ",
  "energySource",
  "energyPerSampleJ",
  "aboveIdlePerSampleJ",
  "tokensPerJ",
  "meanPowerW",
  "peakPowerW",
  "smClockMhz",
  "leastSmClockMhz",
  "temperatureC",
  "memoryBytes",
  "utilizationPercent",
] as const;

type Field = string | number | boolean | undefined | null;
interface Row {
  cell: Cell;
  /** undefined for all items. */
  level: string | undefined;
  /** undefined for a job without metrics, whose counts and times still get a row. */
  metric: MetricValue | undefined;
}

/** Columns in order. Counts and times are the job's, so they stand only in rows over all items. */
const COLUMNS: readonly [string, (row: Row, summary: Summary) => Field][] = [
  ["campaign", (_, s) => s.campaignId],
  ["name", (_, s) => s.name],
  ["state", (_, s) => s.state],
  ["job", (r) => r.cell.job],
  ["model", (r) => r.cell.model],
  ["prompt", (r) => r.cell.prompt],
  ["dataset", (r) => r.cell.dataset],
  ["engine", (r) => r.cell.engine],
  ["engine_version", (r) => r.cell.engineVersion],
  ["model_digest", (r) => r.cell.modelDigest],
  ["simulated", (r) => r.cell.simulated],
  ["scope", (r) => (r.level === undefined ? "all" : "level")],
  ["level", (r) => r.level],
  ["metric", (r) => r.metric?.id],
  ["value", (r) => r.metric?.value],
  ["unit", (r) => r.metric?.unit],
  ["n", (r) => r.metric?.n],
  ["lo", (r) => r.metric?.interval?.lo],
  ["hi", (r) => r.metric?.interval?.hi],
  ["interval_method", (r) => r.metric?.interval?.method],
  ["na_reason", (r) => r.metric?.reason],
  ["higher_is_better", (r) => r.metric?.higherIsBetter],
  ["answered_only_value", (r) => r.metric?.answeredOnly?.value],
  ["answered_only_n", (r) => r.metric?.answeredOnly?.n],
  ["target", (r) => r.metric?.target?.expression],
  ["target_met", (r) => r.metric?.target?.met],
  ["rank", (r) => overall(r)?.ranks.find((k) => k.metric === r.metric?.id)?.rank],
  ...OUTCOMES.map((key): [string, (row: Row) => Field] => [snake(key), (r) => overall(r)?.counts?.[key]]),
  ...(["ttftMs", "tpotMs", "e2eMs"] as const).flatMap((key) =>
    (["p50", "p95", "p99"] as const).map((p): [string, (row: Row) => Field] => [
      `${key.slice(0, -2)}_${p}_ms`,
      (r) => overall(r)?.[key]?.[p],
    ]),
  ),
  ["cached", (r) => overall(r)?.cached],
  ["cost_avoided_usd", (r) => overall(r)?.costAvoidedUsd],
  ["load_p50_ms", (r) => overall(r)?.loadMs?.p50],
  ["loads", (r) => overall(r)?.loadMs?.n],
  ...GPU.map((key): [string, (row: Row) => Field] => [`gpu_${snake(key)}`, (r) => gpuOf(r)?.[key]]),
  ["gpu_flags", (r) => Object.keys(gpuOf(r)?.flags ?? {}).join(" ")],
];

/** CSV with a header row and CRLF line ends. n/a is an empty field, with its reason in `na_reason`. */
export function renderCsv(summary: Summary): string {
  const lines = [COLUMNS.map(([title]) => title)];
  for (const row of summary.cells.flatMap(rowsOf))
    lines.push(COLUMNS.map(([, get]) => field(get(row, summary))));
  return `${lines.map((fields) => fields.join(",")).join("\r\n")}\r\n`;
}

function rowsOf(cell: Cell): Row[] {
  const all: (MetricValue | undefined)[] = cell.metrics.length > 0 ? cell.metrics : [undefined];
  return [
    ...all.map((metric) => ({ cell, level: undefined, metric })),
    ...cell.levels.flatMap(({ level, metrics }) => metrics.map((metric) => ({ cell, level, metric }))),
  ];
}

const overall = (row: Row): Cell | undefined => (row.level === undefined ? row.cell : undefined);

const gpuOf = (row: Row) => overall(row)?.gpu;

function snake(key: string): string {
  return key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
}

/** One field, defused and quoted where needed. */
function field(value: Field): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  const text = String(value);
  const numeric = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text);
  const safe = !numeric && /^[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
