/**
 * What a model server's error answer means. Status codes and error codes decide; only out of memory and a prompt that
 * does not fit have to be recognised by their words, because servers give no code for them.
 */
import { EngineError } from "./engine.js";
import { quoted } from "./http.js";

export const OUT_OF_MEMORY =
  /out of memory|not enough memory|requires more system memory|insufficient memory|cudaMalloc failed|failed to allocate/i;
const CONTEXT_OVERFLOW =
  /maximum context length|context length exceeded|context[_ ]length[_ ]exceeded|exceed_context_size|exceeds the available context|input length exceeds|prompt is too long|longer than the (maximum model|model's context) length/i;
/** Codes of an account that has nothing left: no use in waiting. */
const NO_MONEY = /\b(insufficient_quota|billing_error|billing_hard_limit_reached)\b/;
/** Codes of errors in mid-answer that are the server's, and may be over by the next try. */
const PASSING =
  /\b(api_error|server_error|timeout_error|internal_server_error|service_unavailable|InternalServerError)\b/;

/** The error for an answer that is not 2xx, or an error object inside a stream (then `status` is undefined). */
export function serverError(
  where: string,
  status: number | undefined,
  body: unknown,
  retryAfterMs?: number,
): EngineError {
  const { message, codes } = wordsOf(body);
  const said = `${where}: ${status === undefined ? "an error came inside the answer" : `status ${status}`}: ${quoted(message)}`;
  const of = (kind: EngineError["kind"], className: string, hint = "") =>
    new EngineError(kind, className, `${said}${hint}`, retryAfterMs === undefined ? {} : { retryAfterMs });
  if (OUT_OF_MEMORY.test(message)) return of("oom", "out_of_memory");
  if (CONTEXT_OVERFLOW.test(`${codes} ${message}`)) return of("engine", "context_overflow");
  if (NO_MONEY.test(codes)) return of("engine", "quota_exhausted", "; see the account's plan and balance");
  if (status === undefined) {
    const code = Number(codes);
    if (code === 429 || /\brate_limit/.test(codes)) return of("transient", "rate_limited");
    if (/\boverloaded/.test(codes)) return of("transient", "overloaded");
    return of(code >= 500 || PASSING.test(codes) ? "transient" : "engine", "server_error");
  }
  if (status === 401 || status === 403)
    return of("engine", "unauthorized", "; check the API key and its rights");
  if (status === 402) return of("engine", "quota_exhausted", "; see the account's plan and balance");
  if (status === 404) return of("engine", "not_found");
  if (status === 429) return of("transient", "rate_limited");
  if (status === 529) return of("transient", "overloaded");
  if (status === 408 || status >= 500) return of("transient", "bad_status");
  return of("engine", "bad_status");
}

/** `{error: "…"}` of Ollama, `{error: {message, type, code}}` of OpenAI, `{message}` of others, or text. */
function wordsOf(body: unknown): { message: string; codes: string } {
  if (typeof body === "string") return { message: body, codes: "" };
  if (!isObject(body)) return { message: JSON.stringify(body), codes: "" };
  const error = body["error"] ?? body;
  if (typeof error === "string") return { message: error, codes: "" };
  if (!isObject(error)) return { message: JSON.stringify(body), codes: "" };
  const message = error["message"];
  const codes = [error["code"], error["type"]].filter((c) => typeof c === "string" || typeof c === "number");
  return {
    message: typeof message === "string" ? message : JSON.stringify(error),
    codes: typeof error["code"] === "number" ? String(error["code"]) : codes.join(" "),
  };
}

const isObject = (value: unknown): value is { [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);
