/**
 * One term of leadership after the other. Whoever loses the leadership without being stopped ends that term and tries to
 * begin another, however often that fails: a port may still be in use for a moment, the store may be away.
 *
 * 1. Nothing of a term is left when the next one begins.
 * 2. A store that is broken stays so as long as this process has it, so that no further term is tried: neither when it
 *    breaks under a leader, nor when it does while leading is sought.
 */
import type { Clock } from "../shared/runtime/clock.js";
import type { Logger } from "../shared/runtime/logger.js";

export interface Led {
  /** Aborts when the leadership is lost. */
  readonly lost: AbortSignal;
  stop(): Promise<void>;
}

export interface TermsParts {
  /** Aborts when the coordinator is to end. */
  ending: AbortSignal;
  /** Aborts when the state store can do nothing any more. */
  broken: AbortSignal;
  clock: Clock;
  log: Logger;
}

const RETRY_MS = 1000;

/**
 * Resolves when `ending` aborts and the last term is stopped. Rejects with the reason when it aborts while leading is
 * sought, or when the store is broken. `begin` is to give up when its signal aborts.
 */
export async function serveTerms<T extends Led>(
  first: T,
  begin: (signal: AbortSignal) => Promise<T>,
  parts: TermsParts,
): Promise<void> {
  const { ending, broken, log } = parts;
  const over = AbortSignal.any([ending, broken]);
  for (let term = first; ; term = await next(begin, over, parts)) {
    await aborted(AbortSignal.any([term.lost, over]));
    await term.stop(); // invariant 1
    if (ending.aborted) return;
    broken.throwIfAborted(); // invariant 2
    log.error("leadership is lost; this term ends");
  }
}

async function next<T>(
  begin: (signal: AbortSignal) => Promise<T>,
  over: AbortSignal,
  { clock, log }: TermsParts,
): Promise<T> {
  for (;;) {
    try {
      return await begin(over);
    } catch (err) {
      over.throwIfAborted();
      log.error({ err }, "the next term cannot begin, trying again");
      await clock.sleep(RETRY_MS, over);
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
