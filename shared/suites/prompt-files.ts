/** Reads the prompt templates that stand in files of their own. */
import { readFile, stat } from "node:fs/promises";
import { type Finding, FindingList, type LineOf } from "../benchmark/finding.js";
import type { Suite } from "../benchmark/suite/suite-types.js";
import { escapeHint, type FilePlace, locate, outsideHint } from "../datasets/locate.js";
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
    const read: ReadPrompt = ready === undefined ? await readOne(own.file, place) : { text: ready };
    if ("problem" in read) {
      findings.error(`${field}.file`, read.problem, read.hint);
      continue;
    }
    texts.set(id, read.text);
    if (read.outside !== undefined) {
      findings.warning(
        `${field}.file`,
        `${own.file} lies outside of the suite's folder and will be read and uploaded: ${read.outside}`,
        outsideHint,
      );
    }
  }
  return { texts, findings: findings.all };
}

type ReadPrompt =
  /** `outside`: the file's real path, when it lies outside of the suite's folder. */
  { text: string; outside?: string } | { problem: string; hint?: string };

async function readOne(file: string, place: FilePlace | undefined): Promise<ReadPrompt> {
  if (!place) return { problem: `${file} was not sent along` };
  const located = await locate(place, file);
  if (!located.ok) {
    return {
      problem: located.message,
      ...(located.reason === "escapes" && { hint: escapeHint(place) }),
    };
  }
  try {
    const kind = await stat(located.path);
    if (!kind.isFile()) return { problem: `${file} is not a file` };
    const { size } = kind;
    if (size > MAX_PROMPT_BYTES)
      return { problem: `${file} has ${size} bytes; the limit is ${MAX_PROMPT_BYTES}` };
    const text = new TextDecoder("utf-8", { fatal: true }).decode(await readFile(located.path));
    return { text, ...(located.outside && { outside: located.path }) };
  } catch (error) {
    return { problem: `${file} cannot be read as UTF-8 text: ${errorText(error)}` };
  }
}
