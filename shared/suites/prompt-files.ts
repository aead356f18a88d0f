/** Reads the prompt templates that stand in files of their own. */
import { readFile, stat } from "node:fs/promises";
import { type Finding, FindingList, type LineOf } from "../benchmark/finding.js";
import type { Suite } from "../benchmark/suite/suite-types.js";
import { type FilePlace, locate } from "../datasets/locate.js";
import { errorText } from "../runtime/errors.js";

/** Largest prompt file in bytes. */
const MAX_PROMPT_BYTES = 256 * 1024;

/** Texts by prompt id: those given, then those found in files. What cannot be read is an error of its prompt. */
export async function readPromptFiles(
  suite: Suite,
  given: ReadonlyMap<string, string> | undefined,
  place: FilePlace | undefined,
  lineOf: LineOf,
): Promise<{ texts: Map<string, string>; findings: Finding[] }> {
  const findings = new FindingList(lineOf);
  const texts = new Map<string, string>();
  for (const { id, field, own } of suite.prompts) {
    if (own?.file === undefined) continue;
    const ready = given?.get(id);
    const read = ready === undefined ? await readOne(own.file, place) : { text: ready };
    if ("text" in read) texts.set(id, read.text);
    else findings.error(`${field}.file`, read.problem);
  }
  return { texts, findings: findings.all };
}

async function readOne(
  file: string,
  place: FilePlace | undefined,
): Promise<{ text: string } | { problem: string }> {
  if (!place) return { problem: `${file} was not sent along` };
  const located = await locate(place, file);
  if (!located.ok) return { problem: located.message };
  try {
    const kind = await stat(located.path);
    if (!kind.isFile()) return { problem: `${file} is not a file` };
    const { size } = kind;
    if (size > MAX_PROMPT_BYTES)
      return { problem: `${file} has ${size} bytes; the limit is ${MAX_PROMPT_BYTES}` };
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(await readFile(located.path)) };
  } catch (error) {
    return { problem: `${file} cannot be read as UTF-8 text: ${errorText(error)}` };
  }
}
