/**
 * Takes the answer out of free text by an `AnswerSpec`, as GSM8K's `#### 18` needs it.
 *
 * The patterns are tried in order; the first one that matches anywhere decides, and of its matches the last one in
 * the text holds: models that reason aloud mention candidates before they settle. From that match the last group that
 * took part is the answer, or the whole match if there is none. Without patterns it is the whole text, except that a
 * `number` is then the last number in it. Patterns are RE2, which takes linear time on any text.
 */
import { RE2JS } from "re2js";
import { toNumber } from "./expression-values.js";
import type { Json } from "./json.js";
import { readChoice } from "./parse-choice.js";
import { readWhole } from "./parse-json.js";
import type { AnswerSpec } from "./plan.js";

export type Extracted = { ok: true; text: string } | { ok: false; reason: string };

/** Text of the answer before normalizing; serves `target.extract` too. Throws nothing, not even on a bad pattern. */
export function extractAnswer(patterns: readonly string[], text: string): Extracted {
  if (patterns.length === 0) return { ok: true, text };
  for (const pattern of patterns) {
    const compiled = compile(pattern);
    if (compiled === undefined) return { ok: false, reason: `pattern ${pattern} is not valid RE2` };
    const last = lastMatch(compiled, text);
    if (last !== undefined) return { ok: true, text: last };
  }
  return { ok: false, reason: `no match for ${patterns.join(" or ")}` };
}

/** The answer as a value of the spec's type, or why there is none. Targets go through it as well. */
export function readAnswer(
  spec: AnswerSpec,
  extracted: string,
): { ok: true; value: Json } | { ok: false; reason: string } {
  const text = normalize(extracted, spec.normalize);
  switch (spec.type) {
    case "text":
      return { ok: true, value: text };
    case "choice":
      return readChoice(text, spec.choices);
    case "number": {
      const value = lastNumber(text);
      return value === undefined ? { ok: false, reason: "no number in the answer" } : { ok: true, value };
    }
    case "json": {
      const value = readWhole(text);
      return value === undefined ? { ok: false, reason: "the answer is not JSON" } : { ok: true, value };
    }
  }
}

/** The steps in the order given, after trimming and Unicode NFC. */
export function normalize(text: string, steps: AnswerSpec["normalize"]): string {
  let value = text.normalize("NFC").trim();
  for (const step of steps) value = STEPS[step](value);
  return value;
}

const STEPS: { readonly [step in AnswerSpec["normalize"][number]]: (text: string) => string } = {
  trim: (text) => text.trim(),
  lower: (text) => text.toLowerCase(),
  collapse_spaces: (text) => text.trim().replace(/\s+/g, " "),
  strip_punctuation: (text) => text.replace(/[\p{P}\p{S}]/gu, "").trim(),
  strip_commas: (text) => text.replaceAll(",", ""),
};

/** `1,234.5` and `$18.` read as one would say them; the last number of a text is its result. */
function lastNumber(text: string): number | undefined {
  const all = text.match(/-?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?/g);
  return toNumber(all?.at(-1)?.replaceAll(",", "")) ?? undefined;
}

const MAX_CACHED_PATTERNS = 256;
const compiledPatterns = new Map<string, RE2JS | undefined>();

function compile(pattern: string): RE2JS | undefined {
  if (compiledPatterns.has(pattern)) return compiledPatterns.get(pattern);
  let compiled: RE2JS | undefined;
  try {
    compiled = RE2JS.compile(pattern);
  } catch {
    compiled = undefined;
  }
  if (compiledPatterns.size >= MAX_CACHED_PATTERNS) compiledPatterns.clear();
  compiledPatterns.set(pattern, compiled);
  return compiled;
}

function lastMatch(pattern: RE2JS, text: string): string | undefined {
  const matcher = pattern.matcher(text);
  let last: string | undefined;
  while (matcher.find()) {
    last = matcher.group() ?? "";
    for (let i = matcher.groupCount(); i > 0; i--) {
      const group = matcher.group(i);
      if (group !== null) {
        last = group;
        break;
      }
    }
  }
  return last;
}
