import type { IndexRange, ReadonlyIndexSet } from "./ranges.js";
import type { JobSnapshot } from "./snapshot.js";

/** Takes the indexes of a set from the front without changing it. */
class Cursor {
  left: number;
  private range = 0;
  private offset = 0;

  constructor(private readonly set: ReadonlyIndexSet) {
    this.left = set.size;
  }

  /** At most `n` that follow one another; `left` must not be 0. */
  take(n: number): IndexRange {
    const range = this.set.ranges[this.range];
    if (range === undefined) throw new RangeError("nothing is left");
    const from = range.from + this.offset;
    const to = Math.min(range.to, from + n);
    this.left -= to - from;
    this.offset += to - from;
    if (to === range.to) {
      this.range++;
      this.offset = 0;
    }
    return { from, to };
  }
}

/** What a plan in the making leaves of a job: first what failed before, then what was never tried. */
export class Remaining {
  private readonly retries: { failedOn: readonly string[]; cursor: Cursor }[];
  private readonly untried: Cursor;

  constructor({ pending }: JobSnapshot) {
    this.retries = pending.retries.map(({ failedOn, shards }) => ({ failedOn, cursor: new Cursor(shards) }));
    this.untried = new Cursor(pending.untried);
  }

  /** Whether there is any that anybody may take. */
  get fresh(): boolean {
    return this.untried.left > 0;
  }

  /** Whether `take` would find something. */
  offers(mayRetry: (failedOn: readonly string[]) => boolean): boolean {
    return this.source(mayRetry) !== undefined;
  }

  /** At most `n` shards that follow one another; undefined when there are none for this taker. */
  take(n: number, mayRetry: (failedOn: readonly string[]) => boolean): IndexRange | undefined {
    return this.source(mayRetry)?.take(n);
  }

  private source(mayRetry: (failedOn: readonly string[]) => boolean): Cursor | undefined {
    for (const { failedOn, cursor } of this.retries) {
      if (cursor.left > 0 && mayRetry(failedOn)) return cursor;
    }
    return this.untried.left > 0 ? this.untried : undefined;
  }
}
