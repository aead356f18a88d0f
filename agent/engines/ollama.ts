/**
 * Ollama, as a server that somebody else runs. Traps of it and of its client, and what is done about them:
 *
 * 1. The client aborts all its streams at once and none before headers: one client a request, with a fetch of our own.
 * 2. Loading can take minutes without a byte: no header timeout; `prepare` preloads with an empty prompt.
 * 3. A 200 can be followed by an `{"error"}` line, and a stream can end without its last message: both are errors.
 * 4. A picture given as text may be read as a file name: pictures are given as bytes only.
 * 5. A prompt over the context is cut silently: `truncate: false` makes it an error where the server knows the key.
 */
import { type ChatRequest, type ModelResponse, Ollama, type Options } from "ollama";
import type { ModelSpec } from "../../shared/benchmark/plan.js";
import type { Finish, TokenCounts } from "../../shared/benchmark/record.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import { baseUrlOf } from "./base-url.js";
import {
  type Engine,
  type EngineDone,
  EngineError,
  type EngineEvent,
  type EngineOptions,
  type EngineProbe,
  type InferenceRequest,
  type PreparedModel,
} from "./engine.js";
import { exchange } from "./exchange.js";
import { asEngineError, type Call, type CallMarks, connectionPool, fetchFor } from "./http.js";
import { notApplied } from "./not-applied.js";
import { serverError } from "./server-errors.js";

export interface OllamaConfig {
  /** Such as http://127.0.0.1:11434. */
  baseUrl: string;
}

interface Parts {
  clock: Clock;
  /** Silence of an answer's body after which it is given up, ms. */
  stallMs: number;
}

const SUPPORTED = [
  ...["temperature", "max_tokens", "top_p", "top_k", "seed", "num_ctx", "repeat_penalty", "stop"],
  ...["base_url", "num_gpu", "num_thread", "keep_alive", "think"],
];

