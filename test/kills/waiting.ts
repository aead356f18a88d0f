/** Waits of these tests: for something to be seen, given up when nothing moves any more, never for a fixed time. */

const EVERY_MS = 20;

export const pause = (ms = EVERY_MS): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export interface Wait<T> {
  what: string;
  /** Asked again and again; anything but undefined and false ends the wait. Its errors count as undefined. */
  ask(): Promise<T | undefined | false> | T | undefined | false;
  /** What moves while there is progress; the wait is given up when it has not changed for `stallMs`. */
  progress?(): unknown;
  stallMs?: number;
  /** Checked at every turn; an answer ends the wait as a failure. */
  fault?(): string | undefined;
}

const STALL_MS = 60_000;
/** An asked process may be stopped, so that its answer never comes. */
const ANSWER_MS = 5_000;

/** Resolves with the first answer. Throws when there is a fault, or no progress for too long. */
export async function seen<T>(wait: Wait<T>): Promise<T> {
  const stallMs = wait.stallMs ?? STALL_MS;
  let progress = "";
  let movedMs = Date.now();
  let lastError: unknown;
  for (;;) {
    const answer = await within(wait.ask).catch((error: unknown) => {
      lastError = error;
      return undefined;
    });
    if (answer !== undefined && answer !== false) return answer;
    const fault = wait.fault?.();
    if (fault !== undefined) throw new Error(`${fault}, before ${wait.what}`);
    const now = JSON.stringify(wait.progress?.()) ?? "";
    if (now !== progress) {
      progress = now;
      movedMs = Date.now();
    } else if (Date.now() - movedMs > stallMs) {
      const error = lastError === undefined ? "" : `; the last error: ${String(lastError)}`;
      throw new Error(`nothing moved for ${stallMs} ms while waiting until ${wait.what}: ${now}${error}`);
    }
    await pause();
  }
}

async function within<T>(ask: () => Promise<T> | T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ANSWER_MS} ms`)), ANSWER_MS);
  });
  try {
    return await Promise.race([ask(), late]);
  } finally {
    clearTimeout(timer);
  }
}
