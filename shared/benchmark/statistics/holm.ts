/** Holm's step-down correction (Holm 1979) of the p values of one family of tests. */

/** Adjusted p values in the order given, each at most 1. */
export function holm(ps: readonly number[]): number[] {
  const order = ps.map((p, index) => ({ p, index })).sort((a, b) => a.p - b.p);
  const adjusted = new Array<number>(ps.length).fill(1);
  let largest = 0;
  order.forEach(({ p, index }, place) => {
    largest = Math.max(largest, Math.min(1, p * (ps.length - place)));
    adjusted[index] = largest;
  });
  return adjusted;
}
