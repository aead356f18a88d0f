/** Time as everything here sees it; passed in, so that a simulation can own it. */
export interface Clock {
  /** Wall clock in ms since 1970; for people only, never compared between machines. */
  wallMs(): number;
  /** Monotonic ms since the process started. */
  nowMs(): number;
  /** Monotonic ns since the process started; an integer a double holds exactly for 104 days. */
  nowNs(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. Leaves no timer or listener behind. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `run` after `ms`; the answer cancels it. */
  after(ms: number, run: () => void): () => void;
}

const origin = process.hrtime.bigint();
/** The same moment on the clock that costs no bigints: the hot paths ask for ms. */
const originMs = performance.now();

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  nowMs: () => performance.now() - originMs,
  nowNs: () => Number(process.hrtime.bigint() - origin),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = timer(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  },
  after: timer,
};

/** The most that one of the runtime's timers waits; asked for more it fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

function timer(ms: number, run: () => void): () => void {
  let waits: NodeJS.Timeout;
  const wait = (leftMs: number) => {
    waits =
      leftMs > LONGEST_TIMER_MS
        ? setTimeout(() => wait(leftMs - LONGEST_TIMER_MS), LONGEST_TIMER_MS)
        : setTimeout(run, leftMs);
  };
  wait(ms);
  return () => clearTimeout(waits);
}

/** A wall time in ms since 1970 as RFC 3339, in UTC. */
export const rfc3339 = (wallMs: number): string => new Date(wallMs).toISOString();
