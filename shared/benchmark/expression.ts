/**
 * The one small expression language: field mappings (`has_smoke: "judgment == 'Yes'"`), filters, custom metrics.
 *
 *     or      = and { "||" and }            unary  = ("!" | "-") unary | access
 *     and     = equal { "&&" equal }        access = primary { "." name | "[" ternary "]" }
 *     equal   = order { ("==" | "!=") order }
 *     order   = sum { ("<" | "<=" | ">" | ">=") sum }
 *     sum     = product { ("+" | "-") product }        product = unary { ("*" | "/") unary }
 *     ternary = or [ "?" ternary ":" ternary ]
 *     primary = number | 'text' | "text" | true | false | null | name | function "(" … ")" | "(" ternary ")"
 *
 * 1. Nothing is reachable but the variables passed in: only own properties are read, there are no methods and no
 *    assignments, and a text of at most 2000 characters nests at most 32 deep. Running an expression never throws.
 * 2. What is missing is null, and null spreads: `judgment == 'Yes'` is null, not false, when there is no judgment, so
 *    that a missing answer never turns into a negative one. `x == null` asks for it; && and || follow Kleene's logic.
 */
import { evaluate, type Node, type Vars } from "./expression-evaluate.js";
import { FUNCTIONS } from "./expression-functions.js";
import { ExpressionError, type Token, tokenize } from "./expression-tokens.js";
import type { Json } from "./json.js";

export const MAX_EXPRESSION_LENGTH = 2000;
export const MAX_EXPRESSION_DEPTH = 32;

/** `at` is the 0-based character where the text stopped making sense. */
export type CompiledExpression =
  | { ok: true; run(vars: Vars): Json; tree: Node }
  | { ok: false; message: string; at: number };

/** Compiles once, runs often. */
export function compileExpression(text: string): CompiledExpression {
  if (text.length > MAX_EXPRESSION_LENGTH) {
    const message = `longer than ${MAX_EXPRESSION_LENGTH} characters`;
    return { ok: false, message, at: MAX_EXPRESSION_LENGTH };
  }
  try {
    const tree = new Parser(tokenize(text)).parse();
    return { ok: true, run: (vars) => evaluate(tree, vars), tree };
  } catch (error) {
    if (error instanceof ExpressionError) return { ok: false, message: error.message, at: error.at };
    throw error;
  }
}

/** Binary operators from the weakest to the strongest. */
const LEVELS: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["==", "!="],
  ["<", "<=", ">", ">="],
  ["+", "-"],
  ["*", "/"],
];

class Parser {
  private index = 0;
  private depth = 0;
  constructor(private readonly tokens: readonly Token[]) {}

  parse(): Node {
    const node = this.ternary();
    const rest = this.peek();
    if (rest.kind !== "end") throw new ExpressionError(`unexpected ${rest.text}`, rest.at);
    return node;
  }

  private ternary(): Node {
    return this.nested(() => {
      const test = this.binary(0);
      if (!this.take("?")) return test;
      const yes = this.ternary();
      this.expect(":");
      return { kind: "ternary", test, yes, no: this.ternary() };
    });
  }

  private binary(level: number): Node {
    const operators = LEVELS[level];
    if (operators === undefined) return this.unary();
    let left = this.binary(level + 1);
    for (let op = this.peek(); op.kind === "op" && operators.includes(op.text); op = this.peek()) {
      this.index++;
      left = { kind: "binary", op: op.text, left, right: this.binary(level + 1) };
    }
    return left;
  }

  private unary(): Node {
    if (this.take("!")) return this.nested(() => ({ kind: "not", of: this.unary() }));
    if (this.take("-")) return this.nested(() => ({ kind: "minus", of: this.unary() }));
    let node = this.primary();
    for (;;) {
      if (this.take(".")) {
        const name = this.next();
        if (name.kind !== "name") throw new ExpressionError("expected a name after .", name.at);
        node = { kind: "member", of: node, key: { kind: "literal", value: name.text } };
      } else if (this.take("[")) {
        node = { kind: "member", of: node, key: this.ternary() };
        this.expect("]");
      } else return node;
    }
  }

  private primary(): Node {
    const token = this.next();
    if (token.kind === "literal") return { kind: "literal", value: token.value };
    if (token.kind === "name") {
      return this.take("(") ? this.call(token) : { kind: "name", name: token.text };
    }
    if (token.kind === "op" && token.text === "(") {
      const inner = this.ternary();
      this.expect(")");
      return inner;
    }
    throw new ExpressionError(token.kind === "end" ? "unexpected end" : `unexpected ${token.text}`, token.at);
  }

  private call(name: Token & { kind: "name" }): Node {
    const fn = FUNCTIONS.get(name.text);
    if (fn === undefined) {
      const known = [...FUNCTIONS.keys()].join(", ");
      throw new ExpressionError(`unknown function ${name.text}; known: ${known}`, name.at);
    }
    const args: Node[] = [];
    if (!this.take(")")) {
      do args.push(this.ternary());
      while (this.take(","));
      this.expect(")");
    }
    if (args.length < fn.least || args.length > fn.most) {
      const want = fn.least === fn.most ? `${fn.least}` : `at least ${fn.least}`;
      throw new ExpressionError(`${name.text} takes ${want} argument(s), not ${args.length}`, name.at);
    }
    return { kind: "call", run: fn.run, args };
  }

  private nested(inner: () => Node): Node {
    if (++this.depth > MAX_EXPRESSION_DEPTH) {
      throw new ExpressionError(`nested deeper than ${MAX_EXPRESSION_DEPTH}`, this.peek().at);
    }
    const node = inner();
    this.depth--;
    return node;
  }

  private peek(): Token {
    return this.tokens[this.index] ?? END;
  }
  private next(): Token {
    const token = this.peek();
    this.index++;
    return token;
  }
  private take(op: string): boolean {
    const token = this.peek();
    if (token.kind !== "op" || token.text !== op) return false;
    this.index++;
    return true;
  }
  private expect(op: string): void {
    const token = this.peek();
    if (!this.take(op)) throw new ExpressionError(`expected ${op}`, token.at);
  }
}

const END: Token = { kind: "end", text: "end", at: 0 };
