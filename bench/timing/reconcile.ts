/** The third part: what ours and the peer print of the same server, beside what the server itself says. */
import type { LoadRequest } from "../../shared/benchmark/load/load-request.js";
import { measureLoad } from "../../shared/benchmark/load/measure-load.js";
import { ask } from "../support/asking.js";
import type { LineChild } from "../support/line-child.js";
import type { Peer, PeerFigures } from "./aiperf.js";
import { median, type Seen, timesMs } from "./figures.js";
import { PACED, type Served } from "./script.js";
import type { ServerQuestions } from "./server.js";
import { ours } from "./sides.js";

export const AT_ONCE_TO_RECONCILE = 32;

export interface Reconciled {
  ours: PeerFigures;
  peer: PeerFigures;
  /** What the server wrote while ours asked, and while the peer did. */
  served: { ours: PeerFigures; peer: PeerFigures };
}

export async function reconcile(
  server: LineChild,
  url: string,
  peer: Peer,
  seconds: number,
): Promise<Reconciled> {
  const load = { url, atOnce: AT_ONCE_TO_RECONCILE, seconds };
  const during = async <T>(run: () => Promise<T>): Promise<[T, PeerFigures]> => {
    await ask<ServerQuestions, "play">(server, "play", PACED);
    const found = await run();
    return [found, servedFigures(await ask<ServerQuestions, "seen">(server, "seen", {}))];
  };
  const [mine, servedOurs] = await during(() => ours(load));
  const [its, servedPeer] = await during(() => peer.run(load));
  return { ours: ourFigures(mine, seconds), peer: its, served: { ours: servedOurs, peer: servedPeer } };
}

/** As a summary has them. */
function ourFigures(seen: readonly Seen[], seconds: number): PeerFigures {
  const beganNs = Math.min(...seen.map(({ sentNs }) => sentNs));
  const about = { ms: seconds * 1000, drained_ms: 0, requests: seen.length, began_at: "", peak_inflight: 0 };
  const requests = seen.map((one, i): LoadRequest => {
    const { ttft, tpot, e2e } = timesMs(one);
    const ms = (ns: number) => (ns - beganNs) / 1e6;
    return {
      ...{ window: 0, answered: true, unfinished: false, scheduledMs: ms(one.sentNs), endMs: ms(one.lastNs) },
      ...{ ttftMs: ttft, tpotMs: tpot, e2eMs: e2e, tokensOut: one.tokens },
      ...(i === 0 && { about: { ...about, loop_lag_p99_ms: 0 } }),
    };
  });
  const level = {
    kind: "concurrency",
    value: AT_ONCE_TO_RECONCILE,
    durationMs: seconds * 1000,
    drainMs: 0,
  } as const;
  const spec = { ...level, maxInflight: 0, bustsCache: true, seed: 0, slo: {} };
  const result = measureLoad(spec, requests, undefined);
  return { ...timesOf(seen), requestsPerS: result?.requestsPerS ?? 0, tokensPerS: result?.tokensPerS ?? 0 };
}

/** From the first request to the last token. */
function servedFigures(served: readonly Served[]): PeerFigures {
  const own = served.filter(({ key }) => !key.includes("warm") && !/ w\d/.test(key));
  const spanS =
    (Math.max(...own.map(({ lastNs }) => lastNs)) - Math.min(...own.map(({ receivedNs }) => receivedNs))) /
    1e9;
  const { tokens } = PACED;
  return {
    ...timesOf(own.map((one) => ({ ...one, sentNs: one.receivedNs, tokens }))),
    ...{ requestsPerS: own.length / spanS, tokensPerS: (own.length * tokens) / spanS },
  };
}

function timesOf(seen: readonly Seen[]): Pick<PeerFigures, "requests" | "ttft" | "itl" | "latency"> {
  const times = seen.map(timesMs);
  return {
    requests: seen.length,
    ttft: median(times.map(({ ttft }) => ttft)),
    itl: median(times.map(({ tpot }) => tpot)),
    latency: median(times.map(({ e2e }) => e2e)),
  };
}
