/**
 * A lease of the embedded store, for as long as its process owns the folder. Nobody else can use it up: another process
 * has to take the folder first, which ends every write of ours (lmdb.ts, invariant 2). So no clock ends it, and a process
 * that was stopped for a minute still leads when it goes on. When the process dies, the next opening of the folder
 * deletes its keys at once.
 */
import { leaseMarginMs } from "../client-lease.js";
import type { Lease } from "../store.js";

export class OwnedLease implements Lease {
  readonly id: bigint;
  readonly #ttlMs: number;
  readonly #revoke: () => Promise<void>;
  readonly #lost = new AbortController();

  constructor(o: { id: bigint; ttlMs: number; revoke: () => Promise<void> }) {
    this.id = o.id;
    this.#ttlMs = o.ttlMs;
    this.#revoke = o.revoke;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** As if it had been renewed just now. */
  remainingMs(): number {
    return this.lost.aborted ? 0 : this.#ttlMs - leaseMarginMs(this.#ttlMs);
  }

  async revoke(): Promise<void> {
    this.end(new Error(`lease ${this.id} was revoked`));
    await this.#revoke();
  }

  end(reason: Error): void {
    this.#lost.abort(reason);
  }
}
