/** The leases of the memory store: which keys hang on which, and when each ends. */
import type { Clock } from "../../shared/runtime/clock.js";
import { StoreError } from "./store.js";

interface Entry {
  readonly ttlMs: number;
  readonly keys: Set<string>;
  /** Monotonic. */
  expiresAtMs: number;
}

export class LeaseTable {
  readonly #clock: Clock;
  readonly #onEnd: (keys: Iterable<string>) => void;
  readonly #leases = new Map<bigint, Entry>();
  #lastId = 0n;
  #timer: { atMs: number; cancel: () => void } | undefined;
  #disposed = false;

  /** `onEnd` gets the keys of a lease that ended, after the lease is gone. */
  constructor(clock: Clock, onEnd: (keys: Iterable<string>) => void) {
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  grant(ttlMs: number): bigint {
    if (!(ttlMs > 0)) throw new StoreError({ kind: "BadRequest", what: `a lease of ${ttlMs} ms` });
    this.#lastId += 1n;
    this.#leases.set(this.#lastId, {
      ttlMs,
      keys: new Set(),
      expiresAtMs: this.#clock.nowMs() + ttlMs,
    });
    this.#arm();
    return this.#lastId;
  }

  require(lease: bigint): Entry {
    const entry = this.#leases.get(lease);
    if (!entry) throw new StoreError({ kind: "LeaseNotFound", lease });
    return entry;
  }

  renew(lease: bigint): void {
    const entry = this.require(lease);
    entry.expiresAtMs = this.#clock.nowMs() + entry.ttlMs;
    this.#arm();
  }

  revoke(lease: bigint): void {
    const entry = this.#leases.get(lease);
    if (!entry) return;
    this.#leases.delete(lease);
    this.#arm();
    this.#onEnd(entry.keys);
  }

  /** A key's put or deletion moves it from the lease it had to the one it has now. */
  move(key: string, from: bigint | undefined, to: bigint | undefined): void {
    if (from === to) return;
    if (from !== undefined) this.#leases.get(from)?.keys.delete(key);
    if (to !== undefined) this.require(to).keys.add(key);
  }

  /** Ends what is due now; also called before every read and write, so that no late timer lets a dead key be seen. */
  expire(): void {
    const nowMs = this.#clock.nowMs();
    if (this.#timer === undefined || this.#timer.atMs > nowMs) return;
    for (const [id, entry] of this.#leases) if (entry.expiresAtMs <= nowMs) this.revoke(id);
    this.#arm();
  }

  dispose(): void {
    this.#disposed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { expiresAtMs } of this.#leases.values()) nextMs = Math.min(nextMs, expiresAtMs);
    if (this.#timer?.atMs === nextMs || this.#disposed) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (nextMs === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.max(0, nextMs - this.#clock.nowMs());
    this.#timer = { atMs: nextMs, cancel: this.#clock.after(waitMs, () => this.#onTimer(nextMs)) };
  }

  #onTimer(atMs: number): void {
    // Timers may fire a fraction of a millisecond early; then the rest is waited for.
    if (this.#timer?.atMs === atMs && this.#clock.nowMs() < atMs) this.#timer = undefined;
    this.expire();
    this.#arm();
  }
}
