/** A comparison of two campaigns as text: the verdict first, then a table for each cell, then what flipped. */
import { count } from "../../shared/benchmark/count.js";
import type { Comparing } from "../client.js";
import type { Color, Paint } from "./color.js";
import { formatP, formatValue } from "./quantity.js";
import { tableLines } from "./table.js";
import { clip } from "./width.js";

type Cell = Comparing["cells"][number];
type Metric = Cell["metrics"][number];
type Campaign = NonNullable<Comparing["base"]>;

export interface ComparingStyle {
  paint: Paint;
  wide: boolean;
}

const COLORS: { [verdict: string]: Color } = { pass: "green", fail: "red" };
const MOST_REASONS = 20;

export function comparingLines(comparing: Comparing, { paint, wide }: ComparingStyle): string[] {
  const { base, candidate, verdict, reasons, unmatched, simulated, alpha } = comparing;
  const more = reasons.length - MOST_REASONS;
  return [
    `base ${campaignText(base)}`,
    `new  ${campaignText(candidate)}`,
    ...(simulated
      ? [paint("SIMULATED: numbers of the simulated engine say nothing about any model", "yellow")]
      : []),
    ...comparing.cells.flatMap((cell) => ["", ...cellLines(cell, alpha, { paint, wide })]),
    ...(unmatched.length === 0 ? [] : ["", "not compared:"]),
    ...unmatched.map(
      ({ side, model, prompt, dataset, reason }) =>
        `  ${side === "base" ? "base" : "new "} ${model} · ${prompt} · ${dataset}: ${reason}`,
    ),
    "",
    paint(`verdict: ${verdictText(verdict)}`, COLORS[verdict] ?? "yellow"),
    ...reasons.slice(0, MOST_REASONS).map((reason) => `  ${reason}`),
    ...(more > 0 ? [`  and ${more} more; -o json has all`] : []),
  ];
}

export const verdictText = (verdict: string): string => verdict.replace("_", " ").toUpperCase();

function campaignText(campaign: Campaign | undefined): string {
  if (campaign === undefined) return "";
  const { campaignId, baseline, name, state, endedAt } = campaign;
  const as = baseline === "" ? "" : `${baseline} = `;
  return `${as}${campaignId} ${name} (${state}${endedAt === "" ? "" : `, ${endedAt.slice(0, 16).replace("T", " ")}`})`;
}

function cellLines(cell: Cell, alpha: number, { paint, wide }: ComparingStyle): string[] {
  const { base, candidate, pairs, lost, won, flipMetric, changes, flips } = cell;
  const names = (["model", "prompt", "dataset"] as const).map((kind) =>
    base?.[kind] === candidate?.[kind]
      ? (base?.[kind] ?? "")
      : `${base?.[kind] ?? ""} → ${candidate?.[kind] ?? ""}`,
  );
  const flipped = flipMetric === "" ? "" : `; by ${flipMetric} ${lost} lost, ${won} won`;
  return [
    paint(names.join(" · "), "bold"),
    `  ${count(pairs, "sample")} of both${flipped}`,
    ...(cell.metrics.length === 0
      ? []
      : tableLines(columns(alpha), cell.metrics, { paint, wide, indent: "  " })),
    ...changes.map(
      ({ what, base: from, candidate: to }) => `  ${what}: ${clip(from || "?", 60)} → ${clip(to || "?", 60)}`,
    ),
    ...(wide ? flips.flatMap(flipLines) : []),
  ];
}

const columns = (alpha: number): Parameters<typeof tableLines<Metric>>[0] => [
  { title: "METRIC", value: (m) => m.id },
  { title: "BASE", align: "right", value: (m) => valueText(m.base, m.unit) },
  { title: "NEW", align: "right", value: (m) => valueText(m.candidate, m.unit) },
  { title: "CHANGE", align: "right", value: (m) => signed(m.difference, m.unit) },
  {
    title: `${Number(((1 - alpha) * 100).toFixed(2))} % CI`,
    value: (m) =>
      m.interval === undefined ? "-" : `[${signed(m.interval.lo, m.unit)}, ${signed(m.interval.hi, m.unit)}]`,
  },
  { title: "N", align: "right", value: (m) => String(m.n) },
  { title: "P", value: (m) => (m.p === undefined ? "-" : formatP(m.p).replace("= ", "")) },
  { title: "TEST", value: (m) => m.method, wide: true },
  { title: "MAY LOSE", align: "right", value: (m) => (m.judged ? valueText(m.maxDrop, m.unit) : "-") },
  {
    title: "VERDICT",
    value: (m) =>
      m.judged ? m.verdict.toUpperCase() : m.difference === undefined ? `n/a: ${m.reason}` : "-",
    color: (m) => (m.judged ? (COLORS[m.verdict] ?? "yellow") : undefined),
  },
];

function flipLines({ kind, item, repetition, base, candidate, expected }: Cell["flips"][number]): string[] {
  const of = repetition === 0 ? item : `${item} (repetition ${repetition})`;
  return [
    `  ${kind} ${of}`,
    `    expected  ${clip(expected, 100)}`,
    `    base      ${clip(base?.output ?? "", 100)}`,
    `    new       ${clip(candidate?.output ?? "", 100)}`,
  ];
}

const valueText = (value: number | undefined, unit: string): string =>
  value === undefined ? "n/a" : formatValue(value, unit);

function signed(value: number | undefined, unit: string): string {
  if (value === undefined) return "n/a";
  return `${value < 0 ? "-" : "+"}${formatValue(Math.abs(value), unit)}`;
}
