/** Cuts the text of an expression into tokens, each with the position it came from. */
import type { Json } from "./json.js";

export type Token =
  | { kind: "literal"; value: Json; text: string; at: number }
  | { kind: "name"; text: string; at: number }
  | { kind: "op"; text: string; at: number }
  | { kind: "end"; text: string; at: number };

/** Thrown inside the compiler only; `compileExpression` turns it into its union. */
export class ExpressionError extends Error {
  constructor(
    message: string,
    readonly at: number,
  ) {
    super(message);
  }
}

const NUMBER = /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const OPERATOR = /&&|\|\||==|!=|<=|>=|[!<>+\-*/?:()[\].,]/y;
const WORDS: ReadonlyMap<string, Json> = new Map<string, Json>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

/** Tokens with a closing `end`. Throws ExpressionError at the first character that belongs to none. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  while (at < text.length) {
    const char = text[at] ?? "";
    if (/\s/.test(char)) {
      at++;
      continue;
    }
    if (char === "'" || char === '"') {
      const { value, end } = readText(text, at);
      tokens.push({ kind: "literal", value, text: text.slice(at, end), at });
      at = end;
      continue;
    }
    const number = match(NUMBER);
    const name = number === undefined ? match(NAME) : undefined;
    const word = number ?? name ?? match(OPERATOR);
    if (word === undefined) throw new ExpressionError(`unexpected character ${JSON.stringify(char)}`, at);
    if (number !== undefined) tokens.push({ kind: "literal", value: finite(number, at), text: word, at });
    else if (name === undefined) tokens.push({ kind: "op", text: word, at });
    else {
      const value = WORDS.get(name);
      tokens.push(
        value === undefined ? { kind: "name", text: name, at } : { kind: "literal", value, text: name, at },
      );
    }
    at += word.length;
  }
  tokens.push({ kind: "end", text: "end", at });
  return tokens;
}

function finite(text: string, at: number): number {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new ExpressionError(`${text} is too large`, at);
  return value;
}

/** A quoted text; a backslash takes the next character as it is, except \n and \t. */
function readText(text: string, start: number): { value: string; end: number } {
  const quote = text[start];
  let value = "";
  for (let i = start + 1; i < text.length; i++) {
    const char = text[i] ?? "";
    if (char === quote) return { value, end: i + 1 };
    if (char !== "\\") value += char;
    else {
      const escaped = text[++i] ?? "";
      value += escaped === "n" ? "\n" : escaped === "t" ? "\t" : escaped;
    }
  }
  throw new ExpressionError("text without a closing quote", start);
}
