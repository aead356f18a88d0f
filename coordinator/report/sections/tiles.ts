/** The headline in four tiles: who leads, how much ran, what is fastest, which targets are met. */
import { levelText } from "../../../shared/benchmark/load/load-spec.js";
import type { Cell } from "../../../shared/benchmark/summary.js";
import { formatCount, formatMs, formatValue, isNumber, significant } from "../format.js";
import { html, type Markup, name, nothing } from "../markup.js";
import {
  answeredSamples,
  failedSamples,
  metricKind,
  metricOf,
  rankOf,
  type Task,
  type View,
} from "../view.js";
import { modelName, na } from "./words.js";

export function tiles(view: View): Markup {
  const all = [leaderTile(view), ranTile(view), fastestTile(view), targetTile(view)];
  return html`<div class="tiles">${all}</div>\n`;
}

function tile(title: Markup | string, big: Markup | string, small: Markup | string): Markup {
  return html`<div class="tile"><p class="tile-title">${title}</p><p class="big">${big}</p><p class="small">${small}</p></div>`;
}

function leaderTile(view: View): Markup {
  const task = view.tasks[0];
  const most = task === undefined && mostLoad(view);
  if (most) return most;
  if (task === undefined || view.tasks.length > 1) {
    const models = new Set(view.summary.cells.map((c) => c.model)).size;
    return tile(
      "Compared",
      `${formatCount(models)} models`,
      `on ${formatCount(view.tasks.length)} tasks (a prompt on a dataset); leaders in the table below`,
    );
  }
  const [best, ...others] = leaders(task);
  if (best === undefined || task.primary === undefined)
    return tile("Leader", na(""), "no metric has a value");
  const kind = metricKind(task.cells, task.primary);
  const value = formatValue(metricOf(best.metrics, task.primary)?.value, kind.unit);
  const named = others.slice(0, 2).map((c, i) => {
    const its = formatValue(metricOf(c.metrics, task.primary)?.value, kind.unit);
    return html`${i > 0 ? ", " : nothing}${name(c.model)} (${its})`;
  });
  const more = others.length > 2 ? ` and ${formatCount(others.length - 2)} more` : nothing;
  const rank = rankOf(best, task.primary);
  const tied =
    rank === undefined
      ? "not ranked: no comparison was made"
      : others.length === 0
        ? html`alone at rank ${rank}`
        : html`shares rank ${rank} with ${named}${more}`;
  return tile(
    html`Leads on ${task.primary}`,
    html`${value} <span class="who">${modelName(view, best)}</span>`,
    tied,
  );
}

/** Of a campaign that only puts servers under load; undefined of others. */
function mostLoad(view: View): Markup | undefined {
  const loads = view.summary.cells.filter(({ load }) => isNumber(load?.requestsPerS));
  const rate = (c: Cell): number => c.load?.requestsPerS ?? 0;
  const [best] = loads.sort((a, b) => rate(b) - rate(a));
  if (best === undefined) return undefined;
  const told = view.summary.saturations.find(({ model }) => model === best.model);
  return tile(
    "Most answers a second",
    html`${significant(rate(best), 3)}/s <span class="who">${modelName(view, best)}</span>`,
    told === undefined ? `at ${best.load ? levelText(best.load) : ""}` : `saturation ${told.text}`,
  );
}

/**
 * Cells of the best rank for the leading metric (all cells if none is ranked), best value first. Simulated ones lead
 * only where nothing is real.
 */
function leaders(task: Task): Cell[] {
  const { higherIsBetter } = metricKind(task.cells, task.primary ?? "");
  const value = (c: Cell): number => metricOf(c.metrics, task.primary)?.value ?? Number.NaN;
  const valued = preferReal(task.cells).filter((c) => isNumber(value(c)));
  const rank = (c: Cell): number => rankOf(c, task.primary) ?? Number.MAX_SAFE_INTEGER;
  const top = Math.min(...valued.map(rank));
  return valued
    .filter((c) => rank(c) === top)
    .sort((a, b) => (higherIsBetter ? value(b) - value(a) : value(a) - value(b)));
}

function preferReal(cells: readonly Cell[]): readonly Cell[] {
  const real = cells.filter((c) => !c.simulated);
  return real.length > 0 ? real : cells;
}

function ranTile(view: View): Markup {
  const cells = view.summary.cells;
  const sum = (of: (cell: Cell) => number): number => cells.reduce((total, cell) => total + of(cell), 0);
  const planned = sum((c) => c.counts?.planned ?? 0);
  const notRun = sum((c) => (c.counts?.notRun ?? 0) + (c.counts?.cancelled ?? 0));
  const parts = [
    `${formatCount(sum(failedSamples))} failed`,
    `${formatCount(sum((c) => c.counts?.parseError ?? 0))} not parsed`,
    `${formatCount(notRun)} not run`,
  ];
  return tile(
    "Samples answered",
    html`${formatCount(sum(answeredSamples))} <span class="of">of ${formatCount(planned)}</span>`,
    parts.join(", "),
  );
}

function fastestTile(view: View): Markup {
  const timed = preferReal(view.summary.cells).filter((c) => isNumber(c.e2eMs?.p50) && c.e2eMs.n > 0);
  const fastest = timed.sort((a, b) => (a.e2eMs?.p50 ?? 0) - (b.e2eMs?.p50 ?? 0))[0];
  if (fastest === undefined) return tile("Fastest", na(""), "no answered sample was timed");
  const p95 = formatMs(fastest.e2eMs?.p95);
  return tile(
    "Fastest, median end to end",
    html`${formatMs(fastest.e2eMs?.p50)} <span class="who">${modelName(view, fastest)}</span>`,
    `95th percentile ${p95}, n ${formatCount(fastest.e2eMs?.n ?? 0)}`,
  );
}

function targetTile(view: View): Markup {
  const targets = view.summary.cells.flatMap((c) => c.metrics).flatMap((m) => (m.target ? [m.target] : []));
  if (targets.length === 0) {
    const jobs = view.summary.cells.length;
    return tile("Jobs", formatCount(jobs), "the suite sets no targets");
  }
  const met = targets.filter((t) => t.met === true).length;
  const open = targets.filter((t) => typeof t.met !== "boolean").length;
  return tile(
    "Targets met",
    html`${formatCount(met)} <span class="of">of ${formatCount(targets.length)}</span>`,
    `${formatCount(targets.length - met - open)} missed, ${formatCount(open)} n/a`,
  );
}
