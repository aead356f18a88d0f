/**
 * A job's pending shards as the scheduler takes them: those that failed before and may be tried again first, by the
 * nodes they failed on, then those never tried. Shards that wait after a failure are kept aside until they are due.
 *
 * 1. A shard is in exactly one place: untried, in one group of retries, or waiting.
 */
import { IndexSet, type ReadonlyIndexSet } from "./ranges.js";

/** Shards that failed on the same nodes. */
export interface RetryGroup {
  failedOn: readonly string[];
  shards: ReadonlyIndexSet;
}

/** What the scheduler sees. */
export interface ReadonlyPending {
  readonly untried: ReadonlyIndexSet;
  /** Due for another try. */
  readonly retries: readonly RetryGroup[];
  /** Untried and due. */
  readonly ready: number;
  /** Not due yet. */
  readonly waiting: number;
}

export class PendingShards implements ReadonlyPending {
  readonly untried: IndexSet;
  private readonly groups = new Map<string, { failedOn: readonly string[]; shards: IndexSet }>();
  /** Group of each shard that failed and is due. */
  private readonly groupOf = new Map<number, string>();
  private readonly later = new Map<number, { failedOn: readonly string[]; notBeforeMs: number }>();
  /** No shard of `later` is due before. */
  private earliestMs = Number.POSITIVE_INFINITY;

  constructor(untried = new IndexSet()) {
    this.untried = untried;
  }

  /** 0 … count − 1, never tried. */
  static first(count: number): PendingShards {
    return new PendingShards(IndexSet.first(count));
  }

  /** In the order of the nodes' names, so that it does not depend on what came first. */
  get retries(): RetryGroup[] {
    return [...this.groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
  }

  get ready(): number {
    return this.untried.size + this.groupOf.size;
  }

  get waiting(): number {
    return this.later.size;
  }

  /** No shard that waits is due before, monotonic ms; Infinity when none waits. */
  get dueMs(): number {
    return this.later.size === 0 ? Number.POSITIVE_INFINITY : this.earliestMs;
  }

  /** All. */
  get size(): number {
    return this.ready + this.waiting;
  }

  has(index: number): boolean {
    return this.untried.has(index) || this.groupOf.has(index) || this.later.has(index);
  }

  /** Adds a shard that never failed. */
  add(index: number): void {
    this.delete(index);
    this.untried.add(index);
  }

  /** Adds one that failed on these nodes and may be tried again at `notBeforeMs` (monotonic). */
  addFailed(index: number, failedOn: readonly string[], notBeforeMs: number): void {
    this.delete(index);
    this.later.set(index, { failedOn, notBeforeMs });
    this.earliestMs = Math.min(this.earliestMs, notBeforeMs);
  }

  /** False if it was not there. */
  delete(index: number): boolean {
    const key = this.groupOf.get(index);
    if (key === undefined) return this.untried.delete(index) || this.later.delete(index);
    this.groupOf.delete(index);
    const group = this.groups.get(key);
    group?.shards.delete(index);
    if (group?.shards.size === 0) this.groups.delete(key);
    return true;
  }

  clear(): void {
    this.untried.clear();
    this.groups.clear();
    this.groupOf.clear();
    this.later.clear();
    this.earliestMs = Number.POSITIVE_INFINITY;
  }

  /** Makes what is due at `nowMs` ready; the time (monotonic ms) of the next one, Infinity without. */
  ripen(nowMs: number): number {
    if (nowMs < this.earliestMs) return this.earliestMs;
    this.earliestMs = Number.POSITIVE_INFINITY;
    for (const [index, { failedOn, notBeforeMs }] of this.later) {
      if (notBeforeMs > nowMs) this.earliestMs = Math.min(this.earliestMs, notBeforeMs);
      else {
        this.later.delete(index);
        this.retry(index, failedOn);
      }
    }
    return this.earliestMs;
  }

  private retry(index: number, failedOn: readonly string[]): void {
    const nodes = [...new Set(failedOn)].sort();
    const key = nodes.join(" ");
    const group = this.groups.get(key) ?? { failedOn: nodes, shards: new IndexSet() };
    this.groups.set(key, group);
    group.shards.add(index);
    this.groupOf.set(index, key);
  }
}
