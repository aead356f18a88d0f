/** A few samples as they were asked and answered: the picture with true and given boxes, the words of each model. */
import type { Labelled } from "../../../shared/benchmark/scoring/detections.js";
import type { Example, ExampleAnswer, ExampleTask } from "../example.js";
import { formatCount } from "../format.js";
import { html, type Markup, name, nothing } from "../markup.js";
import { px } from "../svg.js";
import { table } from "../table.js";
import type { View } from "../view.js";
import { modelName, na, section } from "./words.js";

const WIDTH = 420;
/** A small picture is not made larger than this. */
const MOST_SCALE = 2;

export function samples(view: View, tasks: readonly ExampleTask[]): Markup | undefined {
  if (tasks.length === 0) return undefined;
  return section(
    "samples",
    "Samples",
    html`<p class="intro">Chosen by rule, not at random: where models differ most, then what all have wrong, then what all have right. They show what the numbers are made of and are no measure of anything.</p>`,
    tasks.map((task, i) => taskOf(view, task, i)),
  );
}

function taskOf(view: View, task: ExampleTask, index: number): Markup {
  const { examples, lookedAt, items, system, template } = task;
  const from =
    lookedAt < items
      ? `the first ${formatCount(lookedAt)} of ${formatCount(items)}`
      : `all ${formatCount(items)}`;
  const asked = `${system === undefined ? "" : `system: ${system}\n\n`}${template}`;
  return html`<h3>${name(task.prompt)} <span class="on-data">on</span> ${name(task.dataset)}</h3>
<p class="note">${examples.length} of ${from} items.</p>
<details><summary>The prompt, as written</summary><code class="example">${asked}</code></details>
${examples.map((example, i) => exampleOf(view, example, `sample-${index}-${i}`))}`;
}

function exampleOf(view: View, example: Example, id: string): Markup {
  const { why, level, input, expected, answers } = example;
  const kind = why === "models differ" ? "tie" : why === "wrong" ? "lose" : "win";
  const boxes = hasBoxes(example);
  const rows = answers.map((answer) => [
    modelName(view, cellOf(view, answer)),
    mark(answer),
    html`<code class="example">${answer.text}</code>`,
    ...(boxes ? [boxText(answer.boxes)] : []),
  ]);
  const truth = expected === undefined ? na("no truth") : html`<code class="example">${expected}</code>`;
  const columns = [
    { label: "Answer of" },
    { label: "Right" },
    { label: "Answer" },
    ...(boxes ? [{ label: "Boxes" }] : []),
  ];
  const expectedRow = ["expected", "", truth, ...(boxes ? [boxText(example.trueBoxes)] : [])];
  return html`<article class="sample"><h4><bdi>${example.id}</bdi> <span class="badge ${kind}">${why.toUpperCase()}</span>${level === undefined ? nothing : html` <small>${level}</small>`}</h4>
${picture(view, example, id)}<div class="said">${input === undefined ? nothing : html`<code class="example">${input}</code>`}${table(`Answers to ${example.id}`, columns, [expectedRow, ...rows])}</div></article>
`;
}

function mark({ status, mark: right }: ExampleAnswer): Markup {
  if (status !== "ok") return html`<span class="badge lose">${status.replace("_", " ").toUpperCase()}</span>`;
  if (right === undefined) return na("");
  if (right === 0 || right === 1)
    return html`<span class="badge ${right === 1 ? "win" : "lose"}">${right === 1 ? "YES" : "NO"}</span>`;
  return html`${right.toFixed(2)}`;
}

/** The picture, its boxes in the models' colours; the true ones are solid, those of models dashed. */
function picture(view: View, example: Example, id: string): Markup {
  const { picture: shown, trueBoxes, answers } = example;
  if (shown === undefined)
    return example.pictures === 0 ? nothing : html`<p class="note">The picture cannot be shown here.</p>`;
  const scale = Math.min(MOST_SCALE, WIDTH / Math.max(shown.width, shown.height));
  const [w, h] = [Math.max(1, shown.width * scale), Math.max(1, shown.height * scale)];
  const given = answers.filter(({ boxes }) => boxes.length > 0);
  const words = `Picture of ${example.id}: ${trueBoxes.length} true boxes; ${answers
    .map(({ model, boxes }) => `${model} ${boxes.length}`)
    .join(", ")}.`;
  const lines = [
    ...trueBoxes.map((box) => html`${rect(box, w, h, "box-under")}${rect(box, w, h, "box-true")}`),
    ...given.flatMap(({ model, boxes }) =>
      boxes.map(
        (box) => html`${rect(box, w, h, "box-under")}${rect(box, w, h, `box m${view.look(model).color}`)}`,
      ),
    ),
  ];
  const keys = given.map(
    ({ model }) =>
      html`<li><svg aria-hidden="true" width="30" height="12" viewBox="0 0 30 12"><path class="box m${view.look(model).color}" d="M1 6H29"/></svg>${name(model)}</li>`,
  );
  const trueKey = html`<li><svg aria-hidden="true" width="30" height="12" viewBox="0 0 30 12"><path class="box-true" d="M1 6H29"/></svg>true box</li>`;
  const legend = hasBoxes(example)
    ? html`<ul class="legend">${trueBoxes.length > 0 ? trueKey : nothing}${keys}</ul>`
    : nothing;
  const more =
    example.pictures > 1 ? html`<p class="note">The first of ${example.pictures} pictures.</p>` : nothing;
  return html`<figure class="shot"><svg role="img" aria-labelledby="${id}-d" viewBox="0 0 ${px(w)} ${px(h)}" width="${px(w)}" height="${px(h)}"><desc id="${id}-d">${words}</desc><image href="${shown.url}" width="${px(w)}" height="${px(h)}" preserveAspectRatio="none"/>${lines}</svg>${legend}${more}</figure>
`;
}

/** What lies outside of the picture is drawn at its edge. */
function rect({ box }: Labelled, width: number, height: number, css: string): Markup {
  const clamp = (share: number): number => Math.min(1, Math.max(0, share));
  const [left, top] = [clamp(box.xc - box.w / 2) * width, clamp(box.yc - box.h / 2) * height];
  const [right, bottom] = [clamp(box.xc + box.w / 2) * width, clamp(box.yc + box.h / 2) * height];
  return html`<rect class="${css}" x="${px(left)}" y="${px(top)}" width="${px(right - left)}" height="${px(bottom - top)}"/>`;
}

function boxText(boxes: readonly Labelled[]): Markup {
  if (boxes.length === 0) return html`<small>none</small>`;
  return html`${boxes.slice(0, 10).map(({ label, box, score }) => {
    const at = [box.xc, box.yc, box.w, box.h].map((share) => share.toFixed(2)).join(" ");
    return html`<small>${label === "" ? nothing : html`${name(label)} `}${at}${score === undefined ? nothing : ` (${score.toFixed(2)})`}</small><br/>`;
  })}${boxes.length > 10 ? html`<small>and ${boxes.length - 10} more</small>` : nothing}`;
}

const hasBoxes = ({ trueBoxes, answers }: Example): boolean =>
  trueBoxes.length > 0 || answers.some(({ boxes }) => boxes.length > 0);

const cellOf = (view: View, { model }: ExampleAnswer): { model: string; simulated: boolean } => ({
  model,
  simulated: view.summary.cells.some((cell) => cell.model === model && cell.simulated),
});
