/**
 * Any server with the OpenAI chat API: vLLM, SGLang, TGI, llama.cpp, LocalAI, OpenAI itself. Always streamed, always
 * with usage. The official client builds requests and reads events; retries, timeouts, headers and errors are ours.
 *
 * 1. The operator's key goes to the operator's server only, never to a `base_url` of a suite.
 * 2. The first chunk has only a role and is no token; the usage comes in a last chunk without choices.
 * 3. A stream that ends with neither a finish reason nor `[DONE]` was cut: an error, not a short answer.
 */
import OpenAI, { APIError } from "openai";
import type {
  ChatCompletionChunk,
  ChatCompletionContentPart,
  ChatCompletionCreateParamsStreaming,
} from "openai/resources/chat/completions";
import type { ModelSpec } from "../../shared/benchmark/plan.js";
import type { Finish, TokenCounts } from "../../shared/benchmark/record.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import { type BaseUrl, baseUrlOf } from "./base-url.js";
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
import {
  asEngineError,
  type Call,
  type CallMarks,
  connectionPool,
  fetchFor,
  garbage,
  SSE_DONE,
} from "./http.js";
import { notApplied } from "./not-applied.js";
import { serverError } from "./server-errors.js";

export interface OpenAiConfig {
  /** Such as http://127.0.0.1:8000/v1. */
  baseUrl?: string | undefined;
  apiKey?: string | undefined;
}

interface Parts {
  clock: Clock;
  /** Silence of an answer's body after which it is given up, ms. */
  stallMs: number;
}

const SUPPORTED = ["temperature", "max_tokens", "top_p", "seed", "stop", "base_url"];
const OPENAI_ITSELF = /^https:\/\/api\.openai\.com(\/|$)/;
/** The client's own timeout is switched off by the longest that a timer takes; the caller's signal decides. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

export function createOpenAiEngine(config: OpenAiConfig, parts: Parts): Engine {
  const pool = connectionPool(parts.stallMs);
  const { clock } = parts;

  const callOf = (base: BaseUrl, where: string, expect: Call["expect"], signal: AbortSignal): Call => ({
    ...{ pool, clock, signal, where, expect },
    headers: base.configured && config.apiKey ? { authorization: `Bearer ${config.apiKey}` } : {},
    statusError: (status, body, retryAfterMs) => redacted(serverError(where, status, body, retryAfterMs)),
  });

  /** Servers like to quote the key they refuse. */
  function redacted(error: EngineError): EngineError {
    if (config.apiKey) error.message = error.message.replaceAll(config.apiKey, "[key]");
    return error;
  }

  async function models(base: BaseUrl, where: string, signal: AbortSignal): Promise<string[]> {
    const call = callOf(base, where, "json", signal);
    try {
      const page = await clientFor(base.url, fetchFor(call, { tail: "" })).models.list();
      return page.data.map((m) => m.id).sort();
    } catch (error) {
      throw asEngineError(error, call);
    }
  }

  async function probe(signal: AbortSignal): Promise<EngineProbe> {
    const unavailable = (why: string) => ({ version: "", models: [], unavailable: why });
    if (config.baseUrl === undefined || config.baseUrl === "")
      return unavailable("no base URL is configured");
    if (OPENAI_ITSELF.test(config.baseUrl) && !config.apiKey) return unavailable("no API key is configured");
    try {
      const base = { url: config.baseUrl.replace(/\/+$/, ""), configured: true };
      return { version: "", models: await models(base, `OpenAI-compatible server at ${base.url}`, signal) };
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
    const where = `OpenAI-compatible server at ${base.url}, model ${model.model}`;
    const served = await models(base, where, signal).catch((error: unknown) => {
      // Not every compatible server lists its models; the first request will tell.
      if (error instanceof EngineError && error.class === "not_found") return undefined;
      throw error;
    });
    if (served !== undefined && !served.includes(model.model)) {
      const some = served.slice(0, 10).join(", ");
      throw new EngineError(
        "engine",
        "model_missing",
        `${where}: the server does not serve it; it serves: ${some}`,
      );
    }
    return {
      identity: {
        version: "",
        ...(model.quant === undefined ? {} : { quant: model.quant }),
        args: [`base_url=${base.url}`],
      },
      loadNs: 0,
      flags: [],
      notApplied: (generation, given) => notApplied(generation, given, SUPPORTED),
      run: (request, requestSignal) => run(base, where, model.model, request, requestSignal),
      // The server decides about its models.
      unload: async () => {},
    };
  }

  async function* run(
    base: BaseUrl,
    where: string,
    model: string,
    request: InferenceRequest,
    signal: AbortSignal,
  ): AsyncGenerator<EngineEvent> {
    const call = callOf(base, where, "sse", signal);
    const marks: CallMarks = { tail: "" };
    const answer = new Answer();
    const body = chatRequest(base.url, model, request);
    const translate = (error: unknown): EngineError | undefined => {
      if (error instanceof SyntaxError) return garbage(call, "sent an event that is not JSON", error.message);
      // Errors inside a stream; those with a status were made by our fetch and are found as its cause.
      if (error instanceof APIError && error.cause === undefined && error.error !== undefined) {
        return redacted(serverError(where, undefined, error.error));
      }
      return undefined;
    };
    const events = exchange(
      call,
      marks,
      (fetchOnce) => clientFor(base.url, fetchOnce).chat.completions.create(body),
      translate,
    );
    for await (const event of events) {
      if (event.kind === "chunk") yield* answer.take(event.chunk, event.tNs);
      else yield event;
    }
    if (answer.finish === undefined && !SSE_DONE.test(marks.tail)) {
      const message = `${where}: the answer ended with neither a finish reason nor [DONE]; the server may have crashed, see its log`;
      throw new EngineError("transient", "silent_end", message);
    }
    yield answer.done(clock.nowNs());
  }

  return { kind: "openai", probe, prepare, close: () => pool.destroy() };
}

