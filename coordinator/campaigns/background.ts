/**
 * Work that goes on after its caller was answered: sealing a job waits for the artifact store, and neither an agent's
 * acknowledgement nor a user's cancel may wait with it.
 */
import { backoffMs } from "../../shared/runtime/backoff.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import type { CampaignParts } from "./parts.js";

const RETRY = { baseMs: 500, capMs: 30_000 };

/** Tries `run` until it succeeds; only the end of our leadership ends the trying. `run` must be repeatable. */
export async function persistently(
  parts: CampaignParts,
  what: string,
  run: () => Promise<void>,
): Promise<void> {
  for (let failures = 0; !parts.store.lost.aborted; failures += 1) {
    try {
      return await run();
    } catch (error) {
      if (parts.store.lost.aborted) return;
      parts.log.warn({ reason: errorText(error), failures }, `${what} failed, trying again`);
      await parts.clock.sleep(backoffMs(failures, RETRY, parts.random), parts.store.lost).catch(() => {});
    }
  }
}

/** The same for what waiting may mend only; anything else is thrown. Throws when we no longer lead, too. */
export async function patiently<T>(parts: CampaignParts, what: string, run: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; failures += 1) {
    try {
      return await run();
    } catch (error) {
      if (!isPassing(error) || parts.store.lost.aborted) throw error;
      parts.log.warn({ reason: errorText(error), failures }, `${what} failed, trying again`);
      await parts.clock.sleep(backoffMs(failures, RETRY, parts.random), parts.store.lost);
    }
  }
}
/** Whether waiting may mend it. */
export const isPassing = (error: unknown): boolean => error instanceof SaiError && PASSING.has(error.code);
const PASSING: ReadonlySet<string> = new Set(["unavailable", "resource_exhausted"]);

/** Lets `work` go on by itself; an error it ends with is logged, unless we no longer lead. */
export function detached(parts: CampaignParts, work: Promise<void>): void {
  work.catch((err) => {
    if (!parts.store.lost.aborted) parts.log.error({ err }, "background work failed");
  });
}
