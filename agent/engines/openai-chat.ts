/**
 * One chat at a server with the OpenAI API, as timed events: OpenAI itself, and every server that speaks as it does. Always
 * streamed, always with usage. The official client builds requests and reads events; retries, timeouts, headers and errors
 * are ours.
 *
 * 1. The first chunk has only a role and is no token; the usage comes in a last chunk without choices.
 * 2. A stream that ends with neither a finish reason nor `[DONE]` was cut, and so was one whose finish reason says that it was
 *    broken off: an error, not a short answer.
 */
import OpenAI, { APIError } from "openai";
import type {
  ChatCompletionChunk,
  ChatCompletionContentPart,
  ChatCompletionCreateParamsStreaming,
} from "openai/resources/chat/completions";
import type { Finish, TokenCounts } from "../../shared/benchmark/record.js";
import { asking } from "./asking.js";
import { type ChatAddress, EngineError, type EngineEvent, type InferenceRequest } from "./engine.js";
import { exchange } from "./exchange.js";
import { type Call, type CallMarks, fetchFor, garbage, redacted, SSE_DONE } from "./http.js";
import { serverError } from "./server-errors.js";

/** A server to talk to: everything of a call but what differs from one to the next. */
export interface ChatServer extends Omit<Call, "signal" | "expect" | "statusError"> {
  /** Such as http://127.0.0.1:8000/v1, without a slash at the end. */
  url: string;
}

export const OPENAI_ITSELF = /^https:\/\/api\.openai\.com(\/|$)/;
/** What of the suite's settings such a server gets. */
export const CHAT_SETTINGS = ["temperature", "max_tokens", "top_p", "seed", "stop"];
/** The client's own timeout is switched off by the longest that a timer takes; the caller's signal decides. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

/** Names of the models it serves, sorted. Throws EngineError; `not_found` when it has no such list. */
export async function servedModels(server: ChatServer, signal: AbortSignal): Promise<string[]> {
  const page = await asking(callOf(server, "json", signal), (call) =>
    clientFor(server.url, fetchFor(call, { tail: "" })).models.list(),
  );
  return page.data.map((m) => m.id).sort();
}

