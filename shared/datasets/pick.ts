/** Choosing: some pictures of a sequence, some items of a dataset. Both are deterministic. */
import type { Item } from "../benchmark/item.js";
import { seededRandom } from "../benchmark/seeded.js";

/** At most `n` of the values, evenly spaced, the first and the last among them (n = 1: the first). */
export function evenlySpaced<T>(values: readonly T[], n: number): T[] {
  if (values.length <= n) return [...values];
  if (n === 1) return values.slice(0, 1);
  return Array.from({ length: n }, (_, i) => Math.round((i * (values.length - 1)) / (n - 1))).flatMap(
    (index) => values.slice(index, index + 1),
  );
}

/** The item with at most `max` pictures, evenly spaced. Doing it twice changes nothing. */
export const limitPictures = (item: Item, max: number | undefined): Item =>
  max === undefined || item.media.length <= max ? item : { ...item, media: evenlySpaced(item.media, max) };

/** `n` of the values without replacement (seeded Fisher–Yates), in their original order. */
export function sampleOf<T>(values: readonly T[], n: number, seed: number): T[] {
  if (values.length <= n) return [...values];
  const random = seededRandom(seed);
  const order = values.map((_, index) => index);
  for (let i = 0; i < n; i++) {
    const j = i + Math.floor(random() * (order.length - i));
    const [a = 0, b = 0] = [order[i], order[j]];
    order[i] = b;
    order[j] = a;
  }
  const chosen = new Set(order.slice(0, n));
  return values.filter((_, index) => chosen.has(index));
}
