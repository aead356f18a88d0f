/** What the GPUs did while the samples ran: energy, power, clocks, heat; and how the energy was found. */
import { count } from "../../../shared/benchmark/count.js";
import type { Cell, GpuUse } from "../../../shared/benchmark/summary.js";
import { formatCount, isNumber, significant } from "../format.js";
import { html, type Markup, name, nothing, type Part } from "../markup.js";
import { table } from "../table.js";
import type { Task, View } from "../view.js";
import { modelName, na, section, taskTitle } from "./words.js";

const NBSP = "\u00A0";

export function gpus(view: View): Markup | undefined {
  const tasks = view.tasks.filter((task) => task.cells.some((cell) => cell.gpu !== undefined));
  if (tasks.length === 0) return undefined;
  return section(
    "gpus",
    "GPUs",
    html`<p class="intro">While the samples ran, without load and warm-up. Energy is that of the GPUs only, not of the machines around them${intro(view)}.</p>`,
    tasks.map((task) => html`${taskTitle(task)}${useTable(view, task)}${notes(task)}`),
  );
}

const intro = (view: View): Part =>
  view.summary.cells.some((cell) => cell.gpu?.energySource.includes("integrated"))
    ? html`; it is <strong>estimated</strong> from readings of their power`
    : nothing;

function useTable(view: View, task: Task): Markup {
  const measured = task.cells.flatMap((cell) => (cell.gpu ? [{ cell, gpu: cell.gpu }] : []));
  const rows = measured.map(({ cell, gpu }) => [
    modelName(view, cell),
    figure(gpu.energyPerSampleJ, "J"),
    figure(gpu.aboveIdlePerSampleJ, "J"),
    figure(gpu.tokensPerJ, ""),
    figure(gpu.meanPowerW, "W"),
    figure(gpu.peakPowerW, "W"),
    figure(gpu.smClockMhz, "MHz", 4),
    figure(gpu.leastSmClockMhz, "MHz", 4),
    figure(gpu.utilizationPercent, "%"),
    figure(gpu.temperatureC, "°C"),
    figure(gpu.memoryBytes === undefined ? undefined : gpu.memoryBytes / 1024 ** 3, "GiB"),
    formatCount(gpu.gpus),
  ]);
  const numeric = true;
  const columns = [
    { label: "Model" },
    { label: "Energy per sample", numeric },
    { label: "Above idle", numeric },
    { label: "Tokens per J", numeric },
    { label: "Mean power", numeric },
    { label: "Peak", numeric },
    { label: "SM clock", numeric },
    { label: "Least", numeric },
    { label: "Busy", numeric },
    { label: "Hottest", numeric },
    { label: "Memory", numeric },
    { label: "GPUs", numeric },
  ];
  return table("What the GPUs did", columns, rows);
}

function figure(value: number | undefined, unit: string, digits = 3): Part {
  if (!isNumber(value)) return na("");
  return `${significant(value, digits)}${unit === "" ? "" : NBSP}${unit}`;
}

const WHY: ReadonlyMap<string, string> = new Map([
  ["shared", "the GPUs were shared"],
  ["few_readings", "too short, or gaps between the readings"],
  ["no_power", "the driver tells no power"],
]);

/** On how much the energy rests, and why it is not known of the others. */
function notes(task: Task): Markup {
  const items = task.cells.flatMap((cell: Cell) => {
    const gpu: GpuUse | undefined = cell.gpu;
    if (gpu === undefined) return [];
    const why = Object.entries(gpu.noEnergy).map(
      ([reason, n]) => html`; not known of ${count(n, "attempt")}: ${WHY.get(reason) ?? reason}`,
    );
    return [
      html`<li>${name(cell.model)}: energy of ${formatCount(gpu.windowsWithEnergy)} of ${count(gpu.windows, "attempt")} with ${count(gpu.samples, "sample")}${why}</li>`,
    ];
  });
  return items.length === 0 ? nothing : html`<ul class="notes">${items}</ul>`;
}
