/**
 * A message on an agent's stream has at most 256 KiB, whatever there is to say: lists are sent in parts that stay below
 * it by a bound on what each entry takes, so that nothing is encoded twice.
 */

/** Of a message, with its envelope; entries get the rest of 256 KiB. */
const ENTRIES_BYTES = 250 * 1024;
const MOST_ENTRIES = 5_000;

/** The entries in order, in as few parts as their sizes (bytes, at most) allow; none for none. */
export function inParts<T>(entries: readonly T[], mostBytes: (entry: T) => number): T[][] {
  const parts: T[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    const own = mostBytes(entry);
    let part = parts.at(-1);
    if (part === undefined || bytes + own > ENTRIES_BYTES || part.length === MOST_ENTRIES) {
      part = [];
      parts.push(part);
      bytes = 0;
    }
    part.push(entry);
    bytes += own;
  }
  return parts;
}

/** Most that a fence takes as an entry of a list: two numbers of 64 bits. */
export const FENCE_BYTES = 24;
