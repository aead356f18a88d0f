/**
 * Sweeping the response cache: answers that count no more are removed, and the oldest of the others as long as there are
 * more bytes than it may have. Between two rounds it may be larger.
 *
 * 1. Only keys below the cache's own prefix are touched.
 * 2. What is remembered of it is bytes by the minute they were written in, never a list of keys.
 */
import { type Artifacts, RESPONSES } from "../../shared/artifacts/store.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";

export interface ResponseSweepParts {
  artifacts: Pick<Artifacts, "entries" | "remove">;
  ttlMs: number;
  maxBytes: number;
  clock: Clock;
  log: Logger;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

export class ResponseSweeper {
  private nextMs = Number.NEGATIVE_INFINITY;
  private running = false;

  constructor(private readonly parts: ResponseSweepParts) {}

  /** One round, once an hour, until `signal` aborts; nothing while one is under way. Never rejects. */
  async round(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.parts;
    if (this.running || clock.nowMs() < this.nextMs) return;
    this.running = true;
    try {
      const removed = await this.sweep(signal);
      if (removed > 0) log.info({ removed }, "old answers were removed from the response cache");
      this.nextMs = clock.nowMs() + HOUR_MS;
    } catch (error) {
      log.warn({ reason: errorText(error) }, "sweeping the response cache failed; trying again later");
    } finally {
      this.running = false;
    }
  }

  /** Answers how many it removed. */
  private async sweep(signal: AbortSignal): Promise<number> {
    const { ttlMs, maxBytes, clock } = this.parts;
    const byMinute = new Map<number, number>();
    const tooOld = await this.removeBefore(clock.wallMs() - ttlMs, signal, ({ bytes, writtenMs }) => {
      const minute = Math.floor(writtenMs / MINUTE_MS);
      byMinute.set(minute, (byMinute.get(minute) ?? 0) + bytes);
    });
    let bytes = 0;
    const minutes = [...byMinute].sort(([a], [b]) => b - a);
    // The newest minute with which it is too much, and all before it.
    const full = minutes.find(([, more]) => {
      bytes += more;
      return bytes > maxBytes;
    });
    if (full === undefined) return tooOld;
    return tooOld + (await this.removeBefore((full[0] + 1) * MINUTE_MS, signal, () => {}));
  }

  private async removeBefore(
    ms: number,
    signal: AbortSignal,
    kept: (entry: { bytes: number; writtenMs: number }) => void,
  ): Promise<number> {
    const { artifacts } = this.parts;
    let removed = 0;
    for await (const entry of artifacts.entries(RESPONSES)) {
      signal.throwIfAborted();
      if (entry.writtenMs >= ms) {
        kept(entry);
        continue;
      }
      await artifacts.remove(entry.key);
      removed += 1;
    }
    return removed;
  }
}
