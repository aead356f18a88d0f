/** What the benchmark prints: tables for people, then one line of JSON. */
import type { Machine } from "../support/machine.js";
import { markdown } from "../support/table.js";
import type { PeerFigures } from "./aiperf.js";
import type { LevelErrors } from "./errors.js";
import type { Spread } from "./figures.js";
import { AT_ONCE_FOR_RATES, type Rate } from "./rates.js";
import { AT_ONCE_TO_RECONCILE, type Reconciled } from "./reconcile.js";

const AIMED_AT_ONCE = 32;
const AIM_MS = 1;
const AIM_ABOVE_BARE_MS = 0.5;
const WHAT = {
  ttft: "TTFT",
  tpot: "TPOT",
  e2e: "end to end",
  there: "sent → received",
} as const;
const AIMED = ["ttft", "tpot", "e2e"] as const;

export interface Found {
  machine: Machine;
  shape: { rounds: number; seconds: number };
  errors: LevelErrors[];
  rates: Rate[];
  peer: string;
  reconciled?: Reconciled;
}

/** Ends with a newline. */
export function printed(found: Found): string {
  const { machine, errors, rates, peer, reconciled } = found;
  const aims = aimsOf(found);
  return [
    `Node ${machine.node}, ${machine.cores} × ${machine.cpu}, load ${machine.load1m.toFixed(1)}; peer: ${peer}`,
    "",
    ...errors.flatMap((level) => [...errorTable(level), ""]),
    ...aims.map(({ text, met }) => `${text}: ${met ? "met" : "NOT met"}`),
    "",
    ...rateTable(rates),
    ...(reconciled ? ["", ...reconciledTable(reconciled)] : []),
    JSON.stringify({ bench: "timing", ...found, aims }),
    "",
  ].join("\n");
}

function errorTable({ atOnce, figures }: LevelErrors): string[] {
  const three = ({ p50, p99, max }: Spread) => [p50, p99, max].map((ms) => ms.toFixed(3)).join(" / ");
  const rows = Object.entries(WHAT).map(([key, what]) => {
    const { ours, bare, differenceP99 } = figures[key as keyof typeof WHAT];
    return [what, three(ours), three(bare), differenceP99.toFixed(3)];
  });
  const { n } = figures.ttft.ours;
  const header = [`${atOnce} at once (${n} requests)`, "ours, ms", "bare loop, ms", "difference of p99"];
  return markdown([header, ...rows]);
}

interface Aim {
  text: string;
  met: boolean;
}

function aimsOf({ errors, rates }: Found): Aim[] {
  const level = errors.find(({ atOnce }) => atOnce === AIMED_AT_ONCE);
  const ofErrors = AIMED.flatMap((what): Aim[] => {
    const { ours, differenceP99 } = level?.figures[what] ?? {};
    if (ours === undefined || differenceP99 === undefined) return [];
    return [
      {
        text: `${WHAT[what]} error p99 at ${AIMED_AT_ONCE} at once ≤ ${AIM_MS} ms, or the bare loop's + ${AIM_ABOVE_BARE_MS} ms`,
        met: ours.p99 <= AIM_MS || differenceP99 <= AIM_ABOVE_BARE_MS,
      },
    ];
  });
  const ratio = ratioOf(rates);
  return [
    ...ofErrors,
    ...(ratio === undefined
      ? []
      : [{ text: `request rate ahead of the peer's best, ${ratio.toFixed(1)} ×`, met: ratio > 1 }]),
  ];
}

/** Ours ÷ the peer's best; undefined without a peer. */
function ratioOf([mine, , ...peers]: readonly Rate[]): number | undefined {
  const best = Math.max(...peers.map((rate) => rate.median));
  return mine && best > 0 ? mine.median / best : undefined;
}

function rateTable(rates: readonly Rate[]): string[] {
  const [mine] = rates;
  const rows = rates.map(({ who, perS, median }) => [
    who,
    `${median.toFixed(0)} (${Math.min(...perS).toFixed(0)} to ${Math.max(...perS).toFixed(0)})`,
    mine === undefined ? "" : (mine.median / median).toFixed(2),
  ]);
  return markdown([[`requests/s, ${AT_ONCE_FOR_RATES} at once, median (range)`, "", "ours ÷ it"], ...rows]);
}

function reconciledTable({ ours, peer, served }: Reconciled): string[] {
  const row = (what: string, key: keyof PeerFigures, digits = 2) => [
    what,
    ...[served.ours, ours, served.peer, peer].map((of) => of[key].toFixed(digits)),
  ];
  return markdown([
    [
      `${AT_ONCE_TO_RECONCILE} at once, medians`,
      "server, for ours",
      "ours",
      "server, for the peer",
      "the peer",
    ],
    row("requests", "requests", 0),
    row("TTFT, ms", "ttft"),
    row("TPOT (peer: ITL), ms", "itl"),
    row("end to end (peer: request latency), ms", "latency"),
    row("requests/s", "requestsPerS"),
    row("output tokens/s", "tokensPerS", 1),
  ]);
}
