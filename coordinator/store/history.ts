/**
 * The recent past of a store: for each revision what the map was and what happened, from the oldest one kept to the
 * newest. Watches and pinned lists read it; what falls out is compacted.
 */
import type { Tree } from "./persistent-map.js";
import { type KV, type Rev, rev, StoreError, type StoreEvent } from "./store.js";

/** The map at one revision. */
export interface MapState {
  readonly tree: Tree<KV>;
  readonly keys: number;
  /** Of keys and values. */
  readonly usedBytes: number;
}

export interface Revision extends MapState {
  readonly events: readonly StoreEvent[];
  /** Of keys and values of the events. */
  readonly bytes: number;
}

export class History {
  readonly #maxRevs: number;
  readonly #maxBytes: number;
  readonly #revisions = new Map<bigint, Revision>();
  #bytes = 0;
  #oldest: Rev;
  #newest: Rev;

  /** Begins with one revision, of which only the map is known. */
  constructor(first: Rev, state: MapState, bound: { revs: number; bytes: number }) {
    this.#maxRevs = bound.revs;
    this.#maxBytes = bound.bytes;
    this.#oldest = this.#newest = first;
    this.#revisions.set(first, { ...state, events: [], bytes: 0 });
  }

  get newest(): Rev {
    return this.#newest;
  }

  /** Throws StoreError Compacted for what is forgotten, BadRequest for what is not there yet. */
  at(r: Rev): Revision {
    if (r < this.#oldest) throw new StoreError({ kind: "Compacted", compactRev: this.#oldest });
    const revision = this.#revisions.get(r);
    if (!revision) throw new StoreError({ kind: "BadRequest", what: `revision ${r} is not there yet` });
    return revision;
  }

  add(revision: Revision): void {
    this.#newest = rev(this.#newest + 1n);
    this.#revisions.set(this.#newest, revision);
    this.#bytes += revision.bytes;
  }

  /** Takes back the newest revisions, down to `r`. */
  takeBack(r: Rev): void {
    for (; this.#newest > r; this.#newest = rev(this.#newest - 1n)) this.#delete(this.#newest);
  }

  forgetBefore(r: Rev): void {
    for (; this.#oldest < r; this.#oldest = rev(this.#oldest + 1n)) this.#delete(this.#oldest);
  }

  /** Forgets what is over the bounds, never `keepFrom` or what follows. */
  trim(keepFrom: Rev): void {
    while (
      this.#oldest < keepFrom &&
      (this.#revisions.size > this.#maxRevs || this.#bytes > this.#maxBytes)
    ) {
      this.forgetBefore(rev(this.#oldest + 1n));
    }
  }

  #delete(r: Rev): void {
    this.#bytes -= this.#revisions.get(r)?.bytes ?? 0;
    this.#revisions.delete(r);
  }
}
