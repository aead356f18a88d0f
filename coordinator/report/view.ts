/**
 * The summary as the sections read it: cells grouped into tasks (one prompt on one dataset, where models compete),
 * the metric that leads, and one look per model.
 */
import type { Cell, Comparison, MetricValue, Summary } from "../../shared/benchmark/summary.js";
import { isNumber } from "./format.js";
import { assignLooks, type Look } from "./palette.js";

export interface Task {
  prompt: string;
  dataset: string;
  cells: Cell[];
  comparisons: Comparison[];
  /** Id of the leading metric; undefined when no cell has any. */
  primary: string | undefined;
}

export interface View {
  summary: Summary;
  tasks: Task[];
  look(model: string): Look;
}

export function createView(summary: Summary): View {
  const tasks = new Map<string, Task>();
  const taskOf = (of: { prompt: string; dataset: string }): string => JSON.stringify([of.prompt, of.dataset]);
  // Levels of a load are no rivals; they have a section of their own.
  for (const cell of summary.cells.filter((one) => one.load === undefined)) {
    const task = tasks.get(taskOf(cell));
    if (task !== undefined) task.cells.push(cell);
    else {
      const { prompt, dataset } = cell;
      tasks.set(taskOf(cell), { prompt, dataset, cells: [cell], comparisons: [], primary: undefined });
    }
  }
  for (const comparison of summary.comparisons) tasks.get(taskOf(comparison))?.comparisons.push(comparison);
  for (const task of tasks.values()) task.primary = primaryMetric(task.cells);
  const looks = assignLooks(summary.cells.map((c) => c.model));
  const fallback: Look = { color: 7, shape: "circle", dash: "" };
  return { summary, tasks: [...tasks.values()], look: (model) => looks.get(model) ?? fallback };
}

/** Metrics of how the run went, not of how good the answers are. */
const OPERATIONAL = new Set(["parse_success_rate", "error_rate", "latency", "throughput", "cost"]);

/**
 * The first quality metric that has a value, in the suite's order; else the first of any kind that has one, for a
 * headline of n/a says nothing; else the first metric of all.
 */
function primaryMetric(cells: readonly Cell[]): string | undefined {
  const ids = metricIds(cells);
  const quality = ids.filter((id) => !OPERATIONAL.has(id));
  const valued = (id: string): boolean => hasValue(cells, id);
  return quality.find(valued) ?? ids.find(valued) ?? ids[0];
}

/** Whether any cell has a value of this metric. */
export const hasValue = (cells: readonly Cell[], id: string): boolean =>
  cells.some((c) => isNumber(metricOf(c.metrics, id)?.value));

/** Metric ids of the cells in first-seen order. */
export function metricIds(cells: readonly Cell[]): string[] {
  return [...new Set(cells.flatMap((c) => c.metrics.map((m) => m.id)))];
}

export function metricOf(metrics: readonly MetricValue[], id: string | undefined): MetricValue | undefined {
  return metrics.find((m) => m.id === id);
}

/** What is known of a metric whatever the cell: its unit and direction. */
export function metricKind(cells: readonly Cell[], id: string): { unit: string; higherIsBetter: boolean } {
  const metric = cells.flatMap((c) => c.metrics).find((m) => m.id === id);
  return { unit: metric?.unit ?? "", higherIsBetter: metric?.higherIsBetter ?? true };
}

/** Samples of a cell that ran and brought no answer. */
export function failedSamples(cell: Cell): number {
  const c = cell.counts;
  return c === undefined ? 0 : c.engineError + c.timeout + c.oom + c.poison;
}

/** Samples of a cell that brought an answer, parsed or not. */
export function answeredSamples(cell: Cell): number {
  const c = cell.counts;
  return c === undefined ? 0 : c.ok + c.parseError + c.refused;
}

/** Rank of a cell for a metric; undefined when it was not ranked. */
export function rankOf(cell: Cell, metric: string | undefined): number | undefined {
  return cell.ranks.find((r) => r.metric === metric)?.rank;
}
