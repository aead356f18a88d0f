/**
 * Finds the JSON objects in a model's answer. A reader of its own instead of JSON.parse on slices, because:
 *
 * 1. One pass: a text that stops being JSON at character e is never read again before e, so hostile text of any
 *    length takes linear time. Nothing here throws.
 * 2. What models write is meant, though it is not JSON: Python's True, False and None, 'single quotes', a trailing
 *    comma, a raw line break in a text. Anything else (bare words, comments, NaN) is not guessed at.
 * 3. Parts are never taken for the whole: what stands inside an object that was cut off by the token limit, or that is
 *    nested deeper than 32, is no answer.
 */
import type { Json } from "./json.js";

export const MAX_JSON_DEPTH = 32;

/** A JSON object with its place in the text, `end` exclusive. */
export interface FoundObject {
  value: { [key: string]: Json };
  start: number;
  end: number;
}

/** The outermost objects of a text in order. */
export function findObjects(text: string): FoundObject[] {
  const found: FoundObject[] = [];
  let start = text.indexOf("{");
  while (start >= 0) {
    const reader = new Reader(text, start);
    const value = reader.value(1);
    if (value !== undefined) found.push({ value: value as FoundObject["value"], start, end: reader.at });
    else if (reader.problem !== "syntax") break;
    start = text.indexOf("{", Math.max(reader.at, start + 1));
  }
  return found;
}

/** The text as one JSON value, tolerant as above; undefined if it is anything else or more than that. */
export function readWhole(text: string): Json | undefined {
  const reader = new Reader(text, 0);
  reader.skipSpace();
  const value = reader.value(1);
  reader.skipSpace();
  return reader.at === text.length ? value : undefined;
}

const NUMBER = /-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\r\n]*/y;
const WORD = /[A-Za-z]+/y;
const WORDS: ReadonlyMap<string, Json> = new Map<string, Json>([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["null", null],
  ["None", null],
]);
const ESCAPES: { readonly [char: string]: string } = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

class Reader {
  /** Why the last read gave undefined: `end` when the text stopped too early. */
  problem: "syntax" | "end" | "depth" | undefined;
  constructor(
    private readonly text: string,
    public at: number,
  ) {}

  value(depth: number): Json | undefined {
    if (depth > MAX_JSON_DEPTH) return this.fail("depth");
    const char = this.text[this.at];
    if (char === undefined) return this.fail("end");
    if (char === "{") return this.object(depth);
    if (char === "[") return this.array(depth);
    if (char === '"' || char === "'") return this.string(char);
    return this.scalar();
  }

  skipSpace(): void {
    SPACE.lastIndex = this.at;
    SPACE.exec(this.text);
    this.at = SPACE.lastIndex;
  }

  private object(depth: number): Json | undefined {
    const value: { [key: string]: Json } = {};
    this.at++;
    for (;;) {
      this.skipSpace();
      if (this.take("}")) return value;
      const quote = this.text[this.at];
      if (quote !== '"' && quote !== "'") return this.fail("syntax");
      const key = this.string(quote);
      if (key === undefined) return undefined;
      this.skipSpace();
      if (!this.take(":")) return this.fail("syntax");
      this.skipSpace();
      const member = this.value(depth + 1);
      if (member === undefined) return undefined;
      // Such a key has no meaning in an answer, and assigning it would change the object's prototype.
      if (key !== "__proto__") value[key] = member;
      this.skipSpace();
      if (!this.take(",") && this.text[this.at] !== "}") return this.fail("syntax");
    }
  }

  private array(depth: number): Json | undefined {
    const value: Json[] = [];
    this.at++;
    for (;;) {
      this.skipSpace();
      if (this.take("]")) return value;
      const element = this.value(depth + 1);
      if (element === undefined) return undefined;
      value.push(element);
      this.skipSpace();
      if (!this.take(",") && this.text[this.at] !== "]") return this.fail("syntax");
    }
  }

  private string(quote: string): string | undefined {
    let value = "";
    for (let i = this.at + 1; i < this.text.length; i++) {
      const char = this.text[i] ?? "";
      if (char === quote) {
        this.at = i + 1;
        return value;
      }
      if (char !== "\\") {
        value += char;
        continue;
      }
      const escaped = this.text[++i] ?? "";
      if (escaped !== "u") value += ESCAPES[escaped] ?? escaped;
      else {
        const hex = this.text.slice(i + 1, i + 5);
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) {
          this.at = i;
          return this.fail("syntax");
        }
        value += String.fromCharCode(Number.parseInt(hex, 16));
        i += 4;
      }
    }
    return this.fail("end");
  }

  private scalar(): Json | undefined {
    NUMBER.lastIndex = this.at;
    const number = NUMBER.exec(this.text)?.[0];
    if (number !== undefined && Number.isFinite(Number(number))) {
      this.at += number.length;
      return Number(number);
    }
    WORD.lastIndex = this.at;
    const word = WORD.exec(this.text)?.[0] ?? "";
    const value = WORDS.get(word);
    if (value === undefined) return this.fail("syntax");
    this.at += word.length;
    return value;
  }

  private take(char: string): boolean {
    if (this.text[this.at] !== char) return false;
    this.at++;
    return true;
  }

  /** A syntax problem at the very end of the text is a text that stopped too early. */
  private fail(problem: "syntax" | "end" | "depth"): undefined {
    this.problem = problem === "syntax" && this.at >= this.text.length ? "end" : problem;
    return undefined;
  }
}
