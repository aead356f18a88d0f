/**
 * How much may be on its way: attempts that agents were given a moment ago and have not answered. Like the window of a
 * transport it makes the coordinator give work out no faster than it hears back, however large the fleet is: ten thousand
 * idle agents would otherwise all get theirs at once, and their answers would hold up the renewal of the leadership.
 *
 * An agent that does not answer takes its place for a second only; asking its work back is for the accept deadline.
 */
import type { Fence } from "../shared/domain/fence.js";
import type { Board, ShardKey } from "./campaigns/board.js";
import { isUnanswered } from "./campaigns/unstarted.js";

const A_MOMENT_MS = 1000;

export class DispatchWindow {
  #given: { shard: ShardKey; fence: Fence; atMs: number }[] = [];

  /** `size`: attempts; what one plan gives out may exceed it once. */
  constructor(
    private readonly board: Board,
    private readonly size: number,
  ) {}

  gave(shard: ShardKey, fence: Fence, atMs: number): void {
    this.#given.push({ shard, fence, atMs });
  }

  /** Whether more may be given out. Looks at the board only when it seems full. */
  isOpen(nowMs: number): boolean {
    if (this.#given.length < this.size) return true;
    this.#given = this.#given.filter(
      (one) => nowMs - one.atMs < A_MOMENT_MS && isUnanswered(this.board, one),
    );
    return this.#given.length < this.size;
  }
}
