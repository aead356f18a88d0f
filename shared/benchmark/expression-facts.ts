/** What can be said of an expression without running it. */
import type { Node } from "./expression-evaluate.js";
import { FUNCTIONS } from "./expression-functions.js";

/** What it reads: each name with the members written out after it, such as ["truth", "objects", 0]. */
export type Path = readonly (string | number)[];

export function pathsOf(node: Node): Path[] {
  const own = pathOf(node);
  if (own !== undefined) return [own, ...keysOf(node)];
  switch (node.kind) {
    case "member":
      return [...pathsOf(node.of), ...pathsOf(node.key)];
    case "not":
    case "minus":
      return pathsOf(node.of);
    case "binary":
      return [...pathsOf(node.left), ...pathsOf(node.right)];
    case "ternary":
      return [...pathsOf(node.test), ...pathsOf(node.yes), ...pathsOf(node.no)];
    case "call":
      return node.args.flatMap(pathsOf);
    default:
      return [];
  }
}

/** A name, or members of one; a key that is computed ends it. */
function pathOf(node: Node): Path | undefined {
  if (node.kind === "name") return [node.name];
  if (node.kind !== "member") return undefined;
  const of = pathOf(node.of);
  if (of === undefined) return undefined;
  const key = node.key.kind === "literal" ? node.key.value : undefined;
  return typeof key === "string" || typeof key === "number" ? [...of, key] : of;
}

/** What the computed keys of a path read. */
function keysOf(node: Node): Path[] {
  return node.kind === "member" ? [...keysOf(node.of), ...pathsOf(node.key)] : [];
}

const COMPARISONS = new Set(["==", "!=", "<", "<=", ">", ">=", "&&", "||"]);

/** Whether it gives true, false or null, whatever the variables are. */
export function isYesOrNo(node: Node): boolean {
  switch (node.kind) {
    case "literal":
      return typeof node.value === "boolean";
    case "not":
      return true;
    case "binary":
      return COMPARISONS.has(node.op);
    case "ternary":
      return isYesOrNo(node.yes) && isYesOrNo(node.no);
    case "call":
      return YES_OR_NO.has(node.run);
    default:
      return false;
  }
}

const YES_OR_NO = new Set(["boolean", "contains"].map((name) => FUNCTIONS.get(name)?.run));
