/**
 * How long something should wait for company before it is sent. Under load many come within the window and share a
 * message or a transaction; a lone one would wait for nobody, and is sent at once.
 */
export class Company {
  /** When the last few came, in a ring. */
  private readonly cameMs: number[];
  private next = 0;

  /** `windowMs`: the longest wait; `few`: so many in one window are worth it. */
  constructor(
    private readonly windowMs: number,
    few = 4,
  ) {
    this.cameMs = Array.from({ length: few }, () => Number.NEGATIVE_INFINITY);
  }

  /** Notes that one has come, and says how long it should wait, ms: the window, or not at all. */
  waitMs(nowMs: number): number {
    this.cameMs[this.next] = nowMs;
    this.next = (this.next + 1) % this.cameMs.length;
    const first = this.cameMs[this.next] ?? Number.NEGATIVE_INFINITY;
    return nowMs - first <= this.windowMs ? this.windowMs : 0;
  }
}
