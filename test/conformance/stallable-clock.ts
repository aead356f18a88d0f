/** Real time of a process that can be stopped for a while: none of its timers fires meanwhile, all that are due after. */
import { type Clock, systemClock } from "../../shared/runtime/clock.js";

export class StallableClock implements Clock {
  #waiting: Set<() => void> | undefined;

  wallMs = systemClock.wallMs;
  nowMs = systemClock.nowMs;
  nowNs = systemClock.nowNs;

  after(ms: number, run: () => void): () => void {
    let held: (() => void) | undefined;
    const cancel = systemClock.after(ms, () => {
      if (!this.#waiting) return run();
      held = run;
      this.#waiting.add(run);
    });
    return () => {
      cancel();
      if (held) this.#waiting?.delete(held);
    };
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const cancel = this.after(ms, () => {
        signal?.removeEventListener("abort", stop);
        resolve();
      });
      const stop = () => {
        cancel();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", stop, { once: true });
    });
  }

  /** Stops its timers for `ms`. */
  async stall(ms: number): Promise<void> {
    const waiting = new Set<() => void>();
    this.#waiting = waiting;
    await systemClock.sleep(ms);
    this.#waiting = undefined;
    for (const run of waiting) run();
  }
}
