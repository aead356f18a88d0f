/**
 * McNemar's exact test for paired right/wrong answers: of the pairs that differ, each side is equally likely if the
 * models are equally good, so the smaller count follows Binomial(n, ½).
 */

/** Two-sided p: 2·P(X ≤ min), at most 1; 1 when no pair differs. Counts must be whole numbers. */
export function mcnemarExact(aOnly: number, bOnly: number): number {
  const n = aOnly + bOnly;
  const least = Math.min(aOnly, bOnly);
  // The two halves then meet or overlap: the sum is 1 but for rounding.
  if (Math.abs(aOnly - bOnly) <= 1) return 1;
  // Sum from the largest term down, relative to it: no overflow and no cancellation at any n.
  const largest = logChoose(n, least) - n * Math.LN2;
  let relative = 1;
  let sum = 1;
  for (let k = least; k > 0 && relative > 1e-18; k--) {
    relative *= k / (n - k + 1);
    sum += relative;
  }
  return Math.min(1, 2 * Math.exp(largest) * sum);
}

function logChoose(n: number, k: number): number {
  return logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);
}

/** Lanczos coefficients for g = 7, n = 9 (P. Godfrey), good to about 15 digits for x ≥ 0.5. */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
] as const;

/** ln Γ(x) for x ≥ 1. */
export function logGamma(x: number): number {
  const base = x + 6.5;
  let sum: number = LANCZOS[0];
  for (let i = 1; i < LANCZOS.length; i++) sum += (LANCZOS[i] ?? 0) / (x - 1 + i);
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(base) - base + Math.log(sum);
}
