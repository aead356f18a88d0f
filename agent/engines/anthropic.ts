/**
 * Anthropic's Messages API, always streamed. The official client builds requests and reads events; retries, timeouts,
 * headers, limits and errors are ours.
 *
 * 1. The operator's key goes to the operator's server only, never to a `base_url` of a suite, and stands in no error.
 * 2. The API wants a `max_tokens`; where the suite sets none it is DEFAULT_MAX_TOKENS, and the record says so.
 * 3. A stream that ends with neither a stop reason nor `message_stop` was cut: an error, not a short answer.
 */
import Anthropic, { APIError } from "@anthropic-ai/sdk";
import type {
  Base64ImageSource,
  ImageBlockParam,
  MessageCreateParamsStreaming,
} from "@anthropic-ai/sdk/resources/messages";
import type { ModelSpec } from "../../shared/benchmark/plan.js";
import { listPrice } from "../../shared/benchmark/prices.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import { Answer, isEnd } from "./anthropic-answer.js";
import { asking } from "./asking.js";
import { baseUrlOf } from "./base-url.js";
import {
  type Engine,
  EngineError,
  type EngineEvent,
  type EngineOptions,
  type EngineProbe,
  type InferenceRequest,
  type PreparedModel,
} from "./engine.js";
import { exchange } from "./exchange.js";
import { type Call, type CallMarks, connectionPool, fetchFor, garbage } from "./http.js";
import { knownPrice, type RemoteConfig, RemoteLimits } from "./limits/remote-limits.js";
import { notApplied } from "./not-applied.js";
import { serverError } from "./server-errors.js";

const API_VERSION = "2023-06-01";
const DEFAULT_MAX_TOKENS = 4096;
const ANTHROPIC_ITSELF = /^https:\/\/api\.anthropic\.com(\/|$)/;
const SUPPORTED = ["temperature", "max_tokens", "top_p", "top_k", "stop", "base_url"];
const PICTURES = ["image/jpeg", "image/png", "image/gif", "image/webp"];
/** The client's own timeout is switched off by the longest that a timer takes; the caller's signal decides. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

interface Parts {
  clock: Clock;
  /** Silence of an answer's body after which it is given up, ms; the server pings while it thinks. */
  stallMs: number;
}

/** A server to talk to: everything of a call but what differs from one to the next. */
interface Server extends Omit<Call, "signal" | "expect" | "statusError"> {
  url: string;
}

export function createAnthropicEngine(config: RemoteConfig, parts: Parts): Engine {
  const pool = connectionPool(parts.stallMs);
  const { clock } = parts;
  const limits = new RemoteLimits(config, clock);

  const serverAt = (url: string, isOwn: boolean): Server => ({
    ...{ pool, clock, url },
    where: `Anthropic API at ${url}`,
    headers: {
      "anthropic-version": API_VERSION,
      ...(isOwn && config.apiKey ? { "x-api-key": config.apiKey } : {}),
    },
    secret: isOwn ? config.apiKey : undefined,
    isLast: isEnd,
  });

  async function probe(signal: AbortSignal): Promise<EngineProbe> {
    const unavailable = (why: string) => ({ version: "", models: [], unavailable: why });
    const url = config.baseUrl?.replace(/\/+$/, "") ?? "";
    if (url === "") return unavailable("no base URL is configured");
    if (ANTHROPIC_ITSELF.test(url) && !config.apiKey) return unavailable("no API key is configured");
    try {
      await askingClient(serverAt(url, true), signal, (client) => client.models.list({ limit: 1 }));
      // It answers to aliases, too, which no list has: whether it has a model is asked when it is prepared.
      return { version: API_VERSION, models: [] };
    } catch (error) {
      return unavailable(errorText(error));
    }
  }

  async function prepare(
    model: ModelSpec,
    options: EngineOptions,
    signal: AbortSignal,
  ): Promise<PreparedModel> {
    const base = baseUrlOf({ ...options, ...model.options }, config.baseUrl);
    const server = serverAt(base.url, base.configured);
    server.where += `, model ${model.model}`;
    const listed = ANTHROPIC_ITSELF.test(base.url) ? listPrice("anthropic", model.model) : undefined;
    const billed = limits.billedPrice(server.where, base.configured, model.price, listed);
    await askingClient(server, signal, (client) => client.models.retrieve(model.model)).catch(
      (error: unknown) => {
        // Not every server with this API can be asked; the first request will tell.
        if (!(error instanceof EngineError && error.class === "not_found")) throw error;
      },
    );
    return {
      identity: { version: API_VERSION, args: [`base_url=${base.url}`] },
      loadNs: 0,
      flags: [],
      ...knownPrice(model.price, listed),
      notApplied: (generation, given) => notApplied(generation, given, SUPPORTED),
      run: (request, requestSignal) => message(server, model.model, request, requestSignal),
      // Another server's turns are none of the operator's.
      ...(base.configured && {
        admit: (request, requestSignal) =>
          limits.admit(model.model, withLimit(request), billed, requestSignal),
      }),
      unload: async () => {},
    };
  }

  return {
    kind: "anthropic",
    probe,
    prepare,
    close: async () => {
      await limits.close();
      await pool.destroy();
    },
  };
}

