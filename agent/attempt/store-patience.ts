/**
 * Patience with the artifact store: everything an attempt asks of it is asked again, after growing pauses, while the
 * store is away or full. Nothing else is waited out; the attempt's signal, its deadline included, ends the waiting.
 */
import { isAway } from "../../shared/artifacts/store.js";
import { backoffMs } from "../../shared/runtime/backoff.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Random } from "../../shared/runtime/random.js";
import { unlessAborted } from "../engines/unless-aborted.js";

const STORE_RETRY = { baseMs: 500, capMs: 60_000 };

/** What `ask` comes to. Rejects with its error unless waiting may mend that, or with the signal's reason. */
export async function whenAvailable<T>(
  parts: { clock: Clock; random: Random; log: Logger },
  signal: AbortSignal,
  ask: () => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; failures += 1) {
    try {
      return await unlessAborted(ask(), signal);
    } catch (error) {
      if (!isAway(error)) throw error;
      parts.log.warn({ reason: errorText(error) }, "the artifact store is away, trying again");
      await parts.clock.sleep(backoffMs(failures, STORE_RETRY, parts.random), signal);
    }
  }
}
