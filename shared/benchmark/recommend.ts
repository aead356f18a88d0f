/**
 * Which model to take where money counts: of the models of one prompt and dataset the cheapest that is not significantly worse
 * than the best by a metric.
 *
 * 1. Best is the model with the best value; of equal ones the cheapest.
 * 2. That no difference was found proves nothing with few items. A model counts as as good only if, beside that (Holm's p
 *    above 0.05), the 95 % interval of its difference to the best says that it is worse by less than the margin: 0.05 of a
 *    share, else a twentieth of the best's value.
 * 3. Where something cheaper is neither worse nor as good by that, it cannot be told apart yet, and is named; when nothing but
 *    the best itself is left to recommend then, nothing is.
 * 4. Costs are of what was asked: cached answers have none and are left out. A model whose cost is not known is neither
 *    recommended nor taken for free.
 */
import { count } from "./count.js";
import type { Comparison, CostOfModel, Recommendation } from "./summary.js";

/** A model of one prompt and dataset as a choice. */
export interface Candidate {
  model: string;
  /** Of the metric; absent: n/a, and it is no choice. */
  value: number | undefined;
  /** Of one sample; absent: not known. */
  usd: number | undefined;
  /** Whether the metric is the share of items that are right. */
  isShare: boolean;
}

export interface Choice {
  metric: string;
  prompt: string;
  dataset: string;
  higherIsBetter: boolean;
  unit: string;
}

const MARGIN = 0.05;

/** Undefined where there is no choice: one model, or no cost is known. `comparisons`: of this metric, over all items. */
export function recommend(
  { metric, prompt, dataset, higherIsBetter, unit }: Choice,
  candidates: readonly Candidate[],
  comparisons: readonly Comparison[],
): Recommendation | undefined {
  const valued = candidates.flatMap(({ value, ...rest }) =>
    value === undefined ? [] : [{ ...rest, value }],
  );
  if (valued.length < 2 || valued.every(({ usd }) => usd === undefined)) return undefined;
  const dear = Number.POSITIVE_INFINITY;
  const byCost = [...valued].sort(
    (a, b) => (a.usd ?? dear) - (b.usd ?? dear) || (a.model < b.model ? -1 : 1),
  );
  const [first] = byCost;
  if (first === undefined) return undefined;
  const best = byCost.reduce((top, one) =>
    (higherIsBetter ? one.value > top.value : one.value < top.value) ? one : top,
  );
  const margin = unit === "ratio" ? MARGIN : MARGIN * Math.abs(best.value);
  const costs = byCost.map(costOf);
  const about = { metric, prompt, dataset, best: best.model, margin, costs };
  const none = { ...about, model: "", undecided: [] };
  const { usd } = best;
  if (usd === undefined) {
    return {
      ...none,
      text: `no recommendation by ${metric}: what ${best.model}, the best, costs is not known`,
    };
  }
  const cheaper = byCost.filter((one) => one !== best && one.usd !== undefined && one.usd < usd);
  const judged = cheaper.map((one) => ({
    one,
    ...standing(one.model, best.model, comparisons, higherIsBetter, margin),
  }));
  const undecided = judged.filter(({ kind }) => kind === "undecided");
  const names = undecided.map(({ one }) => one.model);
  const found = judged.find(({ kind }) => kind === "as_good");
  if (found !== undefined) {
    const saved = `${dollars(found.one.usd)} for 1,000 samples against ${dollars(usd)}`;
    const worst = found.worstBy <= 0 ? "no worse" : `worse by ${short(found.worstBy)} at most`;
    const proof = `${worst} (95 %, ${short(margin)} is allowed, ${count(found.n, "item")})`;
    const cheapest = `${found.one.model} is the cheapest model not significantly worse than ${best.model} by ${metric}`;
    return { ...about, model: found.one.model, undecided: names, text: `${cheapest}: ${saved}, ${proof}` };
  }
  const [open] = undecided;
  if (open !== undefined) {
    const apart = `${open.one.model} costs less (${dollars(open.one.usd)} for 1,000 samples against ${dollars(usd)}) and cannot be told apart from ${best.model} with ${count(open.n, "item")}`;
    const could = Number.isFinite(open.worstBy) ? `: it may be worse by ${short(open.worstBy)}` : "";
    return { ...none, undecided: names, text: `no recommendation by ${metric}: ${apart}${could}` };
  }
  const unknown = byCost.filter((one) => one.usd === undefined).map(({ model }) => model);
  const but = unknown.length === 0 ? "" : `; what ${unknown.join(", ")} costs is not known`;
  const why =
    cheaper.length === 0
      ? "it is the best and nothing costs less"
      : "everything that costs less is significantly worse";
  const text = `${best.model} by ${metric}, at ${dollars(usd)} for 1,000 samples: ${why}${but}`;
  return { ...about, model: best.model, undecided: [], text };
}

type Standing = { kind: "worse" | "as_good" | "undecided"; n: number; worstBy: number };

/** Invariant 2, of a model against the best. */
function standing(
  model: string,
  best: string,
  comparisons: readonly Comparison[],
  higherIsBetter: boolean,
  margin: number,
): Standing {
  const pair = comparisons.find(({ a, b }) => (a === model && b === best) || (a === best && b === model));
  if (pair === undefined) return { kind: "undecided", n: 0, worstBy: Number.POSITIVE_INFINITY };
  const { n, interval, verdict } = pair;
  const isFirst = pair.a === model;
  // The difference is a − b; how much worse the model may be than the best, at most.
  const isWorseBelow = isFirst === higherIsBetter;
  const worstBy =
    interval === undefined ? Number.POSITIVE_INFINITY : isWorseBelow ? -interval.lo : interval.hi;
  if (verdict === (isFirst ? "b" : "a")) return { kind: "worse", n, worstBy };
  return { kind: worstBy <= margin ? "as_good" : "undecided", n, worstBy };
}

function costOf({ model, usd, value, isShare }: Candidate & { value: number }): CostOfModel {
  return {
    model,
    usdPer1000: usd === undefined ? undefined : usd * 1000,
    usdPerCorrect: usd === undefined || !isShare || value <= 0 ? undefined : usd / value,
  };
}

const short = (value: number): string => String(Number(value.toPrecision(2)));
const dollars = (usd: number | undefined): string =>
  usd === undefined ? "n/a" : `$${usd === 0 ? "0" : Number((usd * 1000).toPrecision(3))}`;