/** A client that takes nothing from the environment: what it would add, our fetch drops. */
const clientFor = (baseURL: string, fetchOnce: typeof fetch): OpenAI =>
  new OpenAI({
    ...{ baseURL, apiKey: "unused", adminAPIKey: null, organization: null, project: null },
    ...{ fetch: fetchOnce, maxRetries: 0, timeout: NO_TIMEOUT_MS, logLevel: "off" },
  });

function chatRequest(
  baseUrl: string,
  model: string,
  request: InferenceRequest,
): ChatCompletionCreateParamsStreaming {
  const g = request.generation;
  const images: ChatCompletionContentPart[] = request.images.map((image) => ({
    type: "image_url",
    image_url: { url: `data:${image.mime};base64,${Buffer.from(image.bytes).toString("base64")}` },
  }));
  const limit = OPENAI_ITSELF.test(baseUrl) ? "max_completion_tokens" : "max_tokens";
  return {
    model,
    messages: [
      ...(request.system === undefined ? [] : [{ role: "system" as const, content: request.system }]),
      {
        role: "user",
        content: images.length === 0 ? request.user : [...images, { type: "text", text: request.user }],
      },
    ],
    stream: true,
    stream_options: { include_usage: true },
    ...(g.temperature === undefined ? {} : { temperature: g.temperature }),
    ...(g.max_tokens === undefined ? {} : { [limit]: g.max_tokens }),
    ...(g.top_p === undefined ? {} : { top_p: g.top_p }),
    ...(g.seed === undefined ? {} : { seed: g.seed }),
    ...(g.stop === undefined ? {} : { stop: g.stop }),
  };
}

/** An answer as it grows. */
class Answer {
  finish: Finish | undefined;
  private text = "";
  private refusal = "";
  private tokens: TokenCounts = { source: "none" };
  private server: { [key: string]: number } = {};

  *take(chunk: ChatCompletionChunk, tNs: number): Generator<EngineEvent> {
    if (chunk.usage) this.tokens = tokensOf(chunk.usage);
    Object.assign(this.server, timingsOf(chunk));
    const choice = chunk.choices?.[0];
    if (choice === undefined) return;
    const { content, refusal } = choice.delta ?? {};
    const reasoning = reasoningOf(choice.delta);
    if (reasoning !== "") yield { kind: "delta", tNs, channel: "reasoning", text: reasoning };
    if (content) {
      this.text += content;
      yield { kind: "delta", tNs, channel: "content", text: content };
    }
    if (refusal) this.refusal += refusal;
    if (choice.finish_reason) this.finish = FINISH[choice.finish_reason] ?? "stop";
  }

  done(tNs: number): EngineEvent {
    const finish = this.finish ?? "stop";
    const refused = this.refusal !== "" || finish === "filter";
    return {
      ...{ kind: "done", tNs, finish, refused, server: this.server },
      text: this.text === "" ? this.refusal : this.text,
      tokens: this.tokens,
      flags: [],
    };
  }
}

const FINISH: { [reason: string]: Finish } = {
  stop: "stop",
  length: "length",
  content_filter: "filter",
  tool_calls: "tool",
  function_call: "tool",
};

/** `reasoning_content` of vLLM, SGLang, llama.cpp and DeepSeek; `reasoning` of newer vLLM and OpenRouter. */
function reasoningOf(delta: object | undefined): string {
  const fields: { reasoning_content?: unknown; reasoning?: unknown } = delta ?? {};
  const text = fields.reasoning_content ?? fields.reasoning;
  return typeof text === "string" ? text : "";
}

function tokensOf(usage: NonNullable<ChatCompletionChunk["usage"]>): TokenCounts {
  const reasoning = usage.completion_tokens_details?.reasoning_tokens;
  const cached = usage.prompt_tokens_details?.cached_tokens;
  return {
    ...{ in: usage.prompt_tokens, out: usage.completion_tokens, source: "server" },
    ...(typeof reasoning === "number" ? { reasoning } : {}),
    ...(typeof cached === "number" ? { cached } : {}),
  };
}

/** Figures of llama.cpp's server, which come in ms. */
function timingsOf(chunk: object): { [key: string]: number } {
  const { timings } = chunk as { timings?: { prompt_ms?: unknown; predicted_ms?: unknown } };
  const ns = (ms: unknown) => (typeof ms === "number" ? Math.round(ms * 1e6) : undefined);
  const prompt = ns(timings?.prompt_ms);
  const evaluated = ns(timings?.predicted_ms);
  return {
    ...(prompt === undefined ? {} : { prompt_ns: prompt }),
    ...(evaluated === undefined ? {} : { eval_ns: evaluated }),
  };
}
