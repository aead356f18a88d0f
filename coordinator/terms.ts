/**
 * One term of leadership after the other. Whoever loses the leadership without being stopped ends that term and tries to
 * begin another, however often that fails: the store may be away for a moment.
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
  /** Whether a term that cannot begin ends it all, as for a coordinator that just starts. */
  mustBegin(): boolean;
  clock: Clock;
  log: Logger;
}

const RETRY_MS = 1000;

/**
 * Resolves when `ending` aborts and the last term is stopped. Rejects with the reason when it aborts while leading is
 * sought, when the store is broken, or when a term that must begin cannot. `begin` is to give up when its signal aborts.
 */
export async function serveTerms(
  begin: (signal: AbortSignal) => Promise<Led>,
  parts: TermsParts,
): Promise<void> {
  const { ending, broken, log } = parts;
  const over = AbortSignal.any([ending, broken]);
  for (;;) {
    const term = await next(begin, over, parts);
    await aborted(AbortSignal.any([term.lost, over]));
    await term.stop(); // invariant 1
    if (ending.aborted) return;
    broken.throwIfAborted(); // invariant 2
    log.warn("this term has ended");
  }
}

async function next(
  begin: (signal: AbortSignal) => Promise<Led>,
  over: AbortSignal,
  { clock, log, mustBegin }: TermsParts,
): Promise<Led> {
  for (;;) {
    try {
      return await begin(over);
    } catch (err) {
      over.throwIfAborted();
      if (mustBegin()) throw err;
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
