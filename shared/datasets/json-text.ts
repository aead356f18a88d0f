/**
 * What must hold for JSON text before it is parsed: bounded depth, so that nothing that walks the value afterwards can
 * run out of stack, and no key that means something else to JavaScript.
 */

export const MAX_DEPTH = 32;

/** Why the text must not be parsed; undefined if it may be. Does not check that it is JSON. */
export function jsonProblem(text: string): string | undefined {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x5b || c === 0x7b) {
      if (++depth > MAX_DEPTH) return `nested deeper than ${MAX_DEPTH} levels`;
    } else if (c === 0x5d || c === 0x7d) depth--;
  }
  return undefined;
}

/** Keys no object of a suite or dataset may have. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** The first forbidden key in a parsed value of bounded depth; undefined if there is none. */
export function forbiddenKey(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const found = FORBIDDEN_KEYS.has(key) && !Array.isArray(value) ? key : forbiddenKey(inner);
    if (found !== undefined) return found;
  }
  return undefined;
}
