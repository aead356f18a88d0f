/**
 * Questions that a server answers at once, such as which models it has. Unlike an answer to a sample, or a load, nothing of
 * the caller's says how long one may take: a server that takes it and is silent would hold up an attempt, or the agent's end.
 */
import { EngineError } from "./engine.js";
import { asEngineError, type Call } from "./http.js";

const ANSWER_MS = 30_000;

/** Throws EngineError, `no_answer` when there is none in time, or the signal's reason. */
export async function asking<T>(
  call: Call,
  ask: (call: Call) => PromiseLike<T>,
  withinMs = ANSWER_MS,
): Promise<T> {
  const { signal, clock, where } = call;
  signal.throwIfAborted();
  const stop = new AbortController();
  const onAbort = () => stop.abort(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const message = `${where}: no answer within ${withinMs / 1000} s; see whether the server is stuck`;
  const cancel = clock.after(withinMs, () => stop.abort(new EngineError("transient", "no_answer", message)));
  const inTime = { ...call, signal: stop.signal };
  try {
    return await ask(inTime);
  } catch (error) {
    throw asEngineError(error, inTime);
  } finally {
    cancel();
    signal.removeEventListener("abort", onAbort);
  }
}