export function createOllamaEngine(config: OllamaConfig, parts: Parts): Engine {
  const pool = connectionPool(parts.stallMs);
  const { clock } = parts;
  /** How many prepared models use each server's model; it is unloaded with the last one. */
  const users = new Map<string, number>();

  const callOf = (where: string, expect: Call["expect"], signal: AbortSignal): Call => ({
    ...{ pool, clock, signal, where, expect, headers: {} },
    statusError: (status, body, retryAfterMs) => serverError(where, status, body, retryAfterMs),
  });

  /** One request that is not streamed. Throws EngineError, or the signal's reason. */
  async function ask<T>(
    host: string,
    where: string,
    signal: AbortSignal,
    request: (client: Ollama) => Promise<T>,
  ): Promise<T> {
    const call = callOf(where, "json", signal);
    try {
      return await request(new Ollama({ host, fetch: fetchFor(call, { tail: "" }) }));
    } catch (error) {
      throw asEngineError(error, call);
    }
  }

  async function probe(signal: AbortSignal): Promise<EngineProbe> {
    const where = `Ollama at ${config.baseUrl}`;
    try {
      const { version } = await ask(config.baseUrl, where, signal, (client) => client.version());
      const { models } = await ask(config.baseUrl, where, signal, (client) => client.list());
      return { version, models: models.map((m) => m.name).sort() };
    } catch (error) {
      return { version: "", models: [], unavailable: errorText(error) };
    }
  }

  async function prepare(model: ModelSpec, jobOptions: EngineOptions, signal: AbortSignal) {
    const options: EngineOptions = { ...jobOptions, ...model.options };
    const { url } = baseUrlOf(options, config.baseUrl);
    const where = `Ollama at ${url}, model ${model.model}`;
    const { version } = await ask(url, where, signal, (client) => client.version());
    const found = named((await ask(url, where, signal, (client) => client.list())).models, model.model);
    if (found === undefined) {
      const hint = `run \`ollama pull ${model.model}\` there`;
      throw new EngineError(
        "engine",
        "model_missing",
        `${where}: the server does not have this model; ${hint}`,
      );
    }
    const running = async () =>
      named((await ask(url, where, signal, (client) => client.ps())).models, model.model);
    const wasLoaded = (await running()) !== undefined;
    const startNs = clock.nowNs();
    await ask(url, where, signal, (client) =>
      client.generate({
        ...{ model: model.model, prompt: "", stream: false, keep_alive: keepAlive(options) },
        options: loadOptions(options),
      }),
    );
    const loadNs = wasLoaded ? 0 : clock.nowNs() - startNs;
    const loaded = await running();
    const partial = partialOffload(loaded);
    if (partial !== undefined && Number(options["num_gpu"] ?? 0) > 0) {
      const hint = "free GPU memory, use a smaller model or context, or leave num_gpu out";
      throw new EngineError(
        "engine",
        "partial_offload",
        `${where}: ${partial}, though num_gpu asks for a GPU; ${hint}`,
      );
    }
    // All of it in main memory is a machine without a GPU; only a model in two places is slower than it looks.
    const split = partial !== undefined && loaded !== undefined && loaded.size_vram > 0;
    const user = `${url} ${model.model}`;
    users.set(user, (users.get(user) ?? 0) + 1);
    return prepared(url, where, version, found, model, options, { loadNs, split }, user);
  }

  function prepared(
    url: string,
    where: string,
    version: string,
    found: ModelResponse,
    model: ModelSpec,
    options: EngineOptions,
    load: { loadNs: number; split: boolean },
    user: string,
  ): PreparedModel {
    const quant = found.details?.quantization_level;
    const args = ["num_gpu", "num_thread", "keep_alive"]
      .filter((key) => options[key] !== undefined)
      .map((key) => `${key}=${options[key]}`);
    let unloaded = false;
    return {
      identity: {
        version,
        digest: found.digest,
        ...(quant ? { quant } : {}),
        args: [`base_url=${url}`, ...args],
      },
      loadNs: load.loadNs,
      flags: load.split ? ["partial_offload"] : [],
      notApplied: (generation, given) => notApplied(generation, given, SUPPORTED),
      run: (request, signal) =>
        run(url, where, model.model, { ...request.options, ...model.options }, request, signal),
      async unload() {
        if (unloaded) return;
        unloaded = true;
        const left = (users.get(user) ?? 1) - 1;
        users.set(user, left);
        if (left > 0) return;
        const { signal } = new AbortController();
        await ask(url, where, signal, (client) =>
          client.generate({ model: model.model, prompt: "", stream: false, keep_alive: 0 }),
        );
      },
    };
  }

  async function* run(
    url: string,
    where: string,
    model: string,
    options: EngineOptions,
    request: InferenceRequest,
    signal: AbortSignal,
  ): AsyncGenerator<EngineEvent> {
    let complete = false;
    const call: Call = {
      ...callOf(where, "ndjson", signal),
      checkLine(line) {
        refuseErrorLine(where)(line);
        if (isObject(line) && line["done"] === true) complete = true;
      },
      checkEnd() {
        if (complete) return;
        const message = `${where}: the answer ended without its last message; the runner may have crashed, see the server's log`;
        throw new EngineError("transient", "silent_end", message);
      },
    };
    const marks: CallMarks = { tail: "" };
    let text = "";
    for await (const event of exchange(call, marks, (fetchOnce) =>
      new Ollama({ host: url, fetch: fetchOnce }).chat(chatRequest(model, options, request)),
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

  return { kind: "ollama", probe, prepare, close: () => pool.destroy() };
}

function chatRequest(
  model: string,
  options: EngineOptions,
  request: InferenceRequest,
): ChatRequest & { stream: true; truncate: false } {
  const images = request.images.map((image) => image.bytes);
  const think = options["think"];
  return {
    model,
    messages: [
      ...(request.system === undefined ? [] : [{ role: "system", content: request.system }]),
      { role: "user", content: request.user, ...(images.length > 0 ? { images } : {}) },
    ],
    stream: true,
    truncate: false,
    keep_alive: keepAlive(options),
    ...(typeof think === "boolean" ? { think } : {}),
    options: { ...loadOptions(options), ...generationOptions(request.generation) },
  };
}

/** What decides how the model is loaded; the same at every request, or the server loads it anew. */
function loadOptions(options: EngineOptions): Partial<Options> {
  const number = (key: string) => (typeof options[key] === "number" ? { [key]: options[key] } : {});
  return { ...number("num_ctx"), ...number("num_gpu"), ...number("num_thread") };
}

function generationOptions(g: InferenceRequest["generation"]): Partial<Options> {
  return {
    ...(g.temperature === undefined ? {} : { temperature: g.temperature }),
    ...(g.max_tokens === undefined ? {} : { num_predict: g.max_tokens }),
    ...(g.top_p === undefined ? {} : { top_p: g.top_p }),
    ...(g.top_k === undefined ? {} : { top_k: g.top_k }),
    ...(g.seed === undefined ? {} : { seed: g.seed }),
    ...(g.num_ctx === undefined ? {} : { num_ctx: g.num_ctx }),
    ...(g.repeat_penalty === undefined ? {} : { repeat_penalty: g.repeat_penalty }),
    ...(g.stop === undefined ? {} : { stop: g.stop }),
  };
}

function keepAlive(options: EngineOptions): string | number {
  const wanted = options["keep_alive"];
  return typeof wanted === "string" || typeof wanted === "number" ? wanted : "10m";
}

interface Final {
  done_reason?: string;
  total_duration?: number;
  load_duration?: number;
  prompt_eval_count?: number;
  prompt_eval_duration?: number;
  eval_count?: number;
  eval_duration?: number;
}

function doneOf(tNs: number, text: string, last: Final): EngineDone {
  const tokens: TokenCounts = {
    ...(last.prompt_eval_count === undefined ? {} : { in: last.prompt_eval_count }),
    ...(last.eval_count === undefined ? {} : { out: last.eval_count }),
    source: last.eval_count === undefined ? "none" : "server",
  };
  const finish: Finish = last.done_reason === "length" ? "length" : "stop";
  const figures = {
    ...{ total_ns: last.total_duration, load_ns: last.load_duration },
    ...{ prompt_ns: last.prompt_eval_duration, eval_ns: last.eval_duration },
  };
  const server: { [key: string]: number } = {};
  for (const [key, value] of Object.entries(figures)) if (value !== undefined) server[key] = value;
  return { kind: "done", tNs, finish, text, refused: false, tokens, server, flags: [] };
}

/** Says how much of a loaded model is in GPU memory, if that is not all of it. */
function partialOffload(running: ModelResponse | undefined): string | undefined {
  if (running === undefined || running.size_vram >= running.size) return undefined;
  return `only ${running.size_vram} of ${running.size} bytes are in GPU memory`;
}

const refuseErrorLine = (where: string) => (line: unknown) => {
  if (isObject(line) && "error" in line) throw serverError(where, undefined, line);
};

/** The server's entry for a model; a name without a tag means `:latest`. */
const named = (models: ModelResponse[], name: string): ModelResponse | undefined =>
  models.find((m) => m.name === name || m.name === `${name}:latest`);

const isObject = (value: unknown): value is { [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
