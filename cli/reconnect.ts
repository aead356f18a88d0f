/**
 * Outliving a coordinator that goes away for a while: it restarts, the network breaks, a stream was read too slowly.
 * What can be asked again is asked again with growing pauses, until it answers, the time is up, or Ctrl-C.
 *
 * 1. Only errors that pass by themselves are outlived; a refusal is final.
 * 2. The person is told once when the coordinator is gone and once when it is back.
 * 3. Nothing that changes the coordinator is sent twice unless the second time changes nothing.
 */
import { SaiError } from "../shared/runtime/errors.js";
import type { Context } from "./context.js";
import { say } from "./context.js";

const FIRST_PAUSE_MS = 250;
const MAX_PAUSE_MS = 5000;
/** How long a single question is asked again; a wait without --timeout has no limit of its own. */
const PATIENCE_MS = 60_000;

export interface Reconnecting {
  /** The coordinator answered: the next pause is short again. */
  answered(): void;
  /** Pauses before the next try. Rejects with `error` when it does not pass, and when it is interrupted. */
  failed(error: unknown): Promise<void>;
  /** Pauses a little before an ended stream is opened again. */
  pause(): Promise<void>;
}

/** Keeps count of failures. `doing` completes `the coordinator does not answer; …`; `end` cuts pauses short. */
export function reconnecting(
  context: Context,
  doing: string,
  options: { note?: (text: string) => void; end?: AbortSignal; passes?: (error: unknown) => boolean } = {},
): Reconnecting {
  const { clock, interrupt } = context.io;
  const { note = (text) => say(context, text), end, passes = isPassing } = options;
  let pauseMs = FIRST_PAUSE_MS;
  let gone = false;
  const pause = async () => {
    await clock.sleep(pauseMs, end ? AbortSignal.any([interrupt, end]) : interrupt).catch(() => {});
    pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2);
  };
  return {
    answered() {
      if (gone) note("the coordinator answers again");
      gone = false;
      pauseMs = FIRST_PAUSE_MS;
    },
    async failed(error) {
      if (interrupt.aborted || !passes(error)) throw error;
      if (!gone) note(`the coordinator does not answer; ${doing}`);
      gone = true;
      await pause();
      if (interrupt.aborted) throw error;
    },
    pause,
  };
}

/** The answer to a question that may be asked twice. Throws the last error when the patience ends. */
export async function persist<T>(
  context: Context,
  doing: string,
  ask: () => Promise<T>,
  patienceMs = context.flags.timeoutMs ?? PATIENCE_MS,
): Promise<T> {
  const { clock } = context.io;
  const endMs = clock.nowMs() + patienceMs;
  const again = reconnecting(context, doing, { passes: mayHaveArrived });
  for (;;) {
    try {
      const answer = await ask();
      again.answered();
      return answer;
    } catch (error) {
      if (clock.nowMs() >= endMs) throw error;
      await again.failed(error);
    }
  }
}

/** The coordinator is away, or cut us off because we did not read. */
export const isPassing = (error: unknown): boolean =>
  error instanceof SaiError && (error.code === "unavailable" || error.code === "resource_exhausted");

/** The same, or no answer came: what was asked may have been done. */
const mayHaveArrived = (error: unknown): boolean =>
  error instanceof SaiError && (error.code === "unavailable" || error.code === "deadline_exceeded");
