/**
 * Group commit: changes are made in the core at once, and all that were made while the disk was busy go to it in one
 * batch. An answer is given when the disk has everything it is based on.
 *
 * 1. One batch is on its way at a time, and batches carry whole revisions in order. So the disk always holds the store
 *    as it was at some revision, and never less than was answered.
 * 2. Nobody outside sees a revision that the disk does not have: readers and watchers see what is `shown`, and the
 *    answer of a failed compare waits as well.
 * 3. A batch that failed is taken back in the core. On a full disk its changes are made anew, one by one, against what
 *    is left, for none of them was answered: those that create keys are refused (NoSpace), so that deletions, which may
 *    use the reserve, get through.
 * 4. A full disk is tried again every second; when the reserve can be made, new keys are taken again.
 * 5. When the folder is another's, or what the disk holds is not known, nothing is written any more.
 * 6. A disk that does not answer in time leaves the outcome of what waits unknown; it is not taken back.
 */
import type { Clock } from "../../../shared/runtime/clock.js";
import { errorText } from "../../../shared/runtime/errors.js";
import type { Logger } from "../../../shared/runtime/logger.js";
import type { MemoryCore } from "../memory-core.js";
import { type Rev, StoreError, type StoreErrorDetail } from "../store.js";
import { BatchWriter } from "./batch.js";
import { CommitFailed, type Head } from "./messages.js";
import type { Disk } from "./thread.js";

interface Waiting {
  /** Makes the change in the core and keeps its answer. */
  make(): void;
  /** The revision the answer is based on. */
  rev: Rev;
  resolve(): void;
  reject(error: unknown): void;
}

export interface GroupCommitParts {
  core: MemoryCore;
  disk: Disk;
  /** For messages. */
  folder: string;
  clock: Clock;
  log: Logger;
  /** Called once, when nothing can be written any more. */
  onFailed(error: StoreError): void;
}

const RETRY_MS = 1_000;
const ANSWER_WITHIN_MS = 5_000;
const MAX_WAITING = 10_000;
/** Memory that is kept for the next batch. */
const KEEP_BYTES = 4 * 1024 ** 2;

export class GroupCommit {
  readonly #o: GroupCommitParts;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #failed: StoreError | undefined;
  #spare: ArrayBuffer | undefined;
  #stopRetrying: (() => void) | undefined;

  constructor(o: GroupCommitParts) {
    this.#o = o;
  }

  /** Makes a change and resolves with its answer when that is durable. Rejects with StoreError. */
  run<T>(change: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const { core } = this.#o;
      if (this.#failed) throw this.#failed;
      if (this.#waiting.length >= MAX_WAITING) throw unavailable(`${MAX_WAITING} writes wait for its disk`);
      let answer = change();
      const make = () => {
        answer = change();
      };
      if (core.rev === core.shown) return resolve(answer);
      this.#waiting.push({ make, rev: core.rev, resolve: () => resolve(answer), reject });
      this.#running ??= this.#drain();
    });
  }

  /** From now on the disk is full (invariant 4). */
  diskFull(why: string): void {
    const { core, folder, log } = this.#o;
    if (core.closedFor !== undefined) return;
    core.closedFor = `the disk that holds ${folder} is full; free some megabytes, and it goes on by itself`;
    log.error({ why, folder }, "the disk of the state store is full: nothing new is taken");
    this.#retryLater();
  }

  /** Resolves when everything made so far has been to the disk. */
  async drained(): Promise<void> {
    await this.#running;
  }

  /** Tries a full disk no more. */
  stop(): void {
    this.#stopRetrying?.();
    this.#stopRetrying = undefined;
  }

