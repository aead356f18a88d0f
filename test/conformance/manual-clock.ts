/** A clock the test moves: timers fire in order of their deadlines, and nothing happens in between. */
import type { Clock } from "../../shared/runtime/clock.js";

interface Timer {
  readonly atMs: number;
  readonly seq: number;
  readonly run: () => void;
}

export class ManualClock implements Clock {
  #nowMs = 0;
  #seq = 0;
  #timers: Timer[] = [];

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }
  nowMs(): number {
    return this.#nowMs;
  }
  nowNs(): number {
    return Math.round(this.#nowMs * 1e6);
  }
  get pendingTimers(): number {
    return this.#timers.length;
  }

  after(ms: number, run: () => void): () => void {
    const timer: Timer = { atMs: this.#nowMs + ms, seq: this.#seq++, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((t) => t !== timer);
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const cancel = this.after(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      const onAbort = () => {
        cancel();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** Time passes as it does for a running process: each timer fires when it is due, and its promises settle. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = this.#nextDue(endMs);
      if (!due) break;
      this.#nowMs = due.atMs;
      this.#fire(due);
      await settle();
    }
    this.#nowMs = endMs;
    await settle();
  }

  /** Time passes for a process that was stopped: nothing fires until it goes on, and then all that is due. */
  async stall(ms: number): Promise<void> {
    this.#nowMs += ms;
    for (let due = this.#nextDue(this.#nowMs); due; due = this.#nextDue(this.#nowMs)) this.#fire(due);
    await settle();
  }

  #nextDue(untilMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const t of this.#timers) {
      if (t.atMs > untilMs) continue;
      if (!next || t.atMs < next.atMs || (t.atMs === next.atMs && t.seq < next.seq)) next = t;
    }
    return next;
  }

  #fire(timer: Timer): void {
    this.#timers = this.#timers.filter((t) => t !== timer);
    timer.run();
  }
}

/** Lets every promise that can settle do so. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
