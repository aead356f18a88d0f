/**
 * The rule of a gate: has the new one lost more than it may? What is judged is the interval of the difference new − base,
 * not the difference: a run too small to tell is inconclusive, whichever way it points.
 */
export type GateVerdict = "pass" | "fail" | "inconclusive";

/**
 * PASS if the whole interval lies above −maxDrop, FAIL if the whole of it lies below, else INCONCLUSIVE, as without an
 * interval. Where less is better, the loss is a rise. `maxDrop` ≥ 0, in the metric's unit.
 */
export function gateVerdict(
  difference: { lo: number; hi: number } | undefined,
  maxDrop: number,
  higherIsBetter: boolean,
): GateVerdict {
  if (difference === undefined) return "inconclusive";
  const { lo, hi } = higherIsBetter ? difference : { lo: -difference.hi, hi: -difference.lo };
  if (lo > -maxDrop) return "pass";
  return hi < -maxDrop ? "fail" : "inconclusive";
}
