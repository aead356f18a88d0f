/**
 * What a load generator and its agent tell each other, as lines of JSON: one plan in, one `began` and, when all is over,
 * everything that was seen. During a window it says nothing: writing to a pipe that is full would stop its clock.
 */

export const GENERATOR_PROTOCOL = 1;

/** To the generator, once; the end of its input ends it. */
export interface GeneratorPlan {
  v: typeof GENERATOR_PROTOCOL;
  /** Where chats are posted: `http://127.0.0.1:8000/v1/chat/completions`. */
  url: string;
  /** Credentials among them. */
  headers: { [name: string]: string };
  /** Bodies by item; request i sends that of item i modulo their number. */
  bodies: BodyParts[];
  /** Words that each request begins with, followed by its number; absent: none. */
  bust?: string;
  /** Requests that are sent before the window, and thrown away. */
  warmup: number;
  flow: { kind: "closed"; atOnce: number } | { kind: "open"; atMs: number[]; maxInflight: number };
  durationMs: number;
  drainMs: number;
  /** For one request from when it is sent, ms. */
  timeoutMs: number;
  maxRequests: number;
}

/** A body around the place where words of its own may begin the prompt. */
export interface BodyParts {
  head: string;
  tail: string;
}

export type FromGenerator =
  /** The window begins. */
  | { event: "began" }
  /** In order of their numbers. */
  | { event: "requests"; requests: RequestSeen[] }
  | { event: "over"; window: WindowSeen }
  /** The plan cannot be carried out. */
  | { event: "failed"; message: string };

/** One request; times in ns since the window began, of the generator's monotonic clock. */
export interface RequestSeen {
  n: number;
  scheduledNs: number;
  /** Absent when it was still waiting at the end of the drain. */
  sentNs?: number;
  firstByteNs?: number;
  /** Of the first delta that is not empty; of the first that is no reasoning; of the last. */
  firstTokenNs?: number;
  firstOutputNs?: number;
  lastTokenNs?: number;
  endNs: number;
  chunks: number;
  usage?: { in?: number; out?: number; reasoning?: number; cached?: number };
  finish?: string;
  /** By a structured signal. */
  refused?: true;
  servedAs?: string;
  failure?: RequestFailure;
}

export type RequestFailure =
  | { kind: "status"; status: number; body: string }
  /** An error object inside of the stream, as JSON. */
  | { kind: "told"; error: string }
  | { kind: "network"; code: string; message: string }
  /** The stream ended without its end, or is none. */
  | { kind: "cut" }
  | { kind: "garbage"; message: string }
  | { kind: "timeout" }
  /** It had not ended when the drain was over. */
  | { kind: "unfinished" };

export interface WindowSeen {
  /** Wall clock, ms since 1970. */
  beganWallMs: number;
  /** The beginning on CLOCK_MONOTONIC, ns, as text: for who shares that clock. */
  beganMonotonicNs: string;
  /** In which requests were scheduled. */
  ms: number;
  drainedMs: number;
  peakInflight: number;
  loopLagP99Ms: number;
}
