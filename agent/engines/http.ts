/**
 * HTTP towards model servers: one connection pool an engine, and a `fetch` made for one request that is handed to the
 * official clients in place of their own. What it adds, because the clients do not:
 *
 * 1. No cut-off while a model loads: headers may take for ever (the caller's signal decides), only a body that stalls
 *    for `stallMs` ends.
 * 2. The caller's signal reaches the socket at every stage, and only this request's socket.
 * 3. Times of the monotonic clock: just before the request is handed over, and at the first byte of the body.
 * 4. A bad status, a lost connection and a body that is not what was asked for become EngineErrors that name server and
 *    model. Body and line length are limited, so no server can fill the agent's memory.
 * 5. Only the headers given here are sent: the clients add some from the environment, credentials among them.
 */
import { Agent, type RequestInit as UndiciRequestInit, fetch as undiciFetch } from "undici";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import { EngineError } from "./engine.js";
import { askedWaitMs } from "./limits/asked-wait.js";

/** Longest body of one answer, in bytes. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
/** Longest line of a stream, in bytes; a delta is a few hundred. */
const MAX_LINE_BYTES = 1024 * 1024;
/** How much of an error body is read, in bytes. */
const MAX_ERROR_BYTES = 64 * 1024;
/** How much of a server's words goes into a message, in characters. */
const QUOTE_CHARS = 400;

/** Connections of one engine. A body that is silent for `stallMs` is given up. */
export const connectionPool = (stallMs: number): Agent =>
  new Agent({ headersTimeout: 0, bodyTimeout: stallMs, connect: { timeout: 10_000 } });

export interface Call {
  pool: Agent;
  signal: AbortSignal;
  clock: Clock;
  headers: { [name: string]: string };
  /** Is replaced in the message of every error: servers like to quote the key they refuse. */
  secret?: string | undefined;
  /** For messages: `Ollama at http://…, model x`. */
  where: string;
  /** What the body must be; another content type is an error, and so is an NDJSON line that is not JSON. */
  expect: "json" | "ndjson" | "sse";
  /** Makes the error of a status that is not 2xx. `body` is its JSON, or its text. */
  statusError(status: number, body: unknown, retryAfterMs: number | undefined): EngineError;
  /** NDJSON: looks at every line before the client does; may throw. */
  checkLine?(line: unknown): void;
  /** SSE: whether a body that ends so has told its last event; without it: `[DONE]`. */
  isLast?(tail: string): boolean;
  /** Looks at the end of the body before the client does; may throw. */
  checkEnd?(): void;
}

/** What was seen while the call ran. */
export interface CallMarks {
  sentNs?: number;
  /** Called when `sentNs` is set. */
  onSent?: () => void;
  firstByteNs?: number;
  /** The last characters of the body, to tell a finished stream from a cut one. */
  tail: string;
  /** Reads what is left of the body, so that the connection can serve again. */
  drain?: () => Promise<void>;
}

/** The fetch of one call; use it for one request only. */
export function fetchFor(call: Call, marks: CallMarks): typeof fetch {
  const guarded = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const url = input instanceof Request ? input.url : String(input);
    const request: UndiciRequestInit = {
      method: init?.method ?? "GET",
      headers: {
        accept: ACCEPT[call.expect],
        "accept-encoding": "identity",
        "user-agent": "sai-bench",
        ...(init?.body ? { "content-type": "application/json" } : {}),
        ...call.headers,
      },
      signal: call.signal,
      dispatcher: call.pool,
      redirect: "manual",
      ...(typeof init?.body === "string" ? { body: init.body } : {}),
    };
    marks.sentNs = call.clock.nowNs();
    marks.onSent?.();
    const response = await undiciFetch(url, request).catch((error: unknown) => {
      throw networkError(error, call);
    });
    if (!response.ok) throw await badStatus(response, call);
    const type = response.headers.get("content-type") ?? "";
    if (!TYPES[call.expect].test(type)) {
      const text = await textOf(response.body, MAX_ERROR_BYTES).catch(() => "");
      throw garbage(call, `answered with content type "${type}" instead of ${ACCEPT[call.expect]}`, text);
    }
    const body = response.body === null ? null : guardedBody(response.body, call, marks);
    return new Response(body, { status: response.status, headers: { "content-type": type } });
  };
  return guarded;
}

const ACCEPT = { json: "application/json", ndjson: "application/x-ndjson", sse: "text/event-stream" };
const TYPES = { json: /json/i, ndjson: /json/i, sse: /event-stream/i };

/** The EngineError that something thrown carries, or the one it amounts to. Throws the signal's reason when aborted. */
export function asEngineError(error: unknown, call: Pick<Call, "signal" | "where" | "secret">): EngineError {
  call.signal.throwIfAborted();
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof EngineError) return redacted(cause, call.secret);
  }
  return redacted(networkError(error, call), call.secret);
}

/** The same error without the secret, whoever quoted it. */
export function redacted(error: EngineError, secret: string | undefined): EngineError {
  if (secret === undefined || secret === "") return error;
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause.message.includes(secret)) cause.message = cause.message.replaceAll(secret, "[key]");
    if (cause.stack?.includes(secret)) cause.stack = cause.stack.replaceAll(secret, "[key]");
  }
  return error;
}

