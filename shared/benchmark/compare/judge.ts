/**
 * The verdict on a whole comparison, from those on its metrics and from what could not be compared.
 *
 *     fail             a judged metric of a cell lost more than it may
 *     not_comparable   nothing could be paired, or pairs have other truths
 *     incomplete       a campaign has not ended, or has cells or samples that the other does not have
 *     inconclusive     a judged metric cannot be told from a loss, or nothing is judged
 *     pass             each judged metric of each cell passes
 *
 * The first that applies is it. All have to pass, so looking at many of them makes a pass no easier to come by.
 */
import { count } from "../count.js";
import type { CellComparison } from "./compare-cells.js";
import type { CellName, ComparedCampaign, Comparing, Verdict } from "./comparison.js";
import type { CompareRules } from "./rules.js";

const ENDED = ["succeeded", "partial", "failed", "cancelled"];

export interface Judged {
  verdict: Verdict;
  reasons: string[];
}

export function judge(
  compared: Pick<Comparing, "base" | "candidate" | "unmatched"> & {
    cells: readonly Omit<CellComparison, "flips">[];
  },
  rules: CompareRules,
): Judged {
  const { cells, unmatched, base, candidate } = compared;
  const found: { [verdict in Exclude<Verdict, "pass">]: string[] } = {
    ...{ fail: [], not_comparable: [], incomplete: [], inconclusive: [] },
  };
  if (cells.length === 0) found.not_comparable.push("no cell of one campaign has a partner in the other");
  for (const campaign of [base, candidate]) found.incomplete.push(...notEnded(campaign));
  if (!rules.partial)
    for (const one of unmatched)
      if (one.side === "base") found.incomplete.push(`${cellText(one)}: ${one.reason}`);
  let judged = 0;
  for (const cell of cells) {
    const name = cellText(cell.base);
    if (cell.pairs === 0) found.not_comparable.push(`${name}: no sample of one is a sample of the other`);
    if (cell.otherTruth > 0)
      found.not_comparable.push(`${name}: ${count(cell.otherTruth, "pair")} with different truths`);
    const alone = cell.baseAlone + cell.candidateAlone;
    if (alone > 0 && !rules.partial)
      found.incomplete.push(
        `${name}: ${cell.baseAlone} of the base's samples and ${cell.candidateAlone} of the candidate's have no partner that ran`,
      );
    for (const metric of cell.metrics) {
      if (!metric.judged) continue;
      judged += 1;
      if (metric.verdict === "fail") found.fail.push(`${name}: ${metric.id}: ${metric.reason}`);
      else if (metric.verdict !== "pass") found.inconclusive.push(`${name}: ${metric.id}: ${metric.reason}`);
    }
  }
  if (judged === 0) found.inconclusive.push("no metric is judged: name one with --fail-on");
  const order = ["fail", "not_comparable", "incomplete", "inconclusive"] as const;
  const verdict = order.find((one) => found[one].length > 0) ?? "pass";
  return { verdict, reasons: order.flatMap((one) => found[one]) };
}

function notEnded({ campaignId, state }: ComparedCampaign): string[] {
  return ENDED.includes(state) ? [] : [`campaign ${campaignId} is ${state}`];
}

/** A cell as people name it. */
export const cellText = ({ model, prompt, dataset }: Omit<CellName, "job">): string =>
  `${model} · ${prompt} · ${dataset}`;
