/** The benchmark's output: a table for people, then one line of JSON for programs. */
import type { Machine } from "../support/machine.js";
import { table } from "../support/table.js";
import type { Figures, Spread } from "./arithmetic.js";

/** Median of the pairs' wall ratios, submit → terminal state. */
const RATIO_AIM = 1.03;
/** Median of the pairs' differences of TTFT error p99, ms. */
const TTFT_AIM_MS = 1;

export interface Shape {
  pairs: number;
  requests: number;
  concurrency: number;
  /** The scripted delays alone. */
  delaysMs: number;
}

/** Ends with a newline. */
export function printed(figures: Figures, shape: Shape, machine: Machine): string {
  const { wallMs, wallRatio, ttftErrorMs, ttftErrorDifferenceMs: difference } = figures;
  const aims = {
    wallRatio: { aim: RATIO_AIM, met: wallRatio.toTerminal.median <= RATIO_AIM },
    ttftErrorP99Ms: { aim: TTFT_AIM_MS, met: difference.p99.median <= TTFT_AIM_MS },
  };
  const rows = [
    ["", "campaign", "bare loop", "campaign against bare: median (range)"],
    ["wall, submit to terminal state", ...wall(wallMs.toTerminal, wallMs.bare, wallRatio.toTerminal)],
    ["wall, submit to last sample done", ...wall(wallMs.toLastDone, wallMs.bare, wallRatio.toLastDone)],
    ["wall, first request to last sample done", ...wall(wallMs.streaming, wallMs.bare, wallRatio.streaming)],
    ["TTFT error p50", ...error("p50"), spreadText(difference.p50, 3, "ms")],
    ["TTFT error p99", ...error("p99"), spreadText(difference.p99, 3, "ms")],
  ];
  function error(key: "p50" | "p99"): string[] {
    return [`${ttftErrorMs.campaign[key].toFixed(3)} ms`, `${ttftErrorMs.bare[key].toFixed(3)} ms`];
  }
  return [
    `${shape.pairs} pairs of ${shape.requests} streamed requests, ${shape.concurrency} at once; the scripted delays alone take ${shape.delaysMs.toFixed(0)} ms`,
    `Node ${machine.node}, ${machine.cores} × ${machine.cpu}, load ${machine.load1m.toFixed(1)}`,
    "",
    ...table(rows),
    "",
    `wall ratio (submit to terminal state) ≤ ${RATIO_AIM}: ${verdict(aims.wallRatio.met)}`,
    `TTFT error p99 at most ${TTFT_AIM_MS} ms above the bare loop's: ${verdict(aims.ttftErrorP99Ms.met)}`,
    JSON.stringify({ bench: "overhead", ...shape, machine, ...figures, aims }),
    "",
  ].join("\n");
}

const verdict = (met: boolean): string => (met ? "met" : "NOT met");

const wall = (campaign: Spread, bare: Spread, ratio: Spread): string[] => [
  `${campaign.median.toFixed(0)} ms`,
  `${bare.median.toFixed(0)} ms`,
  spreadText(ratio, 4, ""),
];

const spreadText = ({ median, min, max }: Spread, digits: number, unit: string): string =>
  `${median.toFixed(digits)} ${unit === "" ? "" : `${unit} `}(${min.toFixed(digits)} to ${max.toFixed(digits)})`;
