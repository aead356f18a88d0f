/**
 * The benchmark's arithmetic, apart from all clocks.
 *
 * The TTFT error of a request is what the client measured, first text − sent, minus what the server did, first text
 * written − request received. Both are differences on one process's clock, so no two clocks are compared: the error is
 * the two ways through the loopback, and everything the client does before and after.
 */
import { percentile } from "../../shared/benchmark/statistics/percentiles.js";

/** A request as its client saw it; monotonic ns of the client. */
export interface Seen {
  sentNs: number;
  firstNs: number;
  doneNs: number;
}

/** The same request as the server saw it; monotonic ns of the server. */
export interface Served {
  receivedNs: number;
  firstWriteNs: number;
}

/** One request from both ends. */
export interface Request {
  seen: Seen;
  served: Served;
}

/** A campaign's walls, ms; `bench` is the process that submitted. */
export interface CampaignWalls {
  /** Submit call → terminal state known to the submitter. */
  toTerminalMs: number;
  /** Submit call → last sample done. */
  toLastDoneMs: number;
  /** First request sent → last sample done. */
  streamingMs: number;
}

export interface Pair {
  campaign: { walls: CampaignWalls; errorsMs: number[] };
  bare: { wallMs: number; errorsMs: number[] };
}

export interface Spread {
  median: number;
  min: number;
  max: number;
}

export interface Figures {
  /** Campaign ÷ bare loop, per pair. */
  wallRatio: { toTerminal: Spread; toLastDone: Spread; streaming: Spread };
  wallMs: { toTerminal: Spread; toLastDone: Spread; streaming: Spread; bare: Spread };
  /** Over all requests of all pairs. */
  ttftErrorMs: { campaign: Percentiles; bare: Percentiles };
  /** Campaign − bare loop, per pair. */
  ttftErrorDifferenceMs: { p50: Spread; p99: Spread };
}

interface Percentiles {
  p50: number;
  p99: number;
}

const inMs = (ns: number): number => ns / 1e6;

/** TTFT error of each request, ms. */
export const ttftErrorsMs = (requests: readonly Request[]): number[] =>
  requests.map(({ seen, served }) =>
    inMs(seen.firstNs - seen.sentNs - (served.firstWriteNs - served.receivedNs)),
  );

/**
 * Walls of a campaign whose requests carry the agent's clock, which starts with the agent. The server's clock is the
 * submitter's, and a request is received after it was sent: the smallest difference between the two bounds the offset
 * of the agent's clock, late by no more than the fastest request took to arrive.
 */
export function campaignWalls(
  requests: readonly Request[],
  submittedNs: number,
  terminalNs: number,
): CampaignWalls {
  const offsetNs = Math.min(...requests.map(({ seen, served }) => served.receivedNs - seen.sentNs));
  const firstSentNs = Math.min(...requests.map(({ seen }) => seen.sentNs));
  const lastDoneNs = Math.max(...requests.map(({ seen }) => seen.doneNs));
  return {
    toTerminalMs: inMs(terminalNs - submittedNs),
    toLastDoneMs: inMs(lastDoneNs + offsetNs - submittedNs),
    streamingMs: inMs(lastDoneNs - firstSentNs),
  };
}

/** Medians and ranges of the pairs; at least one pair. */
export function figuresOf(pairs: readonly Pair[]): Figures {
  const walls = (key: keyof CampaignWalls) => spread(pairs.map((pair) => pair.campaign.walls[key]));
  const ratio = (key: keyof CampaignWalls) =>
    spread(pairs.map((pair) => pair.campaign.walls[key] / pair.bare.wallMs));
  const pooled = (side: "campaign" | "bare") => percentiles(pairs.flatMap((pair) => pair[side].errorsMs));
  const difference = (key: keyof Percentiles) =>
    spread(
      pairs.map(
        ({ campaign, bare }) => percentiles(campaign.errorsMs)[key] - percentiles(bare.errorsMs)[key],
      ),
    );
  return {
    wallRatio: {
      toTerminal: ratio("toTerminalMs"),
      toLastDone: ratio("toLastDoneMs"),
      streaming: ratio("streamingMs"),
    },
    wallMs: {
      toTerminal: walls("toTerminalMs"),
      toLastDone: walls("toLastDoneMs"),
      streaming: walls("streamingMs"),
      bare: spread(pairs.map((pair) => pair.bare.wallMs)),
    },
    ttftErrorMs: { campaign: pooled("campaign"), bare: pooled("bare") },
    ttftErrorDifferenceMs: { p50: difference("p50"), p99: difference("p99") },
  };
}

function percentiles(values: readonly number[]): Percentiles {
  const sorted = [...values].sort((a, b) => a - b);
  return { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99) };
}

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: percentile(sorted, 0.5), min: percentile(sorted, 0), max: percentile(sorted, 1) };
}
