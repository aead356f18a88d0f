/** By which rules two campaigns are compared: what is shown, what is judged, how much may be lost. */
import type { MetricDefinition } from "../metrics/registry.js";

export interface CompareRules {
  /** Metrics that are shown; empty: all that both have. */
  metrics: readonly string[];
  /** Metrics that are judged, with how much they may lose; empty: all quality metrics shown that are shares. */
  failOn: readonly FailOn[];
  /** How much a share may lose where `failOn` says nothing else. */
  maxDrop: number;
  /** Intervals are of 1 − alpha. */
  alpha: number;
  /** Samples that flipped, so many of each cell each way. */
  flips: number;
  /** Cells and samples that only the base has do not make it incomplete. */
  partial: boolean;
}

export interface FailOn {
  metric: string;
  /** In the metric's unit; absent: `maxDrop`, for shares. */
  maxDrop?: number;
}

export const DEFAULT_RULES: CompareRules = {
  ...{ metrics: [], failOn: [], maxDrop: 0.02, alpha: 0.05, flips: 5, partial: false },
};

/** Undefined where the metric is not judged; `maxDrop` undefined where nobody said how much it may lose. */
export function gateOf(
  id: string,
  definition: MetricDefinition,
  rules: CompareRules,
): { maxDrop: number | undefined } | undefined {
  const isShare = definition.unit === "ratio";
  const asked = rules.failOn.find(({ metric }) => metric === id);
  if (asked !== undefined) return { maxDrop: asked.maxDrop ?? (isShare ? rules.maxDrop : undefined) };
  const { kind } = definition.what;
  const isQuality = kind === "quality" || kind === "detection";
  return rules.failOn.length === 0 && isQuality && isShare ? { maxDrop: rules.maxDrop } : undefined;
}
