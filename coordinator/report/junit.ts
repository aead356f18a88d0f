/**
 * JUnit XML, for machines that show tests: a suite for each cell, a case for each gate in it. What fails a gate is a failure;
 * what cannot be told is an error, since a pass is what was not seen.
 */
import type { Comparing } from "../../shared/benchmark/compare/comparison.js";
import { cellText } from "../../shared/benchmark/compare/judge.js";
import { isScenario } from "../../shared/benchmark/scenarios.js";
import type { Cell, MetricValue, Summary } from "../../shared/benchmark/summary.js";
import { formatDifference, formatValue } from "./format.js";
import { xmlText } from "./xml.js";

interface Case {
  name: string;
  /** passed, or what went wrong. */
  outcome: "passed" | "failure" | "error" | "skipped";
  message: string;
}

interface Suite {
  name: string;
  cases: Case[];
}

/** The targets of a campaign; a cell without any has one case, skipped, that says so. */
export function renderJunit(summary: Summary): string {
  const running = summary.endedAt === "" ? `the campaign is ${summary.state}` : "";
  const suites = summary.cells.map((cell) => ({
    name: cellText(cell),
    cases: [...targetsOf(cell), ...runOf(cell, running)],
  }));
  return document(summary.name, summary.endedAt || summary.createdAt, suites);
}

/** The judged metrics of a comparison; what the verdict says beyond them is a case of its own. */
export function renderComparisonJunit(comparing: Comparing): string {
  const { base, candidate, verdict, reasons, cells } = comparing;
  const suites = cells.map((cell) => ({
    name: cellText(cell.candidate),
    cases: cell.metrics
      .filter((metric) => metric.judged)
      .map((metric): Case => {
        const { id, unit, difference, interval, maxDrop, reason } = metric;
        const range = interval
          ? `, from ${formatDifference(interval.lo, unit)} to ${formatDifference(interval.hi, unit)}`
          : "";
        const seen = difference === undefined ? "n/a" : `${formatDifference(difference, unit)}${range}`;
        const outcome =
          metric.verdict === "pass" ? "passed" : metric.verdict === "fail" ? "failure" : "error";
        return { name: id, outcome, message: `${seen}; may lose ${formatValue(maxDrop, unit)}: ${reason}` };
      }),
  }));
  const whole: Case = {
    name: "verdict",
    outcome: verdict === "pass" ? "passed" : verdict === "fail" ? "failure" : "error",
    message: `${verdict}: ${reasons.join("; ")}`,
  };
  const title = `${base.baseline || base.campaignId} and ${candidate.campaignId}`;
  return document(title, candidate.endedAt || candidate.createdAt, [
    ...suites,
    { name: "all", cases: [whole] },
  ]);
}

function targetsOf(cell: Cell): Case[] {
  const parts = cell.levels.filter(isScenario);
  return [
    ...cell.metrics.flatMap((metric) => targetOf(metric, metric.id)),
    ...parts.flatMap(({ level, metrics }) => metrics.flatMap((m) => targetOf(m, `${level} ${m.id}`))),
  ];
}

function targetOf({ target, value, unit, reason }: MetricValue, name: string): Case[] {
  if (target === undefined || target === null) return [];
  const outcome = target.met === true ? "passed" : target.met === false ? "failure" : "error";
  const seen = value === undefined ? `n/a: ${reason}` : formatValue(value, unit);
  return [{ name: `${name} ${target.expression}`, outcome, message: seen }];
}

/** Whether all of it ran; a target can be met by half of the samples. */
function runOf({ counts }: Cell, running: string): Case[] {
  const { planned = 0, notRun = 0, cancelled = 0 } = counts ?? {};
  const missing = notRun + cancelled;
  const message = running || `${missing} of ${planned} samples did not run`;
  return [{ name: "complete", outcome: running === "" && missing === 0 ? "passed" : "error", message }];
}

function document(title: string, at: string, suites: readonly Suite[]): string {
  const all = suites.flatMap(({ cases }) => cases);
  const lines = suites.flatMap(({ name, cases }) => [
    `  <testsuite name="${xmlText(name)}" ${counts(cases)} time="0"${at === "" ? "" : ` timestamp="${xmlText(at.replace(/(\.\d+)?Z$/, ""))}"`}>`,
    ...cases.map((one) => caseText(one, name)),
    "  </testsuite>",
  ]);
  const head = `<testsuites name="${xmlText(title)}" ${counts(all)} time="0">`;
  return ['<?xml version="1.0" encoding="UTF-8"?>', head, ...lines, "</testsuites>", ""].join("\n");
}

function counts(cases: readonly Case[]): string {
  const of = (outcome: Case["outcome"]) => cases.filter((one) => one.outcome === outcome).length;
  return `tests="${cases.length}" failures="${of("failure")}" errors="${of("error")}" skipped="${of("skipped")}"`;
}

function caseText({ name, outcome, message }: Case, suite: string): string {
  const head = `    <testcase name="${xmlText(name)}" classname="${xmlText(suite)}" time="0"`;
  if (outcome === "passed") return `${head}/>`;
  return `${head}><${outcome} message="${xmlText(message)}" type="${outcome}"/></testcase>`;
}
