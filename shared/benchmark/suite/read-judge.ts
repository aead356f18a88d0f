/** `judge` of a metric: who judges, what it is asked, and what its verdicts are. */
import type { JudgeSpec } from "../plan.js";
import { templateProblem } from "../template.js";
import { type Fields, isObject } from "./fields.js";

const MAX_TEMPLATE = 100_000;

/** Undefined without one; "wrong" after adding an error. */
export function readJudge(entry: Fields): JudgeSpec | "wrong" | undefined {
  if (!entry.has("judge")) return undefined;
  const { findings } = entry;
  const before = findings.errors;
  const judge = entry.object("judge");
  if (judge === undefined) return "wrong";
  const need = (key: string, hint: string) => {
    if (!judge.has(key)) findings.error(judge.path(key), `${key} is missing`, hint);
  };
  need("model", "the id of one of judges, or of models");
  need("template", "what the judge is asked; it sees input, answer, target and the item's columns");
  const model = judge.name("model");
  const template = judge.text("template", MAX_TEMPLATE);
  const system = judge.text("system", MAX_TEMPLATE);
  for (const [key, text] of Object.entries({ template, system })) {
    const problem = text === undefined ? undefined : templateProblem(text);
    if (problem !== undefined) findings.error(judge.path(key), `the template is wrong: ${problem}`);
  }
  const extract = judge.texts("extract");
  const choices = readChoices(judge);
  const scale = choices ? ends(Object.values(choices)) : readScale(judge);
  judge.close();
  if (findings.errors > before || model === undefined || template === undefined) return "wrong";
  return {
    ...{ model, template, scale },
    ...(system !== undefined && { system }),
    ...(choices && { choices }),
    ...(extract && { extract }),
  };
}

const ends = (values: readonly number[]): [number, number] => [Math.min(...values), Math.max(...values)];

function readScale(judge: Fields): [number, number] {
  const scale = judge.numbers("scale", {});
  if (scale === undefined) {
    if (!judge.has("scale"))
      judge.findings.error(
        judge.at,
        "neither scale nor choices",
        "scale: [1, 5], or choices: {good: 1, bad: 0}",
      );
    return [0, 1];
  }
  const [lo = 0, hi = 0] = scale;
  if (scale.length !== 2 || lo >= hi)
    judge.findings.error(
      judge.path("scale"),
      "a scale is its least and its greatest verdict",
      "scale: [1, 5]",
    );
  return [lo, hi];
}

function readChoices(judge: Fields): { [word: string]: number } | undefined {
  const value = judge.raw("choices");
  if (value === undefined) return undefined;
  const wrong = "choices are words with what each is worth";
  const hint = "choices: {good: 1, bad: 0}";
  if (judge.has("scale")) judge.findings.error(judge.path("scale"), "a scale beside choices", hint);
  if (!isObject(value) || Object.keys(value).length < 2 || new Set(Object.values(value)).size < 2) {
    judge.findings.error(judge.path("choices"), wrong, hint);
    return undefined;
  }
  const choices: { [word: string]: number } = {};
  for (const [word, worth] of Object.entries(value)) {
    if (typeof worth === "number" && word.trim() !== "") choices[word] = worth;
    else judge.findings.error(`${judge.path("choices")}.${word}`, wrong, hint);
  }
  return choices;
}