  async #drain(): Promise<void> {
    const { core } = this.#o;
    await undefined; // what else is called in this turn of the event loop comes along
    while (core.rev > core.shown && !this.#failed) {
      const upTo = core.rev;
      const stopWatching = this.#answerInTime();
      try {
        await this.#write();
        this.#show(upTo);
      } catch (error) {
        this.#notWritten(error, upTo);
      } finally {
        stopWatching();
      }
    }
    this.#running = undefined;
  }

  async #write(): Promise<void> {
    const { core, disk } = this.#o;
    const writer = new BatchWriter(this.#spare);
    this.#spare = undefined;
    for (const event of core.since(core.shown)) writer.add(event);
    const { keys, usedBytes } = core.state;
    const head: Head = { rev: core.rev, keys, bytes: usedBytes };
    const batch = { memory: writer.take(), length: writer.length };
    const memory = await disk.commit(batch, head, core.closedFor !== undefined);
    if (memory.byteLength <= KEEP_BYTES) this.#spare = memory;
  }

  /** The disk has everything up to `upTo`. */
  #show(upTo: Rev): void {
    this.#o.core.show(upTo);
    const first = this.#waiting.findIndex((waiting) => waiting.rev > upTo);
    for (const waiting of this.#waiting.splice(0, first < 0 ? Number.POSITIVE_INFINITY : first))
      waiting.resolve();
  }

  #notWritten(error: unknown, upTo: Rev): void {
    if (!(error instanceof CommitFailed)) this.#fail("OutcomeUnknown", errorText(error), error);
    else if (error.why === "taken") this.#fail("Unavailable", error.message, error);
    else if (error.head?.rev === this.#o.core.shown) this.#takeBack(error, upTo);
    // It failed when all was done.
    else if (error.head?.rev === upTo) this.#show(upTo);
    else this.#fail("OutcomeUnknown", `${error.message}; the disk is at revision ${error.head?.rev}`, error);
  }

  /** Invariant 3. */
  #takeBack(error: CommitFailed, upTo: Rev): void {
    const { core, log } = this.#o;
    core.takeBack();
    const waiting = this.#waiting.splice(0);
    if (error.why === "full" && core.closedFor === undefined) {
      this.diskFull(error.message);
      this.#makeAnew(waiting);
      return;
    }
    log.error({ err: error }, "the state store cannot write");
    const { usedBytes } = core.state;
    const full = { usedBytes, quotaBytes: core.quotaBytes, disk: core.closedFor ?? error.message };
    for (const one of waiting) {
      // What a disk failed to write at the very last may be there after a crash.
      const kind = one.rev <= upTo ? "OutcomeUnknown" : "Unavailable";
      const detail =
        error.why === "full" ? { kind: "NoSpace" as const, ...full } : { kind, what: error.message };
      one.reject(new StoreError(detail as StoreErrorDetail, error));
    }
  }

  #makeAnew(waiting: Waiting[]): void {
    const { core } = this.#o;
    for (const one of waiting) {
      try {
        one.make();
        one.rev = core.rev;
        if (one.rev === core.shown) one.resolve();
        else this.#waiting.push(one);
      } catch (error) {
        one.reject(error);
      }
    }
  }

  /** Writes nothing any more (invariant 5). */
  #fail(kind: "OutcomeUnknown" | "Unavailable", what: string, cause: unknown): void {
    this.#o.log.fatal({ err: cause }, "the state store can write nothing any more");
    this.#failed = new StoreError({ kind: "Unavailable", what }, cause);
    this.stop();
    const detail: StoreErrorDetail = { kind, what };
    for (const waiting of this.#waiting.splice(0)) waiting.reject(new StoreError(detail, cause));
    this.#o.onFailed(this.#failed);
  }

  /** Answers what waits every time the disk is late; the answer stops it (invariant 6). */
  #answerInTime(): () => void {
    const { clock } = this.#o;
    let cancel: () => void;
    const late = () => {
      const what = `its disk has not answered for ${ANSWER_WITHIN_MS / 1000} s`;
      for (const one of this.#waiting.splice(0)) one.reject(new StoreError({ kind: "OutcomeUnknown", what }));
      cancel = clock.after(ANSWER_WITHIN_MS, late);
    };
    cancel = clock.after(ANSWER_WITHIN_MS, late);
    return () => cancel();
  }

  #retryLater(): void {
    this.#stopRetrying = this.#o.clock.after(RETRY_MS, () => void this.#retry());
  }

  async #retry(): Promise<void> {
    const { core, disk, folder, log } = this.#o;
    const room = await disk.reserve().catch(() => false);
    if (this.#stopRetrying === undefined) return;
    if (!room) return this.#retryLater();
    this.#stopRetrying = undefined;
    core.closedFor = undefined;
    log.info({ folder }, "the disk of the state store has room again");
  }
}

const unavailable = (what: string) => new StoreError({ kind: "Unavailable", what });
