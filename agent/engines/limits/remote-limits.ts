/**
 * What a provider and the operator allow an engine to send: so many requests at once and a minute, and so much money a day.
 * All jobs of this agent that use the engine share it.
 *
 * 1. Only requests with the operator's key count towards the money: others are not on the operator's account.
 * 2. What an answer's usage says is what it did cost. A request that was refused with a status or never reached the server
 *    cost nothing. Whatever else was sent and has no usage is counted as the most that it could cost.
 * 3. The most is: a token for each byte of text and PICTURE_TOKENS for each picture, and `max_tokens` of output, or
 *    UNLIMITED_TOKENS where the suite sets none. Only larger pictures or longer answers without `max_tokens` can go beyond
 *    the limit, and only by the requests in flight.
 * 4. Its price is the higher one of the suite's and the table's: a suite cannot talk a price down.
 */
import { LONGEST_PAUSE_MS } from "../../../shared/benchmark/deadline.js";
import type { ModelSpec } from "../../../shared/benchmark/plan.js";
import { costUsd, higherPrice, type KnownPrice, type TokenPrice } from "../../../shared/benchmark/prices.js";
import type { Clock } from "../../../shared/runtime/clock.js";
import type { Disk } from "../../../shared/runtime/disk.js";
import { errorText, SaiError } from "../../../shared/runtime/errors.js";
import { EngineError, type InferenceRequest, type Turn } from "../engine.js";
import { SpendBook } from "./spend-book.js";
import { Turnstile } from "./turnstile.js";

interface RemoteLimitsConfig {
  maxConcurrentRequests?: number | undefined;
  rateLimitPerMinute?: number | undefined;
  /** USD a day (UTC); the file that keeps count of it, and the key of the configuration. */
  spend?: { limitUsd: number; path: string; key: string; disk: Disk } | undefined;
}

/** How a provider is reached, and with what limits. */
export interface RemoteConfig extends RemoteLimitsConfig {
  /** With the API's version, where that belongs to it: http://127.0.0.1:8000/v1. */
  baseUrl?: string | undefined;
  apiKey?: string | undefined;
}

export const PICTURE_TOKENS = 6_000;
export const UNLIMITED_TOKENS = 16_384;
/** Roles and separators of a conversation. */
const FRAME_TOKENS = 100;

export class RemoteLimits {
  private readonly turnstile: Turnstile;
  private readonly book: SpendBook | undefined;

  constructor(
    private readonly config: RemoteLimitsConfig,
    clock: Clock,
  ) {
    const { maxConcurrentRequests = Number.POSITIVE_INFINITY, rateLimitPerMinute, spend } = config;
    this.turnstile = new Turnstile({ atOnce: maxConcurrentRequests, perMinute: rateLimitPerMinute }, clock);
    this.book = spend && new SpendBook({ ...spend, clock });
  }

  /** The price the money is counted by; throws EngineError `no_price` when there is a limit and no price. */
  billedPrice(
    where: string,
    isOwn: boolean,
    suite: ModelSpec["price"],
    listed: KnownPrice | undefined,
  ): TokenPrice | undefined {
    const { spend } = this.config;
    if (spend === undefined || !isOwn) return undefined; // invariant 1
    const said = knownPrice(suite, undefined).price;
    const price = said ? higherPrice(said.price, listed?.price) : listed?.price; // invariant 4
    if (costUsd(price, { in: 0, out: 0, source: "none" }) !== undefined) return price;
    throw new EngineError(
      "engine",
      "no_price",
      `${where}: ${spend.key} limits what is spent, and what this model costs is not known; give it a price in the suite (price: {in_1m, out_1m})`,
    );
  }

  /** What they mean for requests that another process sends, whose turns nobody counts. */
  forLoad(where: string): { refused: string } | { most: number } {
    const { maxConcurrentRequests = Number.POSITIVE_INFINITY, rateLimitPerMinute, spend } = this.config;
    const key = spend?.key ?? (rateLimitPerMinute === undefined ? undefined : "rate_limit_per_minute");
    if (key === undefined) return { most: maxConcurrentRequests };
    const refused = `${where}: ${key} limits what is sent there, and a load would go past it; name the server by base_url, or lift the limit`;
    return { refused };
  }

  /** Waits for a turn. Throws EngineError when the money is spent, and the signal's reason. */
  async admit(
    model: string,
    request: InferenceRequest,
    price: TokenPrice | undefined,
    signal: AbortSignal,
  ): Promise<Turn> {
    const mostUsd = price && costUsd(price, mostTokens(request));
    const reserved =
      mostUsd === undefined ? undefined : await this.book?.reserve(mostUsd, signal).catch(asEngineError);
    let leave: () => void;
    try {
      leave = await this.turnstile.enter(model, signal);
    } catch (error) {
      reserved?.settle(0);
      throw error;
    }
    return {
      end: ({ done, failure, retryAfterMs, sent, begun = false }) => {
        if (retryAfterMs !== undefined) this.turnstile.hold(model, Math.min(LONGEST_PAUSE_MS, retryAfterMs));
        leave();
        const isFree = !sent || (!begun && failure !== undefined && NOT_BILLED.has(failure));
        reserved?.settle(isFree ? 0 : ((done && costUsd(price, done.tokens)) ?? mostUsd ?? 0));
      },
    };
  }

  close(): Promise<void> {
    return this.book?.close() ?? Promise.resolve();
  }
}

/** The suite's price of tokens, else the listed one; nothing where there is neither. */
export function knownPrice(
  suite: ModelSpec["price"],
  listed: KnownPrice | undefined,
): { price?: KnownPrice } {
  const says = suite?.in_1m !== undefined || suite?.out_1m !== undefined;
  if (suite && says) return { price: { price: suite, source: "suite" } };
  return listed ? { price: listed } : {};
}

/** Failures with a status or without a connection; some may also come in mid-answer, when tokens were made. */
const NOT_BILLED: ReadonlySet<string> = new Set([
  ...["rate_limited", "overloaded", "quota_exhausted", "unauthorized", "not_found", "bad_status"],
  "context_overflow",
  ...["connection_refused", "host_not_found", "unreachable", "connect_timeout"],
]);

function mostTokens({ system = "", user, images, generation }: InferenceRequest) {
  const text = Buffer.byteLength(system) + Buffer.byteLength(user);
  const input = text + images.length * PICTURE_TOKENS + FRAME_TOKENS;
  return { in: input, out: generation.max_tokens ?? UNLIMITED_TOKENS, source: "none" as const };
}

function asEngineError(error: unknown): never {
  if (!(error instanceof SaiError)) throw error;
  throw new EngineError("transient", "spend_not_noted", errorText(error), { cause: error });
}
