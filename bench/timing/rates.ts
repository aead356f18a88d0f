/** The second part: how many requests a second each client makes when the server answers at once, as the server counts. */
import { ask } from "../support/asking.js";
import type { LineChild } from "../support/line-child.js";
import type { Peer } from "./aiperf.js";
import { median, steadyRate } from "./figures.js";
import { AT_ONCE } from "./script.js";
import type { ServerQuestions } from "./server.js";
import { bare, type Load, ours } from "./sides.js";

export interface Rate {
  who: string;
  /** Answers a second in each round. */
  perS: number[];
  median: number;
}

/** Streams at once: enough that a client is never without an answer to read. */
export const AT_ONCE_FOR_RATES = 64;
/** Of the peer's own settings the one that matters most: how many of its processes send. */
const PEER_WORKERS = [undefined, 2];

/** Ours, the bare loop's, and each way to start the peer. */
export async function measureRates(
  server: LineChild,
  url: string,
  peer: Peer | undefined,
  shape: { rounds: number; seconds: number },
  say: (text: string) => void,
): Promise<Rate[]> {
  const sides: { who: string; run: (load: Load) => Promise<unknown> }[] = [
    { who: "our generator", run: ours },
    { who: "bare loop", run: bare },
    ...PEER_WORKERS.flatMap((workers) =>
      peer
        ? [
            {
              who: `AIPerf, ${workers ?? "its own number of"} workers`,
              run: (load: Load) => peer.run(load, workers),
            },
          ]
        : [],
    ),
  ];
  const rates = sides.map(({ who }): Rate => ({ who, perS: [], median: 0 }));
  for (let round = 0; round < shape.rounds; round += 1) {
    for (const [i, { who, run }] of sides.entries()) {
      await ask<ServerQuestions, "play">(server, "play", AT_ONCE);
      await run({ url, atOnce: AT_ONCE_FOR_RATES, seconds: shape.seconds });
      const perS = steadyRate(await ask<ServerQuestions, "ended">(server, "ended", {}));
      rates[i]?.perS.push(perS);
      say(`${who}, round ${round + 1} of ${shape.rounds}: ${perS.toFixed(0)} requests/s`);
    }
  }
  return rates.map((rate) => ({ ...rate, median: median(rate.perS) }));
}