/** Errors of the transport, by their code. */
function networkError(error: unknown, call: Pick<Call, "signal" | "where">): EngineError {
  if (call.signal.aborted) throw call.signal.reason;
  const code = codeOf(error);
  const more = { cause: error };
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    // It has no code for what is no HTTP at all.
    if (cause.name !== "HTTPParserError") continue;
    return new EngineError(
      "engine",
      "garbage",
      `${call.where}: the answer is not HTTP: ${cause.message}`,
      more,
    );
  }
  const known = NETWORK_CODES[code];
  if (known) return new EngineError("transient", known.class, `${call.where}: ${known.text} (${code})`, more);
  return new EngineError("engine", "request_failed", `${call.where}: ${errorText(error)}`, more);
}

/** A class and words for an error code of the network; undefined for one that is not known. */
export const networkFailure = (code: string): { class: string; text: string } | undefined =>
  NETWORK_CODES[code];

const NETWORK_CODES: { [code: string]: { class: string; text: string } } = {
  ECONNREFUSED: {
    class: "connection_refused",
    text: "nobody listens there; start the server or correct its URL",
  },
  ENOTFOUND: { class: "host_not_found", text: "the host name is unknown" },
  EAI_AGAIN: { class: "host_not_found", text: "the host name cannot be looked up now" },
  EHOSTUNREACH: { class: "unreachable", text: "the host cannot be reached" },
  ENETUNREACH: { class: "unreachable", text: "the network cannot be reached" },
  ETIMEDOUT: { class: "connect_timeout", text: "no connection was made in time" },
  UND_ERR_CONNECT_TIMEOUT: { class: "connect_timeout", text: "no connection was made in time" },
  UND_ERR_BODY_TIMEOUT: { class: "stalled", text: "the answer stalled" },
  ECONNRESET: { class: "connection_lost", text: "the connection was lost before the answer was complete" },
  EPIPE: { class: "connection_lost", text: "the connection was lost while the request was sent" },
  UND_ERR_SOCKET: {
    class: "connection_lost",
    text: "the connection was lost before the answer was complete",
  },
};

function codeOf(error: unknown): string {
  let found = "";
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && typeof cause.code === "string") found = cause.code;
  }
  return found;
}

async function badStatus(response: UndiciResponse, call: Call): Promise<EngineError> {
  const text = await textOf(response.body, MAX_ERROR_BYTES).catch(() => "");
  let body: unknown = text;
  try {
    body = JSON.parse(text);
  } catch {
    // Not JSON: the text itself is what the server had to say.
  }
  return call.statusError(response.status, body, askedWaitMs(response.status, response.headers));
}

type UndiciResponse = Awaited<ReturnType<typeof undiciFetch>>;
type Body = NonNullable<UndiciResponse["body"]>;

/** Passes the body on chunk by chunk, marking and checking it. */
function guardedBody(body: Body, call: Call, marks: CallMarks): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const lines = call.expect === "ndjson" ? jsonLines(call) : undefined;
  const decoder = new TextDecoder();
  let bytes = 0;
  let lineBytes = 0;
  marks.drain = async () => {
    while (!(await reader.read()).done);
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await reader.read().catch((error: unknown) => {
          throw networkError(error, call);
        });
        if (done) {
          lines?.end();
          call.checkEnd?.();
          return controller.close();
        }
        const chunk: Uint8Array = value;
        marks.firstByteNs ??= call.clock.nowNs();
        bytes += chunk.byteLength;
        const newline = chunk.lastIndexOf(10);
        lineBytes = newline < 0 ? lineBytes + chunk.byteLength : chunk.byteLength - newline - 1;
        // A list of models is all one line.
        if (bytes > MAX_BODY_BYTES || (call.expect !== "json" && lineBytes > MAX_LINE_BYTES)) {
          await reader.cancel();
          const limit =
            bytes > MAX_BODY_BYTES ? `${MAX_BODY_BYTES} bytes` : `${MAX_LINE_BYTES} bytes in one line`;
          throw new EngineError("engine", "answer_too_large", `${call.where}: the answer is over ${limit}`);
        }
        const text = decoder.decode(chunk, { stream: true });
        marks.tail = (marks.tail + text.slice(-TAIL_CHARS)).slice(-TAIL_CHARS);
        lines?.push(text);
        controller.enqueue(chunk);
        // Some proxies leave the connection open after the last event.
        if (call.expect === "sse" && (call.isLast ?? isDone)(marks.tail)) controller.close();
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

const TAIL_CHARS = 64;
/** The last event of an OpenAI stream, at the start of a line (inside JSON a newline is escaped). */
export const SSE_DONE = /(^|[\r\n])data: ?\[DONE\]\s*$/;
const isDone = (tail: string): boolean => SSE_DONE.test(tail);

/** Checks that every line is JSON; the official client skips those that are not. */
function jsonLines(call: Call) {
  let rest = "";
  const check = (line: string) => {
    if (line.trim() === "") return;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw garbage(call, "sent a line that is not JSON", line);
    }
    call.checkLine?.(value);
  };
  return {
    push(text: string) {
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      parts.forEach(check);
    },
    end: () => check(rest),
  };
}

export const garbage = (call: Pick<Call, "where">, what: string, text: string): EngineError =>
  new EngineError("engine", "garbage", `${call.where}: ${what}: ${quoted(text)}`);

/** A server's words, shortened for a message. */
export function quoted(text: string): string {
  const line = JSON.stringify(text.trim());
  return line.length <= QUOTE_CHARS ? line : `${line.slice(0, QUOTE_CHARS)}…`;
}

async function textOf(body: Body | null, maxBytes: number): Promise<string> {
  if (body === null) return "";
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let bytes = 0; bytes < maxBytes; ) {
    const { done, value } = await reader.read();
    if (done) return text;
    const chunk: Uint8Array = value;
    bytes += chunk.byteLength;
    text += decoder.decode(chunk, { stream: true });
  }
  await reader.cancel();
  return text;
}