/** One try of one sample. */
async function* message(
  server: Server,
  model: string,
  request: InferenceRequest,
  signal: AbortSignal,
): AsyncGenerator<EngineEvent> {
  const call = callOf(server, "sse", signal);
  const { where } = server;
  const marks: CallMarks = { tail: "" };
  const isDefault = request.generation.max_tokens === undefined;
  const answer = new Answer(model, isDefault ? [`max_tokens_default:${DEFAULT_MAX_TOKENS}`] : []);
  const body = messageRequest(where, model, withLimit(request));
  const translate = (error: unknown): EngineError | undefined => {
    if (error instanceof SyntaxError) return garbage(call, "sent an event that is not JSON", error.message);
    // Errors inside a stream; those with a status were made by our fetch and are found as its cause.
    if (error instanceof APIError && error.cause === undefined && error.error !== undefined) {
      return serverError(where, undefined, error.error);
    }
    return undefined;
  };
  const open = (fetchOnce: typeof fetch) => clientFor(server.url, fetchOnce).messages.create(body);
  for await (const event of exchange(call, marks, open, translate)) {
    if (event.kind === "chunk") yield* answer.take(event.chunk, event.tNs);
    else yield event;
  }
  if (!answer.isWhole) {
    const text = `${where}: the answer ended with neither a stop reason nor message_stop; the connection may have been cut`;
    throw new EngineError("transient", "silent_end", text);
  }
  yield answer.done(server.clock.nowNs(), server.secret);
}

const askingClient = (
  server: Server,
  signal: AbortSignal,
  ask: (client: Anthropic) => PromiseLike<unknown>,
): Promise<unknown> =>
  asking(callOf(server, "json", signal), (call) => ask(clientFor(server.url, fetchFor(call, { tail: "" }))));

const callOf = (server: Server, expect: Call["expect"], signal: AbortSignal): Call => ({
  ...server,
  ...{ expect, signal },
  statusError: (status, body, retryAfterMs) => {
    const error = serverError(server.where, status, body, retryAfterMs);
    const isModel =
      status === 404 && (body as { error?: { type?: unknown } })?.error?.type === "not_found_error";
    return isModel
      ? new EngineError("engine", "model_missing", `${error.message}; check the model's name`)
      : error;
  },
});

/** A client that takes nothing from the environment: what it would add, our fetch drops. */
const clientFor = (baseURL: string, fetchOnce: typeof fetch): Anthropic =>
  new Anthropic({
    ...{ baseURL, apiKey: "unused", fetch: fetchOnce },
    ...{ maxRetries: 0, timeout: NO_TIMEOUT_MS, logLevel: "off" },
  });

/** Invariant 2. */
const withLimit = (request: InferenceRequest): InferenceRequest => ({
  ...request,
  generation: { ...request.generation, max_tokens: request.generation.max_tokens ?? DEFAULT_MAX_TOKENS },
});

function messageRequest(
  where: string,
  model: string,
  { system, user, images, generation: g }: InferenceRequest,
): MessageCreateParamsStreaming {
  const pictures = images.map(({ name, mime, bytes }): ImageBlockParam => {
    if (!PICTURES.includes(mime)) {
      const takes = PICTURES.map((one) => one.slice("image/".length)).join(", ");
      throw new EngineError("media", "media_unsupported", `${where}: ${name} is ${mime}; it takes ${takes}`);
    }
    const media_type = mime as Base64ImageSource["media_type"];
    return {
      type: "image",
      source: { type: "base64", media_type, data: Buffer.from(bytes).toString("base64") },
    };
  });
  return {
    model,
    max_tokens: g.max_tokens ?? DEFAULT_MAX_TOKENS,
    ...(system === undefined ? {} : { system }),
    messages: [
      { role: "user", content: pictures.length === 0 ? user : [...pictures, { type: "text", text: user }] },
    ],
    stream: true,
    ...(g.temperature === undefined ? {} : { temperature: g.temperature }),
    ...(g.top_p === undefined ? {} : { top_p: g.top_p }),
    ...(g.top_k === undefined ? {} : { top_k: g.top_k }),
    ...(g.stop === undefined ? {} : { stop_sequences: g.stop }),
  };
}
