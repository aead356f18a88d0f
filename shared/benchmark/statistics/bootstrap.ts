/**
 * The cluster bootstrap: whole clusters are drawn with replacement, since what lies inside one is not independent.
 * Every statistic here is a ratio of sums, Σ numerator ÷ Σ denominator: a mean has denominators of 1, F1 is
 * Σ 2tp ÷ Σ (2tp + fp + fn). The interval is the percentile one.
 */
import { percentile } from "./percentiles.js";
import type { PairedClusters } from "./permutation.js";

export const BOOTSTRAP_DRAWS = 10_000;

/**
 * 95 % interval of Σ num ÷ Σ den over clusters; index i is one cluster. Draws whose denominator is 0 have no value and
 * are left out; undefined if there is nothing left, or if there is no variation to draw from: one cluster, or clusters
 * that all agree, for which every draw is the same and an interval without width would claim certainty.
 * The same seed gives the same interval.
 */
export function clusterBootstrap(
  num: Float64Array,
  den: Float64Array,
  seed: number,
  draws = BOOTSTRAP_DRAWS,
): { lo: number; hi: number } | undefined {
  if (num.length < 2) return undefined;
  return ends(uniform(den) ? meanDraws(num, den[0] ?? 0, seed, draws) : ratioDraws(num, den, seed, draws));
}

/**
 * The interval of 1 − `alpha` of Σ numA ÷ Σ denA − Σ numB ÷ Σ denB: whole clusters are drawn with both models' sums, since what is
 * hard for one is hard for the other. Undefined as above.
 */
export function pairedBootstrap(
  { numA, denA, numB, denB }: PairedClusters,
  seed: number,
  draws = BOOTSTRAP_DRAWS,
  alpha = 0.05,
): { lo: number; hi: number } | undefined {
  if (numA.length < 2) return undefined;
  const den = denA[0] ?? 0;
  if (uniform(denA) && uniform(denB) && den === denB[0]) {
    const difference = numA.map((a, i) => a - (numB[i] ?? 0));
    return ends(meanDraws(difference, den, seed, draws), alpha);
  }
  // The same seed draws the same clusters of both.
  const a = ratioDraws(numA, denA, seed, draws);
  const b = ratioDraws(numB, denB, seed, draws);
  return ends(
    a.map((value, i) => value - (b[i] ?? Number.NaN)),
    alpha,
  );
}

function ends(values: Float64Array, alpha = 0.05): { lo: number; hi: number } | undefined {
  const defined = values.filter(Number.isFinite).sort();
  if (defined.length === 0 || defined[0] === defined.at(-1)) return undefined;
  return { lo: percentile(defined, alpha / 2), hi: percentile(defined, 1 - alpha / 2) };
}

const uniform = (den: Float64Array): boolean => den.every((d) => d === den[0]);

/** mulberry32 (see seeded.ts), written out in the loops: a call per draw would double the time of 10⁸ draws. */
function meanDraws(num: Float64Array, den: number, seed: number, draws: number): Float64Array {
  const n = num.length;
  const scale = n / 4294967296;
  const out = new Float64Array(draws);
  let a = seed >>> 0;
  for (let draw = 0; draw < draws; draw++) {
    let sum = 0;
    for (let i = 0; i < n; i++) {
      a = (a + 0x6d2b79f5) | 0;
      let t = Math.imul(a ^ (a >>> 15), a | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      sum += num[(((t ^ (t >>> 14)) >>> 0) * scale) | 0] as number;
    }
    out[draw] = sum / (n * den);
  }
  return out;
}

function ratioDraws(num: Float64Array, den: Float64Array, seed: number, draws: number): Float64Array {
  const n = num.length;
  const scale = n / 4294967296;
  const out = new Float64Array(draws);
  let a = seed >>> 0;
  for (let draw = 0; draw < draws; draw++) {
    let top = 0;
    let bottom = 0;
    for (let i = 0; i < n; i++) {
      a = (a + 0x6d2b79f5) | 0;
      let t = Math.imul(a ^ (a >>> 15), a | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      const at = (((t ^ (t >>> 14)) >>> 0) * scale) | 0;
      top += num[at] as number;
      bottom += den[at] as number;
    }
    out[draw] = top / bottom;
  }
  return out;
}
