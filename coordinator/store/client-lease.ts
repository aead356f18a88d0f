/**
 * A lease as its holder sees it: renewed every third of its time, soon again when that was not answered, and believed in
 * for less time than the store grants.
 *
 * 1. Valid until the monotonic time the last answered renewal was *sent* + TTL − margin. Nothing else counts.
 * 2. A renewal that comes too late (a process that was stopped) is not sent: the lease is lost.
 * 3. So `lost` fires before the store lets the keys go.
 * 4. Whoever handles messages asks for a renewal that is due, too: a loop that thousands of them hold up fires no timers.
 *    One is under way at a time.
 */
import type { Clock } from "../../shared/runtime/clock.js";
import type { Lease } from "./store.js";

/** What belief in a lease ends before the store's own end: 2 s, or a third of a short lease. */
export const leaseMarginMs = (ttlMs: number): number => Math.min(2_000, ttlMs / 3);

export class ClientLease implements Lease {
  readonly id: bigint;
  readonly #ttlMs: number;
  readonly #clock: Clock;
  readonly #renew: () => Promise<void>;
  readonly #revoke: () => Promise<void>;
  readonly #lost = new AbortController();
  #validUntilMs: number;
  /** Infinite while one is under way. */
  #renewAtMs = Number.POSITIVE_INFINITY;
  #timers: (() => void)[] = [];

  /** `sentMs`: when the grant was sent. `renew` rejects when the lease is gone or the store did not answer. */
  constructor(o: {
    id: bigint;
    ttlMs: number;
    sentMs: number;
    clock: Clock;
    renew: () => Promise<void>;
    revoke: () => Promise<void>;
  }) {
    this.id = o.id;
    this.#ttlMs = o.ttlMs;
    this.#clock = o.clock;
    this.#renew = o.renew;
    this.#revoke = o.revoke;
    this.#validUntilMs = o.sentMs + o.ttlMs - leaseMarginMs(o.ttlMs);
    this.#arm(this.#ttlMs / 3);
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  renewIfDue(nowMs: number): void {
    if (nowMs >= this.#renewAtMs) void this.#renewOnce();
  }

  remainingMs(nowMs: number): number {
    return this.lost.aborted ? 0 : Math.max(0, this.#validUntilMs - nowMs);
  }

  /** Fires `lost` when its time is over; also called before anything is sent to the store. */
  check(): void {
    if (this.#clock.nowMs() >= this.#validUntilMs)
      this.end(new Error(`lease ${this.id} was not renewed in time`));
  }

  async revoke(): Promise<void> {
    this.end(new Error(`lease ${this.id} was revoked`));
    await this.#revoke();
  }

  /** Stops renewing and fires `lost`. */
  end(reason: Error): void {
    for (const cancel of this.#timers) cancel();
    this.#timers = [];
    this.#renewAtMs = Number.POSITIVE_INFINITY;
    this.#lost.abort(reason);
  }

  #arm(renewInMs: number): void {
    for (const cancel of this.#timers) cancel();
    const nowMs = this.#clock.nowMs();
    this.#renewAtMs = nowMs + renewInMs;
    this.#timers = [
      this.#clock.after(renewInMs, () => void this.#renewOnce()),
      this.#clock.after(Math.max(0, this.#validUntilMs - nowMs), () => this.check()),
    ];
  }

  async #renewOnce(): Promise<void> {
    this.check(); // invariant 2
    if (this.lost.aborted || this.#renewAtMs === Number.POSITIVE_INFINITY) return;
    this.#renewAtMs = Number.POSITIVE_INFINITY;
    const sentMs = this.#clock.nowMs();
    let renewInMs = this.#ttlMs / 3;
    try {
      await this.#renew();
      if (this.lost.aborted) return;
      this.#validUntilMs = sentMs + this.#ttlMs - leaseMarginMs(this.#ttlMs);
    } catch {
      // Not answered, or the lease is gone: validity runs out by itself, and until then it is tried again.
      this.check();
      if (this.lost.aborted) return;
      renewInMs = this.#ttlMs / 24; // another try fits in before belief ends
    }
    this.#arm(renewInMs);
  }
}
