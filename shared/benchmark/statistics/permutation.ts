/**
 * The paired permutation test over clusters. If two models are equally good, which of them gave which of a cluster's
 * two results is chance; so the results of whole clusters are swapped, and p is the share of swaps whose difference is
 * at least as large as the one seen. For means that is the sign-flip test; for ratios such as F1 it is the approximate
 * randomization test (Noreen 1989; Yeh 2000), which needs no per-sample F1.
 *
 * Up to 13 clusters that differ, all 2^k swaps are counted and p is exact. Beyond, 10,000 seeded draws are, with the
 * one seen counted among them: p = (hits + 1) ÷ (draws + 1), which is never 0.
 */

export const PERMUTATION_DRAWS = 10_000;
const MOST_EXACT = 13;

/** Sums per cluster of both models; index i is one cluster. */
export interface PairedClusters {
  numA: Float64Array;
  denA: Float64Array;
  numB: Float64Array;
  denB: Float64Array;
}

/** Two-sided p of Σ numA ÷ Σ denA − Σ numB ÷ Σ denB. A side without a denominator counts as 0. */
export function permutationTest(pairs: PairedClusters, seed: number, draws = PERMUTATION_DRAWS): number {
  const { numA, denA, numB, denB } = pairs;
  const differing: number[] = [];
  for (let i = 0; i < numA.length; i++) {
    if (numA[i] !== numB[i] || denA[i] !== denB[i]) differing.push(i);
  }
  if (differing.length === 0) return 1;
  const top = Float64Array.from(differing, (i) => (numB[i] ?? 0) - (numA[i] ?? 0));
  const bottom = Float64Array.from(differing, (i) => (denB[i] ?? 0) - (denA[i] ?? 0));
  const total = { a: [sum(numA), sum(denA)] as const, b: [sum(numB), sum(denB)] as const };
  const difference = (up: number, down: number): number =>
    Math.abs(ratio(total.a[0] + up, total.a[1] + down) - ratio(total.b[0] - up, total.b[1] - down));
  // Equal differences reached by other orders of addition must count as equal.
  const seen = difference(0, 0) * (1 - 1e-9) - 1e-12;
  return differing.length <= MOST_EXACT
    ? exact(top, bottom, difference, seen)
    : sampled(top, bottom, difference, seen, seed, draws);
}

type Difference = (up: number, down: number) => number;

function exact(top: Float64Array, bottom: Float64Array, difference: Difference, seen: number): number {
  const swaps = 2 ** top.length;
  let hits = 0;
  for (let mask = 0; mask < swaps; mask++) {
    let up = 0;
    let down = 0;
    for (let i = 0; i < top.length; i++) {
      if ((mask >>> i) & 1) {
        up += top[i] as number;
        down += bottom[i] as number;
      }
    }
    if (difference(up, down) >= seen) hits++;
  }
  return hits / swaps;
}

/** One generated number decides 32 swaps; the generator is mulberry32 (see seeded.ts), written out for speed. */
function sampled(
  top: Float64Array,
  bottom: Float64Array,
  difference: Difference,
  seen: number,
  seed: number,
  draws: number,
): number {
  const n = top.length;
  let a = seed >>> 0;
  let hits = 0;
  for (let draw = 0; draw < draws; draw++) {
    let up = 0;
    let down = 0;
    for (let block = 0; block < n; block += 32) {
      a = (a + 0x6d2b79f5) | 0;
      let t = Math.imul(a ^ (a >>> 15), a | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      let bits = t ^ (t >>> 14);
      const end = Math.min(n, block + 32);
      for (let i = block; i < end; i++) {
        const swap = bits & 1;
        up += swap * (top[i] as number);
        down += swap * (bottom[i] as number);
        bits >>>= 1;
      }
    }
    if (difference(up, down) >= seen) hits++;
  }
  return (hits + 1) / (draws + 1);
}

const ratio = (num: number, den: number): number => (Math.abs(den) < 1e-12 ? 0 : num / den);

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
