/**
 * Load: what a job measures when the question is how fast a server answers, not how well. One job is one level (so many
 * requests at once, or so many a second), one sample of it one window, one record one request.
 *
 *     closed loop (concurrency): a request begins when a slot is free; `scheduled` is when it became free
 *     open loop (constant, poisson, sweep, trace): a request begins at its time, whatever the server does
 *
 * 1. In an open loop the arrivals are known before anything is sent; a server that is slow moves none of them.
 * 2. The measured set is what was scheduled within the window; it may still end in the drain that follows.
 */

export const LOAD_KINDS = ["concurrency", "constant", "poisson", "sweep", "trace"] as const;
export type LoadKind = (typeof LOAD_KINDS)[number];

/** The `load` of a job. */
export interface LoadSpec {
  kind: LoadKind;
  /** Requests at once; requests a second; for a trace, how many times as fast as it was recorded. */
  value: number;
  durationMs: number;
  /** How long requests of the window may still take after its end. */
  drainMs: number;
  /** Open loop: more than so many at once wait. */
  maxInflight: number;
  /** Each request begins with words of its own, so that no prefix of it can be cached. */
  bustsCache: boolean;
  /** Of random arrivals; repetition r has seed + r. */
  seed: number;
  slo: Slo;
}

/** What an answer must keep to count as good, ms. */
export interface Slo {
  ttftMs?: number;
  tpotMs?: number;
  e2eMs?: number;
}

export const isOpenLoop = ({ kind }: Pick<LoadSpec, "kind">): boolean => kind !== "concurrency";

/** Most requests of one window: they are kept in memory, and are one records file. */
export const MOST_REQUESTS = 100_000;
/** Window w has the ordinals from w × this on. */
const ORDINALS_A_WINDOW = 1_000_000;

export const ordinalOf = (window: number, request: number): number => window * ORDINALS_A_WINDOW + request;
export const windowOf = (ordinal: number): number => Math.floor(ordinal / ORDINALS_A_WINDOW);
export const requestOf = (ordinal: number): number => ordinal % ORDINALS_A_WINDOW;

/** Words for a level: `32 at once`, `4/s`, `trace × 2`. */
export function levelText({ kind, value }: { kind: string; value: number }): string {
  const level = Number.isFinite(value) ? value : "?"; // a summary may come from anywhere
  if (kind === "concurrency") return `${level} at once`;
  return kind === "trace" ? `trace × ${level}` : `${level}/s`;
}
