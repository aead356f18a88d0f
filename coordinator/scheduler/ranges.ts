/** Sets of shard indexes as ascending, disjoint, non-touching half-open ranges: a million pending shards are one pair. */
export interface IndexRange {
  /** First index. */
  from: number;
  /** First index after it. */
  to: number;
}

/** 0 … count − 1. */
export const firstIndexes = (count: number): IndexRange[] => (count > 0 ? [{ from: 0, to: count }] : []);

export const sizeOfRanges = (ranges: readonly IndexRange[]): number =>
  ranges.reduce((sum, r) => sum + r.to - r.from, 0);

export const hasIndex = (ranges: readonly IndexRange[], index: number): boolean =>
  ranges.some((r) => r.from <= index && index < r.to);

/** `ranges` with `index`; the same set if it has it. */
export function withIndex(ranges: readonly IndexRange[], index: number): IndexRange[] {
  if (hasIndex(ranges, index)) return [...ranges];
  const before = ranges.filter((r) => r.to <= index);
  const after = ranges.filter((r) => r.from > index);
  let [from, to] = [index, index + 1];
  if (before.at(-1)?.to === from) from = before.pop()?.from ?? from;
  if (after[0]?.from === to) to = after.shift()?.to ?? to;
  return [...before, { from, to }, ...after];
}

/** `ranges` without `index`; the same set if it lacks it. */
export function withoutIndex(ranges: readonly IndexRange[], index: number): IndexRange[] {
  return ranges.flatMap((r) => {
    if (index < r.from || index >= r.to) return [r];
    return [
      { from: r.from, to: index },
      { from: index + 1, to: r.to },
    ].filter((part) => part.from < part.to);
  });
}
