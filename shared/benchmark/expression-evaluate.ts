/** Runs a compiled expression. Nothing in here throws: what cannot be computed is null. */
import { same, toBoolean, toNumber } from "./expression-values.js";
import type { Json } from "./json.js";

export type Vars = { readonly [name: string]: Json };

export type Node =
  | { kind: "literal"; value: Json }
  | { kind: "name"; name: string }
  | { kind: "member"; of: Node; key: Node }
  | { kind: "not"; of: Node }
  | { kind: "minus"; of: Node }
  | { kind: "binary"; op: string; left: Node; right: Node }
  | { kind: "ternary"; test: Node; yes: Node; no: Node }
  | { kind: "call"; run(args: Json[]): Json; args: readonly Node[] };

export function evaluate(node: Node, vars: Vars): Json {
  switch (node.kind) {
    case "literal":
      return node.value;
    case "name":
      return member(vars, node.name);
    case "member":
      return member(evaluate(node.of, vars), evaluate(node.key, vars));
    case "not": {
      const value = toBoolean(evaluate(node.of, vars));
      return value === null ? null : !value;
    }
    case "minus": {
      const value = toNumber(evaluate(node.of, vars));
      return value === null ? null : -value;
    }
    case "ternary": {
      const test = toBoolean(evaluate(node.test, vars));
      return test === null ? null : evaluate(test ? node.yes : node.no, vars);
    }
    case "call":
      return node.run(node.args.map((arg) => evaluate(arg, vars)));
    case "binary":
      return binary(node, vars);
  }
}

/** Own properties and array elements only: nothing of a prototype can be reached. */
function member(of: Vars | Json, key: Json): Json {
  if (of === null || typeof of !== "object") return null;
  if (Array.isArray(of)) return typeof key === "number" ? (of[key] ?? null) : null;
  const name = typeof key === "number" ? String(key) : key;
  if (typeof name !== "string" || !Object.hasOwn(of, name)) return null;
  return (of as Vars)[name] ?? null;
}

function binary(node: Node & { kind: "binary" }, vars: Vars): Json {
  const { op } = node;
  if (op === "&&" || op === "||") return logical(op, node, vars);
  const left = evaluate(node.left, vars);
  const right = evaluate(node.right, vars);
  if (op === "==" || op === "!=") {
    const asksForNull = isNull(node.left) || isNull(node.right);
    if (!asksForNull && (left === null || right === null)) return null;
    return same(left, right) === (op === "==");
  }
  const a = toNumber(left);
  const b = toNumber(right);
  if (a !== null && b !== null) return ordered(op, a, b) ?? arithmetic(op, a, b);
  return typeof left === "string" && typeof right === "string" ? ordered(op, left, right) : null;
}

const isNull = (node: Node): boolean => node.kind === "literal" && node.value === null;

/** Kleene: false && null is false, true && null is null; the right side is left alone when the left decides. */
function logical(op: "&&" | "||", node: Node & { kind: "binary" }, vars: Vars): Json {
  const decides = op === "||";
  const left = toBoolean(evaluate(node.left, vars));
  if (left === decides) return decides;
  const right = toBoolean(evaluate(node.right, vars));
  if (right === decides) return decides;
  return left === null || right === null ? null : !decides;
}

function ordered<T extends number | string>(op: string, a: T, b: T): boolean | null {
  if (op === "<") return a < b;
  if (op === "<=") return a <= b;
  if (op === ">") return a > b;
  if (op === ">=") return a >= b;
  return null;
}

function arithmetic(op: string, a: number, b: number): number | null {
  const value = op === "+" ? a + b : op === "-" ? a - b : op === "*" ? a * b : a / b;
  return Number.isFinite(value) ? value : null;
}
