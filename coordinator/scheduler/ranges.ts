/** Sets of shard indexes as ascending, disjoint, non-touching half-open ranges: a million pending shards are one pair. */
export interface IndexRange {
  /** First index. */
  readonly from: number;
  /** First index after it. */
  readonly to: number;
}

/** 0 … count − 1. */
export const firstIndexes = (count: number): IndexRange[] => (count > 0 ? [{ from: 0, to: count }] : []);

export const sizeOfRanges = (ranges: readonly IndexRange[]): number =>
  ranges.reduce((sum, r) => sum + r.to - r.from, 0);

export function hasIndex(ranges: readonly IndexRange[], index: number): boolean {
  const range = ranges[position(ranges, index)];
  return range !== undefined && range.from <= index;
}

/** Adds `index` to the set, in place; nothing if it has it. */
export function addIndex(ranges: IndexRange[], index: number): void {
  const at = position(ranges, index);
  const after = ranges[at];
  if (after !== undefined && after.from <= index) return;
  const before = ranges[at - 1];
  const from = before?.to === index ? before.from : index;
  const to = after?.from === index + 1 ? after.to : index + 1;
  const touching = Number(from !== index) + Number(to !== index + 1);
  ranges.splice(from === index ? at : at - 1, touching, { from, to });
}

/** Takes `index` out of the set, in place; nothing if it lacks it. Taking from the front, as is usual, costs least. */
export function removeIndex(ranges: IndexRange[], index: number): void {
  const at = ranges[0]?.from === index ? 0 : position(ranges, index);
  const range = ranges[at];
  if (range === undefined || range.from > index) return;
  const { from, to } = range;
  if (from === index && index + 1 < to) ranges[at] = { from: index + 1, to };
  else if (from === index) ranges.splice(at, 1);
  else if (index + 1 === to) ranges[at] = { from, to: index };
  else ranges.splice(at, 1, { from, to: index }, { from: index + 1, to });
}

/** Position of the first range that ends after `index`; the length when there is none. */
function position(ranges: readonly IndexRange[], index: number): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.to ?? 0) > index) high = middle;
    else low = middle + 1;
  }
  return low;
}
