/** The arithmetic of the tables: what the alternations of a cell come to. */
import type { CellResult, Counts } from "./loop.js";
import type { Role } from "./system.js";

/** One cell of one alternation. */
export interface Cell {
  outstanding: number;
  result: CellResult;
  /** Processor time in the window, s. */
  cpuS: { [role in Role]: number };
}

/** All of one start of a system. */
export interface Alternation {
  cells: Cell[];
  /** Of the client and the workers at its end. */
  counts: Counts;
}

export interface Range {
  median: number;
  min: number;
  max: number;
}

/** Of a cell over all alternations. */
export interface CellFigures {
  tasksPerS: Range;
  p50Ms: number;
  p99Ms: number;
  /** Processor time for 1,000 tasks, s. */
  cpuS: { [role in Role]: number };
}

export interface Tally {
  acknowledged: number;
  /** Submitted and never acknowledged, or acknowledged and never run. */
  lost: number;
  /** Run more than once, or acknowledged more than once. */
  doubled: number;
  /** Came back as something else. */
  wrong: number;
}

/** The middle one, or the mean of the middle two; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  const high = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[half - 1] ?? Number.NaN) + high) / 2;
}

const ROLES = ["server", "worker", "client"] as const;

/** Undefined when no alternation has this cell, or none of its tasks came to an end in the window. */
export function cellFigures(all: readonly Alternation[], outstanding: number): CellFigures | undefined {
  const cells = all.flatMap((one) =>
    one.cells.filter((cell) => cell.outstanding === outstanding && cell.result.tasks > 0),
  );
  if (cells.length === 0) return undefined;
  const rates = cells.map(({ result }) => result.tasks / result.windowS);
  const cpu = (role: Role) => median(cells.map(({ cpuS, result }) => (cpuS[role] / result.tasks) * 1000));
  return {
    tasksPerS: { median: median(rates), min: Math.min(...rates), max: Math.max(...rates) },
    p50Ms: median(cells.map(({ result }) => result.p50Ms)),
    p99Ms: median(cells.map(({ result }) => result.p99Ms)),
    cpuS: Object.fromEntries(ROLES.map((role) => [role, cpu(role)])) as CellFigures["cpuS"],
  };
}

/** Each start counts from 0, and the last cell's result has the sums of its client. */
export function tally(all: readonly Alternation[]): Tally {
  const sum = { acknowledged: 0, lost: 0, doubled: 0, wrong: 0 };
  for (const { cells, counts } of all) {
    const last = cells.at(-1)?.result;
    if (last === undefined) continue;
    sum.acknowledged += last.acknowledged;
    sum.lost += last.submitted - last.acknowledged + Math.max(0, last.acknowledged - counts.distinct);
    sum.doubled += counts.executed - counts.distinct + last.acknowledgedTwice;
    sum.wrong += last.wrong;
  }
  return sum;
}
