/** How long to wait before trying again, so that many who failed together do not come back together. */
import type { Random } from "./random.js";

export interface BackoffLimits {
  /** Upper bound of the first wait, ms. */
  baseMs: number;
  /** Upper bound of every wait, ms. */
  capMs: number;
}

/**
 * Full jitter: uniform in [0, min(cap, base × 2^failures)) ms, `failures` counted from 0.
 * Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export function backoffMs(failures: number, limits: BackoffLimits, random: Random): number {
  return random.next() * Math.min(limits.capMs, limits.baseMs * 2 ** failures);
}
