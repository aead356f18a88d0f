/**
 * The response cache: answers of before, in the artifact store, by their `cache_key`. It may be gone or wrong at any time
 * and nothing but time is lost.
 *
 * 1. Nobody waits for it longer than `DEADLINE_MS`: what it has not said by then is a miss. A store that was too slow or
 *    failed is not asked again for `AWAY_MS`.
 * 2. What is found proves itself (cache-entry.ts); what does not is a miss, is said and removed.
 * 3. The first answer of a key stays until it is too old. In a folder, of two at the same moment the later stays.
 * 4. What waits to be written is bounded in bytes; beyond it answers are not kept.
 */
import { type ArtifactStore, responseKey } from "../../shared/artifacts/store.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import { type CachedAnswer, entryBytes, readEntry } from "./cache-entry.js";

const DEADLINE_MS = 1_000;
const AWAY_MS = 30_000;
/** How long an attempt, whose device is free by then, waits until its answers are kept; the rest is written later. */
const KEEP_MS = 2_000;
const WRITES_AT_ONCE = 4;
const MAX_WAITING_BYTES = 32 * 1024 * 1024;
/** Of one entry. */
const MAX_ENTRY_BYTES = 1024 * 1024;

interface Waiting {
  key: string;
  bytes: Buffer;
  done(): void;
}

export class ResponseCache {
  private awayUntilMs = Number.NEGATIVE_INFINITY;
  private waiting: Waiting[] = [];
  private waitingBytes = 0;
  private writing = 0;

  constructor(
    private readonly store: ArtifactStore,
    /** Answers older than this are none. */
    private readonly ttlMs: number,
    private readonly parts: { clock: Clock; log: Logger },
  ) {}

  /** The answer that was given for a key. Never throws. */
  async find(key: string): Promise<CachedAnswer | undefined> {
    const at = responseKey(key);
    const bytes = await this.inTime("read", () => this.store.get(at));
    if (bytes === undefined) return undefined;
    const read = readEntry(bytes, key);
    if (read.ok && this.parts.clock.wallMs() - read.atMs <= this.ttlMs) return read.answer;
    if (!read.ok)
      this.parts.log.warn(
        { key: at, why: read.why },
        "a damaged answer in the response cache; the model is asked",
      );
    await this.inTime("remove", () => this.store.remove(at));
    return undefined;
  }

  /** Keeps answers for later; resolves when they are written, given up, or it takes too long. Never throws. */
  async keep(answers: readonly { key: string; answer: CachedAnswer }[]): Promise<void> {
    const { clock } = this.parts;
    if (answers.length === 0) return;
    const late = new AbortController();
    const kept = answers.map(({ key, answer }) => this.queue(key, entryBytes(key, clock.wallMs(), answer)));
    const tooLate = clock.sleep(KEEP_MS, late.signal).catch(() => {});
    await Promise.race([Promise.all(kept), tooLate]);
    late.abort();
  }

  private queue(key: string, bytes: Buffer): Promise<void> {
    const size = bytes.byteLength;
    if (size > MAX_ENTRY_BYTES || this.waitingBytes + size > MAX_WAITING_BYTES) return Promise.resolve();
    this.waitingBytes += size;
    return new Promise((done) => {
      this.waiting.push({ key, bytes, done });
      if (this.writing < WRITES_AT_ONCE) void this.write();
    });
  }

  private async write(): Promise<void> {
    this.writing += 1;
    for (let next = this.waiting.shift(); next; next = this.waiting.shift()) {
      const { key, bytes, done } = next;
      await this.inTime("write", () => this.store.put(responseKey(key), bytes));
      this.waitingBytes -= bytes.byteLength;
      done();
    }
    this.writing -= 1;
  }

  /** Undefined as long as the store is away (invariant 1), and for what is not there, or is there already. */
  private async inTime<T>(what: string, ask: () => Promise<T>): Promise<T | undefined> {
    const { clock, log } = this.parts;
    if (clock.nowMs() < this.awayUntilMs) return undefined;
    const answered = new AbortController();
    const late = clock.sleep(DEADLINE_MS, answered.signal).then(() => {
      throw new SaiError("deadline_exceeded", `no answer within ${DEADLINE_MS} ms`);
    });
    late.catch(() => {});
    try {
      const asked = ask();
      asked.catch(() => {});
      return await Promise.race([asked, late]);
    } catch (error) {
      const code = error instanceof SaiError ? error.code : undefined;
      if (code === "not_found" || code === "already_exists") return undefined;
      // Others that were asked at the same moment say it once.
      if (clock.nowMs() >= this.awayUntilMs) {
        const forS = AWAY_MS / 1000;
        log.warn(
          { reason: errorText(error), forS },
          `the response cache cannot be used (${what}); models are asked`,
        );
      }
      this.awayUntilMs = clock.nowMs() + AWAY_MS;
      return undefined;
    } finally {
      answered.abort();
    }
  }
}
