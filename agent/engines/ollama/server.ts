/**
 * One Ollama server, whoever runs it, as both modes ask it. Traps of it and of its client, and what is done about them:
 *
 * 1. The client aborts all its streams at once and none before headers: one client a request, with a fetch of our own.
 * 2. Loading can take minutes without a byte: no header timeout; models are preloaded with an empty prompt.
 * 3. A 200 can be followed by an `{"error"}` line, and a stream can end without its last message: both are errors.
 * 4. A picture given as text may be read as a file name: pictures are given as bytes only.
 * 5. A prompt over the context is cut silently: `truncate: false` makes it an error where the server knows the key.
 */
import { type ModelResponse, Ollama } from "ollama";
import type { Agent } from "undici";
import type { Clock } from "../../../shared/runtime/clock.js";
import { asking } from "../asking.js";
import { EngineError, type EngineEvent, type EngineOptions, type InferenceRequest } from "../engine.js";
import { exchange } from "../exchange.js";
import { asEngineError, type Call, type CallMarks, fetchFor } from "../http.js";
import { serverError } from "../server-errors.js";
import { chatRequest, doneOf, keepAlive, loadOptions, named } from "./requests.js";

/** A server that does not answer must not hold up the agent's end, ms. */
const UNLOAD_MS = 10_000;

export interface ServerAccess {
  pool: Agent;
  clock: Clock;
}

/** Everything here throws EngineError, or the signal's reason. */
export class OllamaServer {
  constructor(
    readonly url: string,
    /** For messages: `Ollama at http://…, model x`. */
    readonly where: string,
    private readonly access: ServerAccess,
  ) {}

  async version(signal: AbortSignal): Promise<string> {
    return (await this.question(signal, (client) => client.version())).version;
  }

  async models(signal: AbortSignal): Promise<ModelResponse[]> {
    return (await this.question(signal, (client) => client.list())).models;
  }

  /** Undefined when it is not loaded. */
  async running(model: string, signal: AbortSignal): Promise<ModelResponse | undefined> {
    return named((await this.question(signal, (client) => client.ps())).models, model);
  }

  async load(model: string, options: EngineOptions, signal: AbortSignal): Promise<void> {
    const request = { model, prompt: "", stream: false as const, keep_alive: keepAlive(options) };
    await this.ask(signal, (client) => client.generate({ ...request, options: loadOptions(options) }));
  }

  async unload(model: string): Promise<void> {
    const request = { model, prompt: "", stream: false as const, keep_alive: 0 };
    await this.question(new AbortController().signal, (client) => client.generate(request), UNLOAD_MS);
  }

  /** Makes one token. */
  async oneToken(model: string, options: EngineOptions, signal: AbortSignal): Promise<void> {
    const request = { model, prompt: "1", raw: true, stream: false as const, keep_alive: keepAlive(options) };
    await this.ask(signal, (client) =>
      client.generate({ ...request, options: { ...loadOptions(options), num_predict: 1, seed: 1 } }),
    );
  }

  /** Asks the server to fetch a model; tells what it says of its progress. Resolves when the model is there. */
  async pull(
    model: string,
    signal: AbortSignal,
    progress: (status: string, done: number, total: number) => void,
  ): Promise<void> {
    let last: unknown;
    const call = this.streamCall(
      signal,
      () => last === "success",
      "the pull ended without saying `success`; see the server's log",
      (line) => {
        last = line["status"];
      },
    );
    for await (const event of exchange(call, { tail: "" }, (fetchOnce) =>
      new Ollama({ host: this.url, fetch: fetchOnce }).pull({ model, stream: true }),
    )) {
      if (event.kind !== "chunk") continue;
      const { status, completed, total } = event.chunk;
      progress(status, completed ?? 0, total ?? 0);
    }
  }

  /** One try of one sample, as `PreparedModel.run`. */
  async *chat(
    model: string,
    options: EngineOptions,
    request: InferenceRequest,
    signal: AbortSignal,
  ): AsyncGenerator<EngineEvent> {
    let complete = false;
    const message =
      "the answer ended without its last message; the runner may have crashed, see the server's log";
    const call = this.streamCall(
      signal,
      () => complete,
      message,
      (line) => {
        if (line["done"] === true) complete = true;
      },
    );
    const marks: CallMarks = { tail: "" };
    let text = "";
    for await (const event of exchange(call, marks, (fetchOnce) =>
      new Ollama({ host: this.url, fetch: fetchOnce }).chat(chatRequest(model, options, request)),
    )) {
      if (event.kind !== "chunk") {
        yield event;
        continue;
      }
      const { tNs, chunk } = event;
      const thinking = chunk.message?.thinking ?? "";
      const content = chunk.message?.content ?? "";
      if (thinking !== "") yield { kind: "delta", tNs, channel: "reasoning", text: thinking };
      if (content !== "") yield { kind: "delta", tNs, channel: "content", text: content };
      text += content;
      if (chunk.done) yield doneOf(tNs, text, chunk);
    }
  }

  /** One that is answered at once. */
  private question<T>(
    signal: AbortSignal,
    request: (client: Ollama) => Promise<T>,
    withinMs?: number,
  ): Promise<T> {
    const ask = (call: Call) => request(new Ollama({ host: this.url, fetch: fetchFor(call, { tail: "" }) }));
    return asking(this.callOf("json", signal), ask, withinMs);
  }

  /** One request that is not streamed, and takes as long as it takes. */
  private async ask<T>(signal: AbortSignal, request: (client: Ollama) => Promise<T>): Promise<T> {
    const call = this.callOf("json", signal);
    try {
      return await request(new Ollama({ host: this.url, fetch: fetchFor(call, { tail: "" }) }));
    } catch (error) {
      throw asEngineError(error, call);
    }
  }

  /** A stream that must be complete at its end, and of which no line may be an error (trap 3). */
  private streamCall(
    signal: AbortSignal,
    isComplete: () => boolean,
    silent: string,
    see: (line: { [key: string]: unknown }) => void = () => {},
  ): Call {
    const { where } = this;
    return {
      ...this.callOf("ndjson", signal),
      checkLine(line) {
        if (!isObject(line)) return;
        if ("error" in line) throw serverError(where, undefined, line);
        see(line);
      },
      checkEnd() {
        if (!isComplete()) throw new EngineError("transient", "silent_end", `${where}: ${silent}`);
      },
    };
  }

  private callOf(expect: Call["expect"], signal: AbortSignal): Call {
    const { where } = this;
    return {
      ...{ ...this.access, signal, where, expect, headers: {} },
      statusError: (status, body, retryAfterMs) => serverError(where, status, body, retryAfterMs),
    };
  }
}

const isObject = (value: unknown): value is { [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The server's entry for a model. Throws EngineError `model_missing`, with `hint` about what to do, when it has none. */
export async function findModel(
  server: OllamaServer,
  model: string,
  hint: string,
  signal: AbortSignal,
): Promise<ModelResponse> {
  const found = named(await server.models(signal), model);
  if (found !== undefined) return found;
  const message = `${server.where}: the server does not have this model; ${hint}, or set engine_config.pull`;
  throw new EngineError("engine", "model_missing", message);
}
