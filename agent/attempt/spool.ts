/**
 * Stores the records of complete attempts in the artifact store. While the store is away they wait in their journals,
 * which costs no memory and no device, and are stored one after the other when it is back.
 *
 * 1. What is stored is what the journal holds, so that the hash that was told is the hash that is there.
 * 2. A store that is away is asked by one attempt at a time, after growing pauses; when it answers, all go on.
 * 3. Nothing is given up because the store is away: the spool quota bounds how much may wait (intake.ts).
 */
import { type ArtifactStore, isAway } from "../../shared/artifacts/store.js";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import { backoffMs } from "../../shared/runtime/backoff.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Random } from "../../shared/runtime/random.js";
import type { ShardResult } from "./assignment.js";
import { type JournalParts, noteStored } from "./journal.js";
import { readJournal } from "./journals.js";
import { recordsFile } from "./records-file.js";

export interface SpoolParts {
  artifacts: ArtifactStore;
  journals: JournalParts;
  clock: Clock;
  random: Random;
  log: Logger;
}

export interface SpoolListener {
  stored(fence: Fence): void;
  /** The records cannot be stored, ever: another attempt must make them anew. */
  lost(fence: Fence, reason: string): void;
}

/** Puts at once: enough to hide the latency of a store, little enough for its memory. */
const AT_ONCE = 4;
const PAUSE = { baseMs: 500, capMs: 60_000 };
/** A put that takes longer counts as a store that is away, ms; and so much more for what it moves. */
const PUT_MS = 120_000;
/** Bytes a second, slower than any store waits for: it is written and read back, and others are under way. */
const LEAST_BYTES_PER_S = 32 * 1024;

interface Entry {
  result: ShardResult;
  /** The records file, for as long as it is expected to be stored soon. */
  bytes: Buffer | undefined;
}

export class Spool {
  private readonly waiting = new Map<string, Entry>();
  private readonly storing = new Map<string, Promise<void>>();
  /** Since the store last answered. */
  private failures = 0;
  private cancelPause: (() => void) | undefined;
  private closed = false;

  constructor(
    private readonly parts: SpoolParts,
    private readonly listener: SpoolListener,
  ) {}

  /** Takes the records of a complete attempt, `bytes` if they are at hand; its journal holds them. */
  add(result: ShardResult, bytes?: Buffer): void {
    this.waiting.set(fenceText(result.fence), { result, bytes: this.failures > 0 ? undefined : bytes });
    this.next();
  }

  /** Nobody wants them any more; resolves when nothing touches their journal. */
  async drop(fence: Fence): Promise<void> {
    const name = fenceText(fence);
    await this.storing.get(name);
    this.waiting.delete(name);
  }

  /** Stores nothing more; what is being stored ends by itself. */
  close(): void {
    this.closed = true;
    this.cancelPause?.();
  }

  private next(): void {
    const most = this.failures > 0 ? 1 : AT_ONCE;
    for (const [name, entry] of this.waiting) {
      if (this.closed || this.cancelPause !== undefined || this.storing.size >= most) return;
      this.waiting.delete(name);
      const stored = this.store(entry.result, entry.bytes).then((after) => {
        this.storing.delete(name);
        after();
        this.next();
      });
      this.storing.set(name, stored);
    }
  }

  /** Never rejects; what is to be done when it has let go of the journal. */
  private async store(result: ShardResult, atHand: Buffer | undefined): Promise<() => void> {
    try {
      await this.put(result.uri, atHand ?? (await this.recordsOf(result)));
      if (this.failures > 0)
        this.parts.log.info({ waiting: this.waiting.size }, "the artifact store is back");
      this.failures = 0;
      // A restart would store them again; no harm, so that a full disk is none either.
      await noteStored(this.parts.journals, result).catch(() => {});
      return () => this.listener.stored(result.fence);
    } catch (error) {
      if (isAway(error)) return () => this.away(result, error);
      return () => this.listener.lost(result.fence, errorText(error));
    }
  }

  private async put(uri: string, bytes: Buffer): Promise<void> {
    const { artifacts, clock } = this.parts;
    let cancel = () => {};
    const ms = PUT_MS + (bytes.byteLength / LEAST_BYTES_PER_S) * 1000;
    const late = new Promise<never>((_, reject) => {
      cancel = clock.after(ms, () =>
        reject(new SaiError("unavailable", `${uri} was not stored within ${Math.round(ms / 1000)} s`)),
      );
    });
    await Promise.race([artifacts.put(uri, bytes), late]).finally(() => cancel());
  }

  private async recordsOf(result: ShardResult): Promise<Buffer> {
    const { disk, dir } = this.parts.journals;
    const found = await readJournal(disk, dir, result.fence);
    const file = found && recordsFile(found.assignment, found.records);
    if (file?.result.sha256 === result.sha256) return file.bytes;
    throw new SaiError("internal", `the journal of ${fenceText(result.fence)} lost records that it had`);
  }

  private away(result: ShardResult, error: unknown): void {
    this.waiting.set(fenceText(result.fence), { result, bytes: undefined });
    for (const entry of this.waiting.values()) entry.bytes = undefined;
    if (this.cancelPause !== undefined || this.closed) return;
    const { clock, random, log } = this.parts;
    const pauseMs = backoffMs(this.failures, PAUSE, random);
    if (this.failures === 0) {
      log.warn(
        { reason: errorText(error) },
        "the artifact store is away, finished attempts wait on the disk",
      );
    }
    this.failures += 1;
    this.cancelPause = clock.after(pauseMs, () => {
      this.cancelPause = undefined;
      this.next();
    });
  }
}
