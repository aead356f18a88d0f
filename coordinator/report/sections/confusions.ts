/** Confusion matrices of the binary tasks, one per model; failures are counted as wrong. */
import type { Cell, Confusion } from "../../../shared/benchmark/summary.js";
import { drawConfusion } from "../figures/confusion.js";
import { figure } from "../figures/figure.js";
import { formatCount } from "../format.js";
import { html, type Markup } from "../markup.js";
import { table } from "../table.js";
import type { View } from "../view.js";
import { modelName, section, taskTitle } from "./words.js";

export function confusions(view: View): Markup | undefined {
  const tasks = view.tasks.filter((t) => t.cells.some((c) => confusionOf(c) !== undefined));
  if (tasks.length === 0) return undefined;
  return section(
    "confusion",
    "Confusion matrices",
    html`<p class="intro">Failures are counted as wrong: a truth positive as a false negative, a truth negative as a false positive.</p>`,
    tasks.map((task, i) => {
      const figures = task.cells.flatMap((cell, j) => matrix(view, cell, `confusion-${i}-${j}`));
      return html`${taskTitle(task)}<div class="matrices">${figures}</div>`;
    }),
  );
}

function matrix(view: View, cell: Cell, id: string): Markup[] {
  const confusion = confusionOf(cell);
  if (confusion === undefined) return [];
  const counts = [confusion.tp, confusion.fn, confusion.fp, confusion.tn].map(formatCount);
  const words = ["True positives", "False negatives", "False positives", "True negatives"];
  const rows = words.map((word, i) => [word, counts[i] ?? ""]);
  return [
    figure({
      id,
      caption: modelName(view, cell),
      description: `Confusion matrix of ${cell.model}: ${rows.map(([word, count]) => `${word} ${count}`).join(", ")}.`,
      ...drawConfusion(confusion),
      table: table("Counts", [{ label: "Outcome" }, { label: "Samples", numeric: true }], rows),
    }),
  ];
}

/** All binary metrics of a cell share one matrix; the first that has it gives it. */
const confusionOf = (cell: Cell): Confusion | undefined =>
  cell.metrics.map((m) => m.confusion).find((c) => c !== undefined && c !== null);
