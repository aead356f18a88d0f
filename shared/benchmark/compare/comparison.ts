/**
 * What a comparison of two campaigns says: what tables, reports and gates show. Field by field it has the shape of the
 * `Comparing` message in proto/sai/v1/compare.proto, where each field is explained.
 *
 * One rule decides: `verdict` here is what is printed and what the exit code is made of.
 */
import type { Interval } from "../summary.js";

/** Of the whole. Only `pass` lets a gate pass; see judge.ts. */
export type Verdict = "pass" | "fail" | "inconclusive" | "incomplete" | "not_comparable";

export interface Comparing {
  base: ComparedCampaign;
  candidate: ComparedCampaign;
  verdict: Verdict;
  /** Why it is this one, most important first; empty for a pass. */
  reasons: string[];
  cells: ComparedCell[];
  /** Cells of one campaign without a partner. */
  unmatched: UnmatchedCell[];
  maxDrop: number;
  alpha: number;
  simulated: boolean;
}

export interface ComparedCampaign {
  campaignId: string;
  /** The baseline it was named by; empty otherwise. */
  baseline: string;
  name: string;
  state: string;
  createdAt: string;
  endedAt: string;
}

export interface UnmatchedCell {
  side: "base" | "candidate";
  job: string;
  model: string;
  prompt: string;
  dataset: string;
  reason: string;
}

export interface CellName {
  job: string;
  model: string;
  prompt: string;
  dataset: string;
}

export interface ComparedCell {
  base: CellName;
  candidate: CellName;
  simulated: boolean;
  /** Samples of both. */
  pairs: number;
  /** Samples that only one of them has. */
  baseAlone: number;
  candidateAlone: number;
  /** Pairs left out because their truths differ. */
  otherTruth: number;
  metrics: ComparedMetric[];
  /** What else is not the same of the two: model, prompt, engine, settings. */
  changes: Change[];
  /** Pairs that one has right and the other wrong, by `flipMetric`; some of them are in `flips`. */
  flipMetric: string;
  lost: number;
  won: number;
  flips: Flip[];
}

export interface Change {
  what: string;
  base: string;
  candidate: string;
}

export interface ComparedMetric {
  id: string;
  unit: string;
  higherIsBetter: boolean;
  /** Over the pairs; absent: n/a, and `reason` says why. */
  base?: number | undefined;
  candidate?: number | undefined;
  /** candidate − base. */
  difference?: number | undefined;
  interval: Interval | undefined;
  /** Items in it. */
  n: number;
  /** Items one of them has right or better. */
  baseBetter: number;
  candidateBetter: number;
  p?: number | undefined;
  /** mcnemar-exact or sign-flip; empty without a test. */
  method: string;
  /** Whether it takes part in the verdict, and how much it may lose. */
  judged: boolean;
  maxDrop: number;
  /** pass, fail or inconclusive; empty where it is not judged. */
  verdict: string;
  reason: string;
}

/** A pair of samples that one has right and the other wrong. */
export interface Flip {
  /** lost: right in the base, wrong in the candidate; won: the other way round. */
  kind: "lost" | "won";
  item: string;
  level: string;
  repetition: number;
  input: string;
  expected: string;
  base: FlipSide;
  candidate: FlipSide;
}

export interface FlipSide {
  ordinal: number;
  status: string;
  /** 0 to 1, 1 is right. */
  mark: number;
  /** Its words, cut to what can be read, or why there are none. */
  output: string;
}
