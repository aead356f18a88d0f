/**
 * Long work in pieces: a loop over hundreds of thousands of records lets the event loop take a turn now and then, so that
 * it holds up neither heartbeats nor the renewal of the leadership.
 *
 * ```ts
 * const breath = new Breath(clock);
 * for (const record of records) {
 *   if (breath.isDue()) await breath.take();
 *   …
 * }
 * ```
 */
import type { Clock } from "./clock.js";

/** Work between two turns, ms. */
const WORK_MS = 20;
/** How many pieces pass between two looks at the clock. */
const PIECES = 64;

export class Breath {
  #pieces = 0;
  #sinceMs: number;

  constructor(private readonly clock: Pick<Clock, "nowMs" | "sleep">) {
    this.#sinceMs = clock.nowMs();
  }

  /** Asked before each piece, which should take well under a millisecond. */
  isDue(): boolean {
    this.#pieces += 1;
    return this.#pieces % PIECES === 0 && this.clock.nowMs() - this.#sinceMs >= WORK_MS;
  }

  /** Resolves when the event loop has been round. */
  async take(): Promise<void> {
    await this.clock.sleep(0);
    this.#sinceMs = this.clock.nowMs();
  }
}
