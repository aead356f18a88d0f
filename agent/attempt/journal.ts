/**
 * An attempt's journal: one file of lines (journal-lines.ts) on the agent's disk, so that what an attempt has done
 * outlives the process. replay.ts reads it back.
 *
 * 1. A `begin` line stands before each sample, its `record` line after it (`warmed` where its result is thrown away).
 *    Whoever reads a `begin` without either knows that the sample was in flight when the agent died, unless a `paused`
 *    follows.
 * 2. A record is synced no later than so many ms after it was handed over, or with so many others (1 s and 64 by
 *    default), and before the result is sent.
 * 3. It is removed only after the coordinator's word about the attempt: its result's or failure's answer, or STOP. An
 *    attempt that was cancelled removes its own.
 */
import { join } from "node:path";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import type { Clock } from "../../shared/runtime/clock.js";
import type { AppendFile, Disk } from "../../shared/runtime/disk.js";
import type { Assignment, ShardFailure, ShardResult } from "./assignment.js";
import { encodeLine, JOURNAL_VERSION, type JournalLine, type Origin } from "./journal-lines.js";
import type { WrittenRecord } from "./records-file.js";

/** How many records, or how much time, may pass between two syncs. */
export interface JournalSync {
  records: number;
  ms: number;
}

/** Where journals are and how they are kept. */
export interface JournalParts {
  disk: Disk;
  /** Folder of the journals. */
  dir: string;
  sync: JournalSync;
  /** Who writes. */
  origin(): Origin;
  clock: Clock;
}

/** How long a record waits for the next sample's `begin`, ms. */
const TOGETHER_MS = 1;

export const journalPath = (dir: string, fence: Fence): string => join(dir, `${fenceText(fence)}.jsonl`);

export class Journal {
  private unsynced = 0;
  private cancelSync: (() => void) | undefined;
  private syncing: Promise<void> = Promise.resolve();
  /** Lines that wait to be written. */
  private queued = "";
  private writing: Promise<void> = Promise.resolve();
  /** A write is on its way that takes what is queued when it begins. */
  private pending = false;
  private cancelWrite: (() => void) | undefined;
  /** The first write error; every later call fails with it, so that nothing is reported that is not on disk. */
  private broken: unknown;

  private constructor(
    private readonly parts: JournalParts,
    private readonly file: AppendFile,
    private readonly name: string,
  ) {}

  /** Starts the journal of an attempt. Throws SaiError when the disk does not take it. */
  static create(parts: JournalParts, assignment: Assignment): Promise<Journal> {
    const first = { k: "attempt", v: JOURNAL_VERSION, origin: parts.origin(), assignment } as const;
    return Journal.open(parts, assignment.fence, first, "");
  }

  /** Goes on with the journal of an attempt that an earlier start of the agent left. Throws SaiError. */
  static resume(parts: JournalParts, fence: Fence): Promise<Journal> {
    const { incarnation } = parts.origin();
    // The newline ends what a crash may have torn.
    return Journal.open(parts, fence, { k: "resumed", incarnation }, "\n");
  }

  private static async open(
    parts: JournalParts,
    fence: Fence,
    first: JournalLine,
    before: string,
  ): Promise<Journal> {
    await parts.disk.mkdir(parts.dir);
    const file = await parts.disk.append(journalPath(parts.dir, fence));
    const journal = new Journal(parts, file, fenceText(fence));
    journal.queued = before;
    try {
      await journal.append(first);
    } catch (error) {
      await journal.close();
      throw error;
    }
    return journal;
  }

  /** Resolves when the line, and all before it, are with the operating system: only then may the sample start. */
  begin(ordinal: number): Promise<void> {
    return this.append({ k: "begin", ordinal });
  }

  /**
   * Hands the record over. It is written together with the next sample's `begin`, which saves a write a sample, or
   * within a ms or two when none follows; `flush` waits for it.
   */
  record(record: WrittenRecord): void {
    const { sync, clock } = this.parts;
    this.later({ k: "record", record });
    this.unsynced += 1;
    if (this.unsynced >= sync.records) this.sync();
    else this.cancelSync ??= clock.after(sync.ms, () => this.sync());
  }

  /** Notes, as late as a record, that a sample has ended that nobody measures. */
  warmed(ordinal: number): void {
    this.later({ k: "warmed", ordinal });
  }

  /** Resolves when everything written so far is on disk. */
  async flush(): Promise<void> {
    this.synced();
    this.push();
    await this.writing;
    await this.syncing;
    await this.file.sync().catch((error) => this.fail(error));
    if (this.broken !== undefined) throw this.broken;
  }

  /** Notes why the attempt gave up, and syncs: the failure outlives a restart until somebody has heard of it. */
  async failed(failure: ShardFailure): Promise<void> {
    await this.append({ k: "failed", failure });
    await this.flush();
  }

  /** Notes that nothing is in flight any more, because the agent stops in order. */
  async paused(): Promise<void> {
    await this.append({ k: "paused" });
    await this.flush();
  }

  /** Lets go of the file when everything queued is with the operating system. Never rejects. */
  async close(): Promise<void> {
    this.synced();
    this.push();
    await this.writing;
    await this.syncing;
    await this.file.close();
  }

  /** Written with what comes next, or within a ms or two. */
  private later(line: JournalLine): void {
    this.queued += encodeLine(this.name, line);
    if (!this.pending) this.cancelWrite ??= this.parts.clock.after(TOGETHER_MS, () => this.push());
  }

  /** Off the sample's path: the next sample may start while the disk works. */
  private sync(): void {
    this.synced();
    this.push();
    const before = Promise.all([this.syncing, this.writing]);
    this.syncing = before.then(() => this.file.sync()).catch((error) => this.fail(error));
  }

  private synced(): void {
    this.cancelSync?.();
    this.cancelSync = undefined;
    this.unsynced = 0;
  }

  private async append(line: JournalLine): Promise<void> {
    this.queued += encodeLine(this.name, line);
    this.push();
    await this.writing;
    if (this.broken !== undefined) throw this.broken;
  }

  /** Writes what is queued, behind the write that is under way. */
  private push(): void {
    this.cancelWrite?.();
    this.cancelWrite = undefined;
    if (this.pending || this.queued === "") return;
    this.pending = true;
    this.writing = this.writing.then(() => this.write());
  }

  private async write(): Promise<void> {
    const text = this.queued;
    this.queued = "";
    this.pending = false;
    if (this.broken === undefined) await this.file.append(text).catch((error) => this.fail(error));
  }

  private fail(error: unknown): void {
    this.broken ??= error;
  }
}

/** Adds to a closed journal that its records are in the artifact store, so that a restart need not store them again. */
export async function noteStored({ disk, dir }: JournalParts, result: ShardResult): Promise<void> {
  const file = await disk.append(journalPath(dir, result.fence));
  try {
    await file.append(encodeLine(fenceText(result.fence), { k: "stored", result }));
  } finally {
    await file.close();
  }
}

/** Removes the journal of an attempt whose fate is known; none is no error. */
export const removeJournal = (
  { disk, dir }: Pick<JournalParts, "disk" | "dir">,
  fence: Fence,
): Promise<void> => disk.remove(journalPath(dir, fence));
