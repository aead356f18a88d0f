/** What the figures of a load need of one record. */
import { timesOf } from "../metrics/times.js";
import { isAnswered, type LoadWindow, type ResultRecord } from "../record.js";
import { windowOf } from "./load-spec.js";

/** Times in ms since the window began, unless they say otherwise. */
export interface LoadRequest {
  window: number;
  answered: boolean;
  /** It had not ended when the drain was over. */
  unfinished: boolean;
  scheduledMs: number;
  /** Of the answer: its last token, or its end where it does not stream. */
  endMs: number;
  /** Sent − scheduled; absent of what was never sent. */
  lagMs?: number;
  /** As users feel it: from scheduled. The first one is absent without streaming. */
  ttftMs?: number;
  e2eMs: number;
  tpotMs?: number;
  /** Output tokens, as the server counted them. */
  tokensOut?: number;
  /** On the first record of a window. */
  about?: LoadWindow;
}

const NS_PER_MS = 1e6;

export function loadRequest(record: ResultRecord): LoadRequest {
  const { t_ns: t, tokens, status } = record;
  const { tpotMs } = timesOf(record);
  const endNs = t.last_token ?? t.done;
  const neverSent = record.tries.length === 0;
  return {
    window: windowOf(record.ordinal),
    answered: isAnswered(status),
    unfinished: record.error?.class === "unfinished",
    scheduledMs: t.scheduled / NS_PER_MS,
    endMs: endNs / NS_PER_MS,
    ...(!neverSent && { lagMs: (t.sent - t.scheduled) / NS_PER_MS }),
    ...(t.first_token !== undefined && { ttftMs: (t.first_token - t.scheduled) / NS_PER_MS }),
    e2eMs: (endNs - t.scheduled) / NS_PER_MS,
    ...(tpotMs !== undefined && { tpotMs }),
    ...(tokens.out !== undefined && { tokensOut: tokens.out }),
    ...(record.load_window && { about: record.load_window }),
  };
}
