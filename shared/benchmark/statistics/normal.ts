/** The standard normal distribution, for intervals at other levels than 95 %. */

/** The 0.975 quantile. */
export const Z_95 = 1.959963984540054;

/** z such that a share of 1 − alpha lies within ±z, for 1e-12 ≤ alpha < 1. */
export function twoSidedZ(alpha: number): number {
  if (alpha === 0.05) return Z_95;
  const wanted = 1 - alpha / 2;
  let [low, high] = [0, 8];
  // Each step halves what is left: 60 of them reach the precision of the number itself.
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (cumulative(middle) < wanted) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Φ(x) for 0 ≤ x ≤ 8, by the series of Marsaglia 2004: ½ + φ(x) · (x + x³/3 + x⁵/15 + …). */
function cumulative(x: number): number {
  let [term, sum] = [x, x];
  for (let i = 3; term > sum * 1e-17; i += 2) {
    term *= (x * x) / i;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}
