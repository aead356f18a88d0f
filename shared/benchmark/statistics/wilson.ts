/** Wilson's score interval (Wilson 1927), the interval for a proportion of independent rows. */
import { Z_95 } from "./normal.js";

/** Interval of `successes` out of `n` (n ≥ 1), within [0, 1]; of 95 %, or by another normal quantile `z`. */
export function wilson(successes: number, n: number, z = Z_95): { lo: number; hi: number } {
  const p = successes / n;
  const spread = 1 + (z * z) / n;
  const centre = (p + (z * z) / (2 * n)) / spread;
  const half = (z / spread) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return {
    lo: successes === 0 ? 0 : Math.max(0, centre - half),
    hi: successes === n ? 1 : Math.min(1, centre + half),
  };
}
