/**
 * How much work of a lane to hold ahead of its slots, from how long its attempts take: one attempt when they take 5 s or
 * more, else about 2 s of work, at most 1,000 attempts. Little enough that other agents get their share, enough that a
 * freed slot does not wait for the network.
 */
const SLOW_MS = 5_000;
const AHEAD_MS = 2_000;
const MOST = 1_000;
/** Weight of the newest attempt in the average. */
const NEWEST = 0.2;

export class LanePace {
  private averageMs: number | undefined;

  /** Notes how long an attempt had its device, ms. */
  took(ms: number): void {
    this.averageMs = this.averageMs === undefined ? ms : this.averageMs + NEWEST * (ms - this.averageMs);
  }

  /** Attempts to hold beside those that fill `slots`; `longestMs` is how long the oldest one that runs has taken. */
  ahead(slots: number, longestMs: number): number {
    if (this.averageMs === undefined) return 1;
    // One that takes long already says more about what comes than quick ones before it.
    const ms = Math.max(this.averageMs, longestMs, 0.001);
    return ms >= SLOW_MS ? 1 : Math.min(MOST, Math.max(1, Math.ceil((AHEAD_MS * slots) / ms)));
  }
}
