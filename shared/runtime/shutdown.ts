/**
 * The ordered stop of a program: what was started last stops first, each part within its own deadline. A part that
 * fails or is late is named and left behind, so that the others still stop; a second signal leaves everything behind.
 * Signals themselves belong to main.ts, which calls `run` on the first and `force` on the second.
 */
import type { Clock } from "./clock.js";
import { errorText } from "./errors.js";
import type { Logger } from "./logger.js";

/** How one part ended; ms are from the call of its stop. */
export type StopOutcome =
  | { name: string; kind: "stopped"; ms: number }
  | { name: string; kind: "failed"; ms: number; reason: string }
  | { name: string; kind: "late" | "forced"; ms: number };

export interface Shutdown {
  /** Aborted when the stop begins; for loops and waits. */
  readonly signal: AbortSignal;
  /** Registers a part right after it was started. Once the stop has begun the part is stopped next. */
  add(name: string, stop: () => Promise<void> | void, deadlineMs: number): void;
  /** Stops everything, last first; later calls answer with the same promise. Never rejects. */
  run(reason: string): Promise<StopOutcome[]>;
  /** Ends the waiting now; stops not yet called are not called. */
  force(): void;
}

/** A shutdown with nothing registered. */
export function createShutdown(parts: { clock: Clock; logger: Logger }): Shutdown {
  const { clock, logger } = parts;
  const begun = new AbortController();
  const forced = new AbortController();
  const stack: { name: string; stop: () => Promise<void> | void; deadlineMs: number }[] = [];
  let running: Promise<StopOutcome[]> | undefined;
  let ended = false;

  async function stopAll(reason: string): Promise<StopOutcome[]> {
    logger.info({ reason }, "stopping");
    begun.abort(new Error(`stopping: ${reason}`));
    const outcomes: StopOutcome[] = [];
    for (let part = stack.pop(); part !== undefined; part = stack.pop()) {
      const outcome = await stopOne(part.name, part.stop, part.deadlineMs);
      outcomes.push(outcome);
      if (outcome.kind !== "stopped")
        logger.warn({ ...outcome, part: part.name }, "part did not stop cleanly");
    }
    ended = true;
    logger.info({ parts: outcomes.length }, "stopped");
    return outcomes;
  }

  function stopOne(name: string, stop: () => Promise<void> | void, deadlineMs: number): Promise<StopOutcome> {
    if (forced.signal.aborted) return Promise.resolve({ name, kind: "forced", ms: 0 });
    const startMs = clock.nowMs();
    const ms = () => clock.nowMs() - startMs;
    return new Promise((resolve) => {
      const end = (outcome: StopOutcome) => {
        cancelDeadline();
        forced.signal.removeEventListener("abort", onForce);
        resolve(outcome);
      };
      const onForce = () => end({ name, kind: "forced", ms: ms() });
      const cancelDeadline = clock.after(deadlineMs, () => end({ name, kind: "late", ms: ms() }));
      forced.signal.addEventListener("abort", onForce, { once: true });
      Promise.resolve()
        .then(stop)
        .then(
          () => end({ name, kind: "stopped", ms: ms() }),
          (error: unknown) => end({ name, kind: "failed", ms: ms(), reason: errorText(error) }),
        );
    });
  }

  return {
    signal: begun.signal,
    add(name, stop, deadlineMs) {
      if (ended) void stopOne(name, stop, deadlineMs);
      else stack.push({ name, stop, deadlineMs });
    },
    run(reason) {
      running ??= stopAll(reason);
      return running;
    },
    force() {
      forced.abort();
    },
  };
}
