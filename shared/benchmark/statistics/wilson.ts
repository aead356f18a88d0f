/** Wilson's score interval (Wilson 1927), the interval for a proportion of independent rows. */

/** The 0.975 quantile of the standard normal distribution. */
const Z = 1.959963984540054;

/** 95 % interval of `successes` out of `n` (n ≥ 1), within [0, 1]. */
export function wilson(successes: number, n: number): { lo: number; hi: number } {
  const p = successes / n;
  const spread = 1 + (Z * Z) / n;
  const centre = (p + (Z * Z) / (2 * n)) / spread;
  const half = (Z / spread) * Math.sqrt((p * (1 - p)) / n + (Z * Z) / (4 * n * n));
  return {
    lo: successes === 0 ? 0 : Math.max(0, centre - half),
    hi: successes === n ? 1 : Math.min(1, centre + half),
  };
}
