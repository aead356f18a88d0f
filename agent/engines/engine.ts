/**
 * Engines: what turns messages into answers. One interface for all of them, so that the attempt runner measures each
 * the same way. An engine reports events with times of the agent's monotonic clock; it never retries (the sample
 * runner does) and never times out by itself except while stopping (the caller's signal does).
 */
import type { Json } from "../../shared/benchmark/json.js";
import type { EngineKind, GenerationSettings, ModelSpec } from "../../shared/benchmark/plan.js";
import type { KnownPrice } from "../../shared/benchmark/prices.js";
import type { Finish, TokenCounts } from "../../shared/benchmark/record.js";

export interface Engine {
  readonly kind: EngineKind;
  /** Whether it can be used now, its version, and the models it could serve. Never throws; takes ≤ 3 s. */
  probe(signal: AbortSignal): Promise<EngineProbe>;
  /**
   * Makes a model ready to answer; idempotent for a loaded one. `options` are the job's engineOptions
   * (engine_config keys that are not generation settings). Throws EngineError.
   */
  prepare(
    model: ModelSpec,
    options: EngineOptions,
    signal: AbortSignal,
    place: EnginePlace,
  ): Promise<PreparedModel>;
  /** Stops children and closes connections; resolves when they are gone. */
  close(): Promise<void>;
}

/** Where a model runs: what the agent has leased for it. Whatever an engine starts sees this and nothing else. */
export interface EnginePlace {
  /** The lease that it runs under; absent without one. Whatever it starts ends with it. */
  lease?: string;
  /** GPUs, or one MIG slice, by UUID; empty: it runs on the CPU, or on a server that is not this agent's. */
  gpus: readonly string[];
  /** The share of the one GPU's memory that was leased; absent where it is the model's alone. */
  memoryBytes?: number;
}

/** The CPU, or a server that is not this agent's. */
export const NO_GPU: EnginePlace = { gpus: [] };

export type EngineOptions = { readonly [key: string]: Json };

export interface EngineProbe {
  version: string;
  /** Model names it can serve, sorted; empty if it cannot say. */
  models: string[];
  /** Why it cannot be used; absent if it can. */
  unavailable?: string;
  /** The same of servers that the agent starts itself for jobs that say on what device, where the engine does both. */
  managed?: EngineProbe;
}

export interface PreparedModel {
  /** As seen, not as wished: goes into every record. */
  readonly identity: { version: string; digest?: string; quant?: string; args: string[] };
  /** It draws nothing at random: the same request has the same answer, whatever temperature and seed say. */
  readonly drawsNothing?: true;
  /** Time the load took; 0 if it was loaded before. */
  readonly loadNs: number;
  /** What every record of this model must say, answered or not: simulated, prompt_ignored, partial_offload. */
  readonly flags: readonly string[];
  /** Names of generation settings and options this engine ignores; reported as "not applied". */
  notApplied(generation: GenerationSettings, options: EngineOptions): string[];
  /**
   * One try of one sample. Yields `sent` first, then deltas if the engine streams, then exactly one `done`.
   * Throws EngineError; a stream that ends without `done` is a bug of the engine module.
   * Aborting `signal` ends this request and no other.
   */
  run(request: InferenceRequest, signal: AbortSignal): AsyncIterable<EngineEvent>;
  /**
   * Of engines with limits: waits for a turn, before each try and outside of its times. Throws EngineError when there will
   * be none, and the signal's reason.
   */
  admit?(request: InferenceRequest, signal: AbortSignal): Promise<Turn>;
  /** What its tokens cost, where that is known. */
  readonly price?: KnownPrice;
  /** For load generators; absent where there is no server with the OpenAI API behind it. */
  load?: LoadTarget;
  unload(): Promise<void>;
  /** True when it will not answer any more and has to be prepared anew; absent: that cannot be. */
  isGone?(): boolean;
}

/** A server to be put under load, asked by another process than this one. */
export interface LoadTarget {
  /** Why it must not be: the operator limits what is sent there, or what it costs. */
  refused?: string;
  /** Most requests at once that the operator allows; absent: as many as asked for. */
  most?: number;
  /** Where chats are posted while `work` runs, which the end of the server ends; throws what ends it. */
  use<T>(signal: AbortSignal, work: (at: ChatAddress, signal: AbortSignal) => Promise<T>): Promise<T>;
}

export interface ChatAddress {
  url: string;
  /** Credentials among them. */
  headers: { [name: string]: string };
  /** What asks this, as JSON. `outputTokens`: the answer is to have exactly so many, where the server can do that. */
  body(request: InferenceRequest, outputTokens: number | undefined): object;
}

/** The right to one try. */
export interface Turn {
  /** After the try, whatever came of it; more than once is no error. */
  end(tried: TurnEnd): void;
}

/** What came of it: the answer, or the class of its failure; neither when it was cancelled. */
export interface TurnEnd {
  done?: EngineDone;
  failure?: string;
  retryAfterMs?: number;
  /** Whether anything was sent. */
  sent: boolean;
  /** Whether anything of an answer came. */
  begun?: boolean;
}

export interface InferenceRequest {
  system?: string;
  user: string;
  images: { name: string; mime: string; bytes: Uint8Array }[];
  generation: GenerationSettings;
  options: EngineOptions;
  /** Sample ordinal and repetition; only the simulated engine looks at them. */
  ordinal: number;
  repetition: number;
  /** The expected answer if there is one; only the simulated engine may look at it. */
  target?: string;
}

export type EngineEvent =
  | { kind: "sent"; tNs: number }
  | { kind: "first_byte"; tNs: number }
  | { kind: "delta"; tNs: number; channel: "content" | "reasoning"; text: string }
  | EngineDone;

export interface EngineDone {
  kind: "done";
  tNs: number;
  finish: Finish;
  /** The whole answer; for streaming engines the joined content deltas. */
  text: string;
  /** True if the model refused by a structured signal (a refusal field, a content filter). */
  refused: boolean;
  tokens: TokenCounts;
  /** The server's own figures, in ns where they are times. */
  server: { [key: string]: number };
  flags: string[];
}

/**
 * transient: worth another try; oom: out of memory; engine: anything else; media: a picture that cannot be read; death:
 * the engine's process ended while it worked on this request, which says nothing about the sample yet and ends the attempt.
 */
export type EngineErrorKind = "transient" | "oom" | "engine" | "media" | "death";

export class EngineError extends Error {
  /** Short class for tables, such as connection_refused, bad_status, silent_end, media_broken, child_died. */
  readonly class: string;
  readonly kind: EngineErrorKind;
  /** What the server asked for with Retry-After. */
  readonly retryAfterMs: number | undefined;
  /** What a program said last, 64 KiB at most; its end is in the message. For the log. */
  readonly said: string | undefined;
  constructor(
    kind: EngineErrorKind,
    className: string,
    message: string,
    more: { retryAfterMs?: number; cause?: unknown; said?: string } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "EngineError";
    this.kind = kind;
    this.class = className;
    this.retryAfterMs = more.retryAfterMs;
    this.said = more.said;
  }
}
