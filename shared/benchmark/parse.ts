/**
 * From an output text to canonical fields.
 *
 * With an `answer` spec the fields are {answer}; otherwise the prompt's output format decides: `json` takes one JSON
 * object, `lines` takes `Key: value` lines, `text` gives {answer: the whole text, trimmed}.
 *
 * Of several JSON objects the last one with an expected field is taken (models think first and answer last); expected
 * are the mapped fields and the properties of the output schema. An object without any of them is a parse error, not a
 * set of missing values. Where a prompt expects nothing in particular, the last object is taken.
 *
 * Nothing here throws, whatever the text.
 */
import type { Json } from "./json.js";
import { extractAnswer, readAnswer } from "./parse-answer.js";
import { expectedFields, mapFields } from "./parse-fields.js";
import { type FoundObject, findObjects } from "./parse-json.js";
import { readLines } from "./parse-lines.js";
import type { AnswerSpec, PromptSpec } from "./plan.js";
import type { ParseMode } from "./record.js";

export type ParsedOutput =
  | { ok: true; fields: { [field: string]: Json }; mode: ParseMode }
  | { ok: false; reason: string };

/** direct: the text was nothing but the answer; fenced: a code fence around it; extracted: prose around it. */
export function parseOutput(prompt: PromptSpec, text: string): ParsedOutput {
  if (prompt.answer !== undefined) return parseAnswer(prompt, prompt.answer, text);
  switch (prompt.output) {
    case "json":
      return parseObject(prompt, text);
    case "lines":
      return parseLines(prompt, text);
    case "text": {
      const raw = { answer: text.normalize("NFC").trim() };
      return { ok: true, fields: mapFields(prompt, raw, { text }).fields, mode: "direct" };
    }
  }
}

function parseAnswer(prompt: PromptSpec, spec: AnswerSpec, text: string): ParsedOutput {
  const extracted = extractAnswer(spec.extract, text);
  if (!extracted.ok) return extracted;
  const answer = readAnswer(spec, extracted.text);
  if (!answer.ok) return answer;
  const mode = extracted.text.trim() === text.trim() ? "direct" : "extracted";
  return { ok: true, fields: mapFields(prompt, { answer: answer.value }, { text }).fields, mode };
}

function parseObject(prompt: PromptSpec, text: string): ParsedOutput {
  const objects = findObjects(text);
  if (objects.length === 0) return { ok: false, reason: "no JSON object in the answer" };
  for (const object of objects.toReversed()) {
    const { fields, found } = mapFields(prompt, object.value, { text });
    if (found) return { ok: true, fields, mode: modeOf(text, object) };
  }
  return { ok: false, reason: `the JSON object has none of the expected fields ${expected(prompt)}` };
}

function parseLines(prompt: PromptSpec, text: string): ParsedOutput {
  const { values, clean } = readLines(text);
  if (Object.keys(values).length === 0) return { ok: false, reason: "no `Key: value` line in the answer" };
  const { fields, found } = mapFields(prompt, values, { text });
  if (!found) return { ok: false, reason: `the lines have none of the expected fields ${expected(prompt)}` };
  return { ok: true, fields, mode: clean ? "direct" : "extracted" };
}

const expected = (prompt: PromptSpec): string => expectedFields(prompt).join(", ");

function modeOf(text: string, object: FoundObject): ParseMode {
  const before = text.slice(0, object.start).trimEnd();
  const after = text.slice(object.end).trimStart();
  if (before === "" && after === "") return "direct";
  return /```[A-Za-z0-9]*$/.test(before.slice(-40)) && after.startsWith("```") ? "fenced" : "extracted";
}
