/** Which model to take where money counts, and what each costs; the rule is shared/benchmark/recommend.ts. */
import { formatValue } from "../format.js";
import { html, type Markup, name } from "../markup.js";
import { table } from "../table.js";
import type { Task, View } from "../view.js";
import { modelName, section } from "./words.js";

export function recommendations(view: View): Markup | undefined {
  const { recommendations: all } = view.summary;
  if (all.length === 0) return undefined;
  const intro = html`<p class="intro">The cheapest model that is not significantly worse than the best (Holm p above 0.05) and whose 95 % interval of the difference stays within the margin. Where there are too few items to tell, nothing is recommended.</p>`;
  const tasks = view.tasks.flatMap((task) => {
    const own = all.filter(({ prompt, dataset }) => prompt === task.prompt && dataset === task.dataset);
    if (own.length === 0) return [];
    const rows = own.flatMap(({ metric, model, best, costs, undecided }) =>
      costs.map((cost) => [
        modelOf(view, task, cost.model),
        metric,
        usd(cost.usdPer1000),
        usd(cost.usdPerCorrect),
        roleOf(cost.model, model, best, undecided),
      ]),
    );
    const columns = [
      { label: "Model" },
      { label: "Metric" },
      { label: "USD for 1,000 samples", numeric: true },
      { label: "USD for a correct answer", numeric: true },
      { label: "" },
    ];
    const items = own.map(({ text }) => html`<li>${text}</li>`);
    return [
      html`<h3>${name(task.prompt)} <small>on</small> ${name(task.dataset)}</h3><ul>${items}</ul>${table("What models cost", columns, rows)}`,
    ];
  });
  return section("recommendations", "Recommendations", intro, tasks);
}

/** Marked where its numbers are simulated. */
function modelOf(view: View, { cells }: Task, model: string): Markup {
  const cell = cells.find((one) => one.model === model);
  return cell === undefined ? html`${name(model)}` : modelName(view, cell);
}

const usd = (value: number | undefined): string => (value === undefined ? "n/a" : formatValue(value, "usd"));

function roleOf(model: string, chosen: string, best: string, undecided: readonly string[]): Markup {
  const roles = [
    ...(model === chosen ? [html`<span class="badge win">✓ recommended</span> `] : []),
    ...(model === best ? [html`<span class="badge tie">best value</span> `] : []),
    ...(undecided.includes(model) ? [html`<span class="badge tie">cannot be told apart</span>`] : []),
  ];
  return html`${roles}`;
}
