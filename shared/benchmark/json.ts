/** Any JSON value; what targets, truths and parsed answers are made of. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Hex SHA-256 of text or bytes. Passed in, because pure folders import no crypto. */
export type Sha256 = (data: string | Uint8Array) => string;

/**
 * JSON text with object keys sorted at every depth, so that equal values have equal hashes.
 * Throws RangeError on NaN and infinities, which JSON would silently turn into null.
 */
export function canonicalJson(value: Json | undefined): string {
  if (value === undefined) return "null";
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new RangeError(`${value} has no JSON form`);
  }
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  let text = "";
  for (const key of inOrder(Object.keys(value))) {
    text += `${text === "" ? "{" : ","}${JSON.stringify(key)}:${canonicalJson(value[key])}`;
  }
  return text === "" ? "{}" : `${text}}`;
}

/** By UTF-16 units; most objects are made with their keys in order, and sorting costs more than looking. */
function inOrder(keys: string[]): string[] {
  for (let i = 1; i < keys.length; i++) if ((keys[i - 1] as string) > (keys[i] as string)) return keys.sort();
  return keys;
}
