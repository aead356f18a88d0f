/**
 * One of several choices out of an answer: `(B)`, `B) because …`, "I think the answer is B", `\boxed{B}`, or a word.
 *
 * 1. The whole answer goes first; then what is said to be the answer, the last time; then a letter with a mark that the
 *    answer begins with; then, where the choices are known, the only one that is named at all.
 * 2. Nothing is guessed: an answer that names two choices and settles on neither has none.
 *    What is only denied ("not B") is not named.
 * 3. A single letter counts in prose as a capital or in brackets; "A dog" and "I'd" name no choice.
 */

export type Choice = { ok: true; value: string } | { ok: false; reason: string };

/** In lower case. Without `choices` any letter A to H, a digit, or the whole text is one. */
export function readChoice(text: string, choices: readonly string[] = []): Choice {
  const known = choices.map((choice) => choice.toLowerCase());
  const bare = withoutMarks(text).toLowerCase();
  if (bare !== "" && known.includes(bare)) return { ok: true, value: bare };
  const plain = text.replace(/[\s*_`"“”]+/g, " ");
  const stated = lastStated(plain, known);
  if (stated !== undefined) return { ok: true, value: stated };
  const lead = leading(plain, known);
  if (lead !== undefined) return { ok: true, value: lead };
  if (known.length === 0) {
    return bare === "" ? { ok: false, reason: "no choice in the answer" } : { ok: true, value: bare };
  }
  const named = known.filter((choice) => isNamed(plain, choice));
  const [only] = named;
  if (only !== undefined && named.length === 1) return { ok: true, value: only };
  const reason =
    named.length === 0
      ? `the answer names none of the choices ${choices.join(", ")}`
      : `the answer names several choices: ${named.join(", ")}`;
  return { ok: false, reason };
}

const PART = /[\p{L}\p{N}]/u;

function withoutMarks(text: string): string {
  const start = text.search(PART);
  let end = text.length;
  while (end > start) {
    const size = /[\uDC00-\uDFFF]/.test(text.charAt(end - 1)) ? 2 : 1;
    if (PART.test(text.slice(end - size, end))) break;
    end -= size;
  }
  return start < 0 ? "" : text.slice(start, end);
}

/** `B) …`, `[C] …`; not where another choice follows, as in "(A) and (C)". */
function leading(text: string, known: readonly string[]): string | undefined {
  const [all, letter = ""] = /^[^\p{L}\p{N}]*([\p{L}\p{N}])[).:,\]}]/u.exec(text) ?? [];
  const choice = letter.toLowerCase();
  if (all === undefined || (known.length > 0 && !known.includes(choice))) return undefined;
  const next = /^ ?(?:and |or |& |\/ ?)?[([{]?/.exec(text.slice(all.length, all.length + 8))?.[0] ?? "";
  const other = choiceAt(text, all.length + next.length, known, /[([{]$/.test(next));
  return other === undefined ? choice : undefined;
}

/** White space is single here, so that no part of it can match in many ways. */
const STATED =
  /\b(?:answer|choice|option)(?: is| was| should be| would be)? ?[:=]? ?(?:option |choice )?([([{]?) ?(?=[\p{L}\p{N}])|\\boxed ?\{ ?(?:\\text ?\{ ?)?/giu;

/** What is last said to be the answer. */
function lastStated(text: string, known: readonly string[]): string | undefined {
  let last: string | undefined;
  for (const match of text.matchAll(STATED)) {
    const at = match.index + match[0].length;
    const inBrackets = match[1] !== "";
    last = choiceAt(text, at, known, inBrackets) ?? last;
  }
  return last;
}

/** The choice that stands at a place of a text, whole. */
function choiceAt(
  text: string,
  at: number,
  known: readonly string[],
  inBrackets: boolean,
): string | undefined {
  const candidates =
    known.length > 0 ? known : [text.charAt(at).toLowerCase()].filter((c) => /[a-h0-9]/.test(c));
  const here = candidates.filter((choice) => text.slice(at, at + choice.length).toLowerCase() === choice);
  return here
    .filter((choice) => isWhole(text, at, choice.length))
    .filter((choice) => inBrackets || choice.length > 1 || !isArticle(text, at))
    .toSorted((a, b) => b.length - a.length)[0];
}

/** Whether a choice stands anywhere as a word of its own. */
function isNamed(text: string, choice: string): boolean {
  const lower = text.toLowerCase();
  for (let at = lower.indexOf(choice); at >= 0; at = lower.indexOf(choice, at + 1)) {
    if (!isWhole(lower, at, choice.length) || isDenied(lower, at)) continue;
    if (choice.length > 1 || !/\p{L}/u.test(choice)) return true;
    const inBrackets = /[([{]/.test(text.charAt(at - 1));
    if (inBrackets || (text.charAt(at) !== choice && !isArticle(text, at))) return true;
  }
  return false;
}

/** "not B", "it isn't (B)", "neither A nor B". */
const isDenied = (text: string, at: number): boolean =>
  /(?:\bno|\bnot|n['’]t|\bneither|\bnor|\bexcept)[ ([{]*$/i.test(text.slice(Math.max(0, at - 12), at));

/** No letter, digit or apostrophe on either side. */
function isWhole(text: string, at: number, length: number): boolean {
  const part = /[\p{L}\p{N}'’]/u;
  return !part.test(text.charAt(at - 1)) && !part.test(text.charAt(at + length));
}

/** "a dog", "A dog", "I think": a word of the sentence, followed by another that speaks of no choice. */
const isArticle = (text: string, at: number): boolean =>
  /[ai]/i.test(text.charAt(at)) &&
  /^ (?!(?:and|or|nor|is|but|because|since)\b)\p{Ll}/u.test(text.slice(at + 1, at + 12));
