/** What is seen in a picture: object names, counts per key, relationships. Names compare lower-cased, _ as a space. */
import { toNumber } from "../expression-values.js";
import type { Json } from "../json.js";

/** `Coffee_Cup` and `coffee cup` are the same name. */
export function normalName(text: string): string {
  return text.replaceAll("_", " ").trim().replace(/\s+/g, " ").toLowerCase();
}

/** Names of a list of objects ({name, …} or plain texts); undefined if it is no list. */
export function objectNames(value: Json | undefined): Set<string> | undefined {
  if (!Array.isArray(value)) return undefined;
  const names = value.map((entry) => (typeof entry === "string" ? entry : textAt(entry, "name")));
  return new Set(names.filter((name) => name !== undefined).map(normalName));
}

/** `object1|relationship|object2` of a list of such objects; undefined if it is no list. */
export function relationTriples(value: Json | undefined): Set<string> | undefined {
  if (!Array.isArray(value)) return undefined;
  const triples = value.map((entry) => {
    const parts = ["object1", "relationship", "object2"].map((key) => textAt(entry, key));
    return parts.every((part) => part !== undefined) ? parts.map(normalName).join("|") : undefined;
  });
  return new Set(triples.filter((triple) => triple !== undefined));
}

/** Size of the intersection ÷ size of the union; 1 for two empty sets, which agree. */
export function jaccard(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let both = 0;
  for (const name of a) if (b.has(name)) both++;
  const either = a.size + b.size - both;
  return either === 0 ? 1 : both / either;
}

/** max(0, 1 − |p − g| ÷ |g|); for g = 0 it is 1 if p = 0, else 0. A missing p is wrong. */
export function countAccuracy(predicted: number | undefined, truth: number): number {
  if (predicted === undefined) return 0;
  if (truth === 0) return predicted === 0 ? 1 : 0;
  return Math.max(0, 1 - Math.abs(predicted - truth) / Math.abs(truth));
}

/** Counts per normalized key: numbers, or the length of a list of objects. Undefined if it is no object. */
export function countsByKey(value: Json | undefined): Map<string, number> | undefined {
  if (value === null || value === undefined || typeof value !== "object" || Array.isArray(value)) {
    return undefined;
  }
  const counts = new Map<string, number>();
  for (const [key, entry] of Object.entries(value)) {
    const count = Array.isArray(entry) ? entry.length : toNumber(entry);
    if (count !== null) counts.set(normalName(key), count);
  }
  return counts;
}

/** Mean of `countAccuracy` over the keys of the truth, which must have some; a key that is not predicted counts 0. */
export function countsAccuracy(
  predicted: ReadonlyMap<string, number> | undefined,
  truth: ReadonlyMap<string, number>,
): number {
  let sum = 0;
  for (const [key, count] of truth) sum += countAccuracy(predicted?.get(key) ?? 0, count);
  return predicted === undefined ? 0 : sum / truth.size;
}

function textAt(value: Json, key: string): string | undefined {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return undefined;
  const text = Object.hasOwn(value, key) ? value[key] : undefined;
  return typeof text === "string" ? text : undefined;
}
