/** Against scipy, statsmodels, scikit-learn and R; `fixtures/generate.py` and `generate.R` made the values. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../seeded.js";
import { clusterBootstrap, pairedBootstrap } from "./bootstrap.js";
import { gateVerdict } from "./gate.js";
import { holm } from "./holm.js";
import { logGamma, mcnemarExact } from "./mcnemar.js";
import { percentile } from "./percentiles.js";
import { type PairedClusters, permutationTest } from "./permutation.js";
import { seedOf } from "./seed.js";
import { wilson } from "./wilson.js";

interface Published {
  wilson: { k: number; n: number; lo: number; hi: number }[];
  mcnemar: { a: number; b: number; p: number; scipy: number }[];
  loggamma: { x: number; value: number }[];
  holm: { p: number[]; adjusted: number[] }[];
  percentiles: { values: number[]; q: number[]; want: number[] }[];
  sign_flip: { d: number[]; p: number }[];
  sign_flip_sampled: { d: number[]; p: number };
  paired: {
    numA: number[];
    denA: number[];
    numB: number[];
    denB: number[];
    exact: boolean;
    p: number;
    difference: number;
    lo: number;
    hi: number;
    se: number;
  }[];
  bootstrap_mean: { values: number[]; lo: number; hi: number; se: number }[];
  binary: { truth: number[]; predicted: number[]; f1_interval: [number, number]; f1_se: number };
}
const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`./fixtures/${name}`, import.meta.url), "utf8"));
const published: Published = read("published.json");
const byR: Pick<Published, "wilson" | "holm" | "percentiles"> & {
  mcnemar: { a: number; b: number; p: number }[];
  clusters: { num: number[]; den: number[]; lo: number; hi: number; se: number };
} = read("published-r.json");

const close = (got: number, want: number, relative = 1e-10): void => {
  expect(Math.abs(got - want), `${got} against ${want}`).toBeLessThanOrEqual(
    relative * Math.max(Math.abs(want), 1e-3),
  );
};
const ones = (n: number): Float64Array => new Float64Array(n).fill(1);
const paired = (d: number[]): PairedClusters => ({
  numA: Float64Array.from(d),
  denA: ones(d.length),
  numB: new Float64Array(d.length),
  denB: ones(d.length),
});

describe("published values", () => {
  test.each(published.wilson)("wilson $k of $n", ({ k, n, lo, hi }) => {
    const got = wilson(k, n);
    close(got.lo, lo);
    close(got.hi, hi);
  });
  test.each(published.mcnemar)("mcnemar $a against $b", ({ a, b, p, scipy }) => {
    close(mcnemarExact(a, b), p, 1e-9);
    close(mcnemarExact(a, b), scipy, 1e-9);
  });
  test.each(published.loggamma)("ln gamma($x)", ({ x, value }) => {
    close(logGamma(x), value, 1e-12);
  });
  test.each(published.holm)("holm $p", ({ p, adjusted }) => {
    holm(p).forEach((got, i) => {
      close(got, adjusted[i] ?? Number.NaN);
    });
  });
  test.each(published.percentiles)("percentiles of $values.length values", ({ values, q, want }) => {
    const sorted = values.toSorted((a, b) => a - b);
    q.forEach((share, i) => {
      close(percentile(sorted, share), want[i] ?? Number.NaN);
    });
  });
  test.each(published.sign_flip)("sign flips of $d", ({ d, p }) => {
    close(permutationTest(paired(d), 1), p);
  });
  test("sampled sign flips: within five standard errors of 10,000 draws", () => {
    const { d, p } = published.sign_flip_sampled;
    const error = Math.sqrt((p * (1 - p)) / 10_000);
    expect(Math.abs(permutationTest(paired(d), 7) - p)).toBeLessThan(5 * error);
  });
  test.each(published.paired)("two models in $numA.length clusters, as ratios of sums", (want) => {
    const [numA, denA, numB, denB] = [want.numA, want.denA, want.numB, want.denB].map((sums) =>
      Float64Array.from(sums),
    ) as [Float64Array, Float64Array, Float64Array, Float64Array];
    const pairs: PairedClusters = { numA, denA, numB, denB };
    const p = permutationTest(pairs, 3);
    if (want.exact) close(p, want.p);
    else expect(Math.abs(p - want.p)).toBeLessThan(5 * Math.sqrt((want.p * (1 - want.p)) / 10_000) + 1e-4);
    const got = pairedBootstrap(pairs, 6);
    // Draws of few clusters take few values, so that an end may jump from one to the next.
    const tolerance = (numA.length < 20 ? 0.35 : 0.15) * want.se;
    expect(Math.abs((got?.lo ?? 9) - want.lo)).toBeLessThan(tolerance);
    expect(Math.abs((got?.hi ?? 9) - want.hi)).toBeLessThan(tolerance);
  });
  test.each(published.bootstrap_mean)("bootstrap of a mean, n = $values.length", ({ values, lo, hi, se }) => {
    // A 2.5 % quantile of 10,000 draws has an error of about sqrt(.025 * .975 / 10000) / density = 0.027 se.
    const got = clusterBootstrap(Float64Array.from(values), ones(values.length), 5);
    expect(Math.abs((got?.lo ?? 9) - lo)).toBeLessThan(0.15 * se);
    expect(Math.abs((got?.hi ?? 9) - hi)).toBeLessThan(0.15 * se);
  });
  test("bootstrap of F1 as a ratio of sums", () => {
    const { truth, predicted, f1_interval: want, f1_se: se } = published.binary;
    const num = Float64Array.from(truth, (t, i) => 2 * t * (predicted[i] ?? 0));
    const den = Float64Array.from(truth, (t, i) => t + (predicted[i] ?? 0));
    const got = clusterBootstrap(num, den, 11);
    expect(Math.abs((got?.lo ?? 9) - want[0])).toBeLessThan(0.2 * se);
    expect(Math.abs((got?.hi ?? 9) - want[1])).toBeLessThan(0.2 * se);
  });
});

describe("values of R", () => {
  test.each(byR.wilson)("prop.test $k of $n", ({ k, n, lo, hi }) => {
    close(wilson(k, n).lo, lo);
    close(wilson(k, n).hi, hi);
  });
  test.each(byR.mcnemar)("binom.test $a against $b", ({ a, b, p }) => {
    close(mcnemarExact(a, b), p, 1e-9);
  });
  test.each(byR.holm)("p.adjust $p", ({ p, adjusted }) => {
    holm(p).forEach((got, i) => {
      close(got, adjusted[i] ?? Number.NaN);
    });
  });
  test.each(byR.percentiles)("quantile of $values.length values", ({ values, q, want }) => {
    const sorted = values.toSorted((a, b) => a - b);
    q.forEach((share, i) => {
      close(percentile(sorted, share), want[i] ?? Number.NaN);
    });
  });
  test("boot: a ratio of sums over clusters", () => {
    const { num, den, lo, hi, se } = byR.clusters;
    const got = clusterBootstrap(Float64Array.from(num), Float64Array.from(den), 8);
    expect(Math.abs((got?.lo ?? 9) - lo)).toBeLessThan(0.15 * se);
    expect(Math.abs((got?.hi ?? 9) - hi)).toBeLessThan(0.15 * se);
  });
});

describe("by hand", () => {
  test("mcnemar 1 against 7: 2 (C(8,0) + C(8,1)) / 256 = 18 / 256", () => {
    close(mcnemarExact(1, 7), 18 / 256);
  });
  test("three sign flips of 1, 2, 3: only all-plus and all-minus reach 6: 2 / 8", () => {
    expect(permutationTest(paired([1, 2, 3]), 0)).toBe(0.25);
  });
  test("no difference is p = 1", () => {
    expect(permutationTest(paired([0, 0]), 0)).toBe(1);
    expect(permutationTest(paired([]), 0)).toBe(1);
  });
  test("swapping ratios: A 2/2 and 0/1, B 0/1 and 1/1 — differences 1/6, 1, 1, 1/6", () => {
    // Unswapped A = 2/3, B = 1/2 (1/6); swap first: A 0/2 = 0, B 3/3 = 1 (1); second: A 3/3, B 0/2 (1); both: 1/6.
    const pairs: PairedClusters = {
      numA: Float64Array.of(2, 0),
      denA: Float64Array.of(2, 1),
      numB: Float64Array.of(0, 1),
      denB: Float64Array.of(1, 1),
    };
    expect(permutationTest(pairs, 0)).toBe(1);
    const strong = { ...pairs, numA: Float64Array.of(2, 1), numB: Float64Array.of(0, 0) };
    // Unswapped A = 3/3, B = 0/2 (1); first: 1/2, 2/3 (1/6); second: 2/3, 1/2; both: 0, 1 (1): p = 2 / 4.
    expect(permutationTest(strong, 0)).toBe(0.5);
  });
  test("one cluster has no interval, nor has a denominator of 0", () => {
    expect(clusterBootstrap(ones(1), ones(1), 0)).toBeUndefined();
    expect(clusterBootstrap(ones(2), new Float64Array(2), 0)).toBeUndefined();
  });
  test("clusters that all agree have no interval: one without width would claim certainty", () => {
    expect(clusterBootstrap(new Float64Array(12), ones(12), 0)).toBeUndefined();
    expect(clusterBootstrap(Float64Array.of(2, 4, 6), Float64Array.of(4, 8, 12), 0)).toBeUndefined();
  });
  test("the cluster is the unit: 2 clusters of 50 equal rows are as wide as 2 rows", () => {
    const rows = clusterBootstrap(Float64Array.of(0, 1), ones(2), 3);
    const clusters = clusterBootstrap(Float64Array.of(0, 50), Float64Array.of(50, 50), 3);
    expect(clusters).toEqual(rows);
    expect(rows).toEqual({ lo: 0, hi: 1 });
  });
});

describe("the difference of two models", () => {
  const of = (numA: number[], numB: number[], den = ones(numA.length)) =>
    pairedBootstrap(
      { numA: Float64Array.from(numA), denA: den, numB: Float64Array.from(numB), denB: den },
      4,
    );
  test("has no interval where every cluster differs alike", () => {
    expect(of([1, 1, 1], [0, 0, 0])).toBeUndefined();
    expect(of([1], [0])).toBeUndefined();
  });
  test("is that of the pairs: what is hard for both widens nothing", () => {
    const hard = Array.from({ length: 40 }, (_, i) => i % 10);
    const better = hard.map((value, i) => value + (i % 4 === 0 ? 1 : 0));
    const paired = of(better, hard);
    const alone = clusterBootstrap(Float64Array.from(hard), ones(40), 4);
    expect((paired?.hi ?? 9) - (paired?.lo ?? 0)).toBeLessThan(0.3);
    expect((alone?.hi ?? 0) - (alone?.lo ?? 9)).toBeGreaterThan(1);
  });
  test("means and ratios of the same sums agree", () => {
    const [a, b] = [Array.from({ length: 30 }, (_, i) => i % 3), Array.from({ length: 30 }, (_, i) => i % 2)];
    const means = of(a, b);
    const [numA, numB] = [Float64Array.from([...a, 0]), Float64Array.from([...b, 0])];
    // One cluster without a denominator takes the other way and adds nothing but emptier draws.
    const den = Float64Array.from([...ones(30), 0]);
    const ratios = pairedBootstrap({ numA, denA: den, numB, denB: den }, 4);
    expect(Math.abs((means?.lo ?? 9) - (ratios?.lo ?? 0))).toBeLessThan(0.05);
    expect(Math.abs((means?.hi ?? 9) - (ratios?.hi ?? 0))).toBeLessThan(0.05);
  });
  test.each<[string, { lo: number; hi: number } | undefined, number, boolean, string]>([
    ["wholly above", { lo: -0.01, hi: 0.03 }, 0.02, true, "pass"],
    ["wholly below", { lo: -0.3, hi: -0.03 }, 0.02, true, "fail"],
    ["across", { lo: -0.05, hi: 0.03 }, 0.02, true, "inconclusive"],
    ["at the edge", { lo: -0.02, hi: 0.03 }, 0.02, true, "inconclusive"],
    ["none", undefined, 0.5, true, "inconclusive"],
    ["a rise where less is better", { lo: 0.03, hi: 0.3 }, 0.02, false, "fail"],
    ["a fall where less is better", { lo: -0.3, hi: 0.01 }, 0.02, false, "pass"],
    ["no loss allowed", { lo: 0.001, hi: 0.3 }, 0, true, "pass"],
  ])("gate: %s", (_, interval, maxDrop, higherIsBetter, verdict) => {
    expect(gateVerdict(interval, maxDrop, higherIsBetter)).toBe(verdict);
  });
});

describe("properties", () => {
  const count = fc.integer({ min: 0, max: 5000 });
  // Thousandths rather than any double: a failure shrinks in moments.
  const share = fc.integer({ min: 0, max: 1000 }).map((n) => n / 1000);
  test("mcnemar is symmetric, in (0, 1], and falls as the counts part", () => {
    fc.assert(
      fc.property(count, count, (a, b) => {
        const p = mcnemarExact(a, b);
        expect(p).toBe(mcnemarExact(b, a));
        expect(p >= 0 && p <= 1).toBe(true);
        if (b > a) expect(mcnemarExact(a, b + 1)).toBeLessThanOrEqual(p + 1e-12);
      }),
    );
  });
  test("wilson holds the proportion and lies in [0, 1]", () => {
    fc.assert(
      fc.property(count, count, (a, b) => {
        const [k, n] = [Math.min(a, b), Math.max(a, b, 1)];
        const { lo, hi } = wilson(k, n);
        expect(lo >= 0 && lo <= k / n && k / n <= hi && hi <= 1).toBe(true);
      }),
    );
  });
  test("holm keeps the order, never lowers, never passes m · p", () => {
    fc.assert(
      fc.property(fc.array(share, { maxLength: 12 }), (ps) => {
        const adjusted = holm(ps);
        ps.forEach((p, i) => {
          const mine = adjusted[i] ?? -1;
          expect(mine >= p && mine <= Math.min(1, p * ps.length)).toBe(true);
          ps.forEach((q, j) => {
            if (p < q) expect(mine).toBeLessThanOrEqual(adjusted[j] ?? -1);
          });
        });
      }),
    );
  });
  test("a bootstrap repeats itself, differs by seed, and lies within the values", () => {
    const values = fc.array(share, { minLength: 2, maxLength: 30 });
    fc.assert(
      fc.property(values, fc.integer(), (list, seed) => {
        const [num, den] = [Float64Array.from(list), ones(list.length)];
        const first = clusterBootstrap(num, den, seed, 200);
        expect(clusterBootstrap(num, den, seed, 200)).toEqual(first);
        const [least, most] = [Math.min(...list), Math.max(...list)];
        // Clusters that agree have no interval.
        if (first === undefined) expect(most - least).toBeLessThan(1e-12);
        else {
          expect(first.lo).toBeGreaterThanOrEqual(least - 1e-12);
          expect(first.hi).toBeLessThanOrEqual(most + 1e-12);
        }
      }),
      { examples: [[[0.001, 0.001], 0]] },
    );
    const list = Float64Array.from({ length: 50 }, (_, i) => i);
    expect(clusterBootstrap(list, ones(50), 1)).not.toEqual(clusterBootstrap(list, ones(50), 2));
  });
  test("sampled permutation agrees with the exact one where both can be had", () => {
    const random = seededRandom(4);
    const d = Array.from({ length: 13 }, () => random() - 0.35);
    const exact = permutationTest(paired(d), 0);
    // A fourteenth cluster with a negligible difference forces sampling and changes nothing else.
    const sampled = permutationTest(paired([...d, 1e-11]), 9, 40_000);
    expect(Math.abs(sampled - exact)).toBeLessThan(5 * Math.sqrt((exact * (1 - exact)) / 40_000) + 1e-3);
  });
  test("under the null hypothesis p ≤ 0.05 in about 5 % of experiments", () => {
    const random = seededRandom(99);
    let rejected = 0;
    for (let i = 0; i < 400; i++) {
      const d = Array.from({ length: 30 }, () => random() - 0.5);
      if (permutationTest(paired(d), i, 400) <= 0.05) rejected++;
    }
    // Binomial(400, 0.05): mean 20, sd 4.4.
    expect(rejected).toBeGreaterThan(4);
    expect(rejected).toBeLessThan(40);
  });
});

test("seeds differ by name and are fixed", () => {
  expect(seedOf("")).toBe(0x811c9dc5);
  expect(seedOf("a")).toBe(0xe40c292c);
  expect(seedOf("j0000|cer")).not.toBe(seedOf("j0001|cer"));
});