/** One try of one sample. `settings`: more of the request's body, by the server's own names. */
export async function* chat(
  server: ChatServer,
  model: string,
  request: InferenceRequest,
  signal: AbortSignal,
  settings: object = {},
): AsyncGenerator<EngineEvent> {
  const call = callOf(server, "sse", signal);
  const { where } = server;
  const marks: CallMarks = { tail: "" };
  const answer = new Answer(model, server);
  const body = { ...chatRequest(server.url, model, request), ...settings };
  const translate = (error: unknown): EngineError | undefined => {
    if (error instanceof SyntaxError) return garbage(call, "sent an event that is not JSON", error.message);
    // Errors inside a stream; those with a status were made by our fetch and are found as its cause.
    if (error instanceof APIError && error.cause === undefined && error.error !== undefined) {
      return serverError(where, undefined, error.error);
    }
    return undefined;
  };
  const events = exchange(
    call,
    marks,
    (fetchOnce) => clientFor(server.url, fetchOnce).chat.completions.create(body),
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
  yield answer.done(server.clock.nowNs(), server.secret);
}

/** The same chat for a load generator, which sends it itself. */
export const chatAddress = (
  { url, headers }: Pick<ChatServer, "url" | "headers">,
  model: string,
  more: { settings?: (request: InferenceRequest) => object; fixesLength: boolean },
): ChatAddress => ({
  ...{ url: `${url}/chat/completions`, headers },
  body(request, outputTokens) {
    const generation = outputTokens === undefined ? {} : { max_tokens: outputTokens };
    const asked = { ...request, generation: { ...request.generation, ...generation } };
    return {
      ...chatRequest(url, model, asked),
      ...more.settings?.(asked),
      // vLLM and SGLang know it; others ignore what they do not know.
      ...(outputTokens !== undefined && more.fixesLength && { ignore_eos: true }),
    };
  },
});

const callOf = (server: ChatServer, expect: Call["expect"], signal: AbortSignal): Call => ({
  ...server,
  ...{ expect, signal },
  statusError: (status, body, retryAfterMs) => serverError(server.where, status, body, retryAfterMs),
});

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
  private servedAs = "";

  constructor(
    private readonly asked: string,
    private readonly from: Pick<ChatServer, "where" | "secret">,
  ) {}

  /** Throws EngineError. */
  *take(chunk: ChatCompletionChunk, tNs: number): Generator<EngineEvent> {
    const { where, secret } = this.from;
    // As older vLLM tells of an error; the client knows only `error`.
    if ((chunk.object as string) === "error") throw redacted(serverError(where, undefined, chunk), secret);
    if (chunk.usage) this.tokens = tokensOf(chunk.usage);
    if (this.servedAs === "" && typeof chunk.model === "string") this.servedAs = chunk.model;
    if ("timings" in chunk) Object.assign(this.server, timingsOf(chunk));
    const choice = chunk.choices?.[0];
    if (choice === undefined) return;
    const { content, refusal } = choice.delta ?? {};
    if (content && typeof content !== "string")
      throw redacted(garbage({ where }, "sent text that is no text", JSON.stringify(content)), secret);
    const reasoning = reasoningOf(choice.delta);
    if (reasoning !== "") yield { kind: "delta", tNs, channel: "reasoning", text: reasoning };
    if (content) {
      this.text += content;
      yield { kind: "delta", tNs, channel: "content", text: content };
    }
    if (refusal) this.refusal += refusal;
    const { finish_reason: reason } = choice;
    if (BROKEN_OFF.has(reason ?? "")) {
      const message = `${where}: the server broke the answer off (finish reason "${reason}"); see its log`;
      throw new EngineError("transient", "broken_off", message);
    }
    if (reason) this.finish = FINISH[reason] ?? "stop";
  }

  done(tNs: number, secret: string | undefined): EngineEvent {
    const finish = this.finish ?? "stop";
    const refused = this.refusal !== "" || finish === "filter";
    const text = this.text === "" ? this.refusal : this.text;
    return {
      ...{ kind: "done", tNs, finish, refused, server: this.server },
      text: secret && text.includes(secret) ? text.replaceAll(secret, "[key]") : text,
      tokens: this.tokens,
      flags: servedAs(this.asked, this.servedAs),
    };
  }
}

/** A provider answers for an alias with a version of it: which one is part of the result. */
export const servedAs = (asked: string, served: string): string[] =>
  served === asked || !/^[A-Za-z0-9._:/@-]{1,128}$/.test(served) ? [] : [`served_as:${served}`];

/** Of `finish_reason`; what is none of these is a stop. */
export const FINISH: { [reason: string]: Finish } = {
  stop: "stop",
  length: "length",
  content_filter: "filter",
  tool_calls: "tool",
  function_call: "tool",
};

/** vLLM and SGLang: abort; vLLM, Mistral and OpenRouter: error; DeepSeek: the last one. */
const BROKEN_OFF: ReadonlySet<string> = new Set(["abort", "error", "insufficient_system_resource"]);

/** `reasoning_content` of vLLM, SGLang, llama.cpp and DeepSeek; `reasoning` of newer vLLM and OpenRouter. */
function reasoningOf(delta: object | undefined): string {
  const fields: { reasoning_content?: unknown; reasoning?: unknown } = delta ?? {};
  const text = fields.reasoning_content || fields.reasoning;
  return typeof text === "string" ? text : "";
}

function tokensOf(usage: NonNullable<ChatCompletionChunk["usage"]>): TokenCounts {
  const reasoning = usage.completion_tokens_details?.reasoning_tokens;
  const cached = usage.prompt_tokens_details?.cached_tokens;
  // Some servers send an empty one, or nulls.
  if (typeof usage.prompt_tokens !== "number" || typeof usage.completion_tokens !== "number")
    return { source: "none" };
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
