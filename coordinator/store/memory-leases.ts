/** The leases of a store: which keys hang on which, and when each ends. A lease that is gone may still have keys. */
import type { Clock } from "../../shared/runtime/clock.js";
import { type KV, StoreError } from "./store.js";

interface Entry {
  readonly ttlMs: number;
  /** Monotonic. */
  expiresAtMs: number;
}

export class LeaseTable {
  readonly #clock: Clock;
  readonly #onEnd: (keys: Iterable<string>) => void;
  readonly #leases = new Map<bigint, Entry>();
  readonly #keys = new Map<bigint, Set<string>>();
  #nextId: bigint;
  #timer: { atMs: number; cancel: () => void } | undefined;
  #disposed = false;

  /** `onEnd` gets the keys of a lease that ended, after the lease is gone. */
  constructor(clock: Clock, onEnd: (keys: Iterable<string>) => void, firstId: bigint) {
    this.#clock = clock;
    this.#onEnd = onEnd;
    this.#nextId = firstId;
  }

  /** A lease of `ttlMs`, which may be Infinity. */
  grant(ttlMs: number): bigint {
    if (!(ttlMs > 0)) throw new StoreError({ kind: "BadRequest", what: `a lease of ${ttlMs} ms` });
    const id = this.#nextId++;
    this.#leases.set(id, { ttlMs, expiresAtMs: this.#clock.nowMs() + ttlMs });
    this.#arm();
    return id;
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

  /** Ends it and its keys; also of a lease that is gone already. */
  revoke(lease: bigint): void {
    if (this.#leases.delete(lease)) this.#arm();
    const keys = this.#keys.get(lease);
    if (!keys) return;
    this.#keys.delete(lease);
    this.#onEnd(keys);
  }

  /** Ends the keys of leases that are not there. */
  revokeOrphans(): void {
    const orphans = [...this.#keys.keys()].filter((lease) => !this.#leases.has(lease));
    const keys = orphans.flatMap((lease) => [...(this.#keys.get(lease) ?? [])]);
    for (const lease of orphans) this.#keys.delete(lease);
    this.#onEnd(keys);
  }

  /** The keys there are, instead of those known so far. */
  attach(kvs: Iterable<KV>): void {
    this.#keys.clear();
    for (const { key, lease } of kvs) if (lease !== undefined) this.#add(lease, key);
  }

  /** A key's put or deletion moves it from the lease it had to the one it has now. */
  move(key: string, from: bigint | undefined, to: bigint | undefined): void {
    if (from === to) return;
    if (from !== undefined) this.#remove(from, key);
    if (to !== undefined) this.#add(to, key);
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

  #add(lease: bigint, key: string): void {
    const keys = this.#keys.get(lease);
    if (keys) keys.add(key);
    else this.#keys.set(lease, new Set([key]));
  }

  #remove(lease: bigint, key: string): void {
    const keys = this.#keys.get(lease);
    keys?.delete(key);
    if (keys?.size === 0) this.#keys.delete(lease);
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
