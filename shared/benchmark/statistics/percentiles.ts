/** Percentiles of raw values by linear interpolation, as numpy's default and R's type 7. */

/** `sorted` ascending and not empty; `q` from 0 to 1. */
export function percentile(sorted: ArrayLike<number>, q: number): number {
  const place = q * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] ?? Number.NaN;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? low;
  return low + (high - low) * (place - below);
}

/** How many values a percentile needs before at least one is expected beyond it with 95 % certainty. */
export const NEEDED_FOR = { p95: 59, p99: 299 } as const;
