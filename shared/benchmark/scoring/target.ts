/**
 * Scores against an item's target text: exact_match, contains, cer, anls. Answer and target go through the same
 * reading (the prompt's answer spec: steps, then type), so that `1,018` matches `1018` where numbers are asked for.
 * No answer scores 0, and 1 as its error rate: every character is missing. An empty target has no error rate.
 */
import { same } from "../expression-values.js";
import type { Json } from "../json.js";
import { normalize, readAnswer } from "../parse-answer.js";
import type { Fields } from "../parse-fields.js";
import type { PromptSpec } from "../plan.js";
import type { Scores } from "./scores.js";
import { characterErrorRate, levenshteinSimilarity } from "./texts.js";

/** `answer`: the parsed fields, undefined if there are none; `output`: the raw text, which `contains` looks into. */
export function targetScores(
  prompt: PromptSpec,
  target: string,
  answer: Fields | undefined,
  output: string | undefined,
): Scores {
  const steps = prompt.answer?.normalize ?? [];
  const want = normalize(target, steps);
  const given = answer?.["answer"];
  const got = given === undefined ? undefined : asText(given);
  const scores: Scores = {
    exact_match: Number(given !== undefined && matches(prompt, target, given)),
    contains: Number(answer !== undefined && output !== undefined && normalize(output, steps).includes(want)),
    anls: got === undefined ? 0 : levenshteinSimilarity(got, want),
  };
  if (want !== "") scores["cer"] = got === undefined ? 1 : characterErrorRate(got, want);
  return scores;
}

function matches(prompt: PromptSpec, target: string, given: Json): boolean {
  const spec = prompt.answer ?? { extract: [], normalize: [], type: "text" };
  const want = readAnswer(spec, target);
  if (!want.ok) return false;
  const got = prompt.answer === undefined && typeof given !== "object" ? asText(given) : given;
  return same(got, want.value);
}

const asText = (value: Json): string => {
  return typeof value === "string" ? value.normalize("NFC").trim() : JSON.stringify(value);
};
