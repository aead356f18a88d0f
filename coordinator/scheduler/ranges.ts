/**
 * Sets of shard indexes as ascending, disjoint, non-touching half-open ranges: a million pending shards are one pair.
 * Taking the first index costs O(1), any other change O(log ranges) and a move of the pairs behind it.
 */
export interface IndexRange {
  /** First index. */
  from: number;
  /** First index after it. */
  to: number;
}

/** What readers see. */
export interface ReadonlyIndexSet {
  readonly size: number;
  readonly ranges: readonly Readonly<IndexRange>[];
  has(index: number): boolean;
}

export class IndexSet implements ReadonlyIndexSet {
  readonly ranges: IndexRange[] = [];
  size = 0;

  /** 0 … count − 1. */
  static first(count: number): IndexSet {
    return IndexSet.of(count > 0 ? [{ from: 0, to: count }] : []);
  }

  /** Ranges in any order; they may overlap and touch. */
  static of(ranges: readonly IndexRange[]): IndexSet {
    const set = new IndexSet();
    for (const { from, to } of [...ranges].sort((a, b) => a.from - b.from)) {
      const last = set.ranges.at(-1);
      if (last && from <= last.to) last.to = Math.max(last.to, to);
      else if (from < to) set.ranges.push({ from, to });
    }
    set.size = set.ranges.reduce((sum, r) => sum + r.to - r.from, 0);
    return set;
  }

  has(index: number): boolean {
    const range = this.ranges[this.at(index)];
    return range !== undefined && range.from <= index;
  }

  /** False if it was there. */
  add(index: number): boolean {
    const at = this.at(index);
    const next = this.ranges[at];
    if (next !== undefined && next.from <= index) return false;
    const before = this.ranges[at - 1];
    this.size++;
    if (before?.to === index && next?.from === index + 1) {
      before.to = next.to;
      this.ranges.splice(at, 1);
    } else if (before?.to === index) before.to++;
    else if (next?.from === index + 1) next.from--;
    else this.ranges.splice(at, 0, { from: index, to: index + 1 });
    return true;
  }

  /** False if it was not there. */
  delete(index: number): boolean {
    const at = this.ranges[0]?.from === index ? 0 : this.at(index);
    const range = this.ranges[at];
    if (range === undefined || index < range.from) return false;
    this.size--;
    if (range.to - range.from === 1) this.ranges.splice(at, 1);
    else if (index === range.from) range.from++;
    else if (index === range.to - 1) range.to--;
    else this.ranges.splice(at + 1, 0, { from: index + 1, to: range.to });
    if (range.from < index && index < range.to) range.to = index;
    return true;
  }

  clear(): void {
    this.ranges.length = 0;
    this.size = 0;
  }

  /** Where the first range is that ends after `index`. */
  private at(index: number): number {
    let [low, high] = [0, this.ranges.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.ranges[middle]?.to ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
