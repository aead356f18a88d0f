/**
 * An attempt's journal: one file of JSON lines on the agent's disk, so that the result of a finished attempt outlives
 * the process. Of an attempt that was cut short it tells which samples had begun; the shard is run anew.
 *
 * 1. A `begin` line stands before each sample, its `record` line after it; `uploaded` ends the file.
 * 2. The file is synced every so many records or ms (64 and 1 s by default), and before the result is sent.
 * 3. With a result in it, it is removed only after the coordinator has said what became of that, or has had the attempt
 *    stopped. An attempt that fails or is stopped before (while its records are being stored, too) removes its own.
 */
import { join } from "node:path";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { fenceText, parseFence } from "../../shared/domain/fence.js";
import type { Clock } from "../../shared/runtime/clock.js";
import type { AppendFile, Disk } from "../../shared/runtime/disk.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import type { Assignment, ShardResult } from "./assignment.js";

/** How many records, or how much time, may pass between two syncs. */
export interface JournalSync {
  records: number;
  ms: number;
}

type Line =
  | { k: "attempt"; assignment: string }
  | { k: "begin"; ordinal: number }
  | { k: "record"; record: ResultRecord }
  | { k: "uploaded"; result: string };

export class Journal {
  private unsynced = 0;
  private syncedAtMs: number;
  private syncing: Promise<void> = Promise.resolve();
  /** Lines that wait for the write before theirs. */
  private queued = "";
  private writing: Promise<void> = Promise.resolve();
  /** The first write error; every later call fails with it, so that nothing is reported that is not on disk. */
  private broken: unknown;

  private constructor(
    private readonly disk: Disk,
    private readonly file: AppendFile,
    private readonly path: string,
    private readonly clock: Clock,
    private readonly sync: JournalSync,
  ) {
    this.syncedAtMs = clock.nowMs();
  }

  /** Starts the journal of an attempt in `dir`. */
  static async create(
    disk: Disk,
    dir: string,
    assignment: Assignment,
    clock: Clock,
    sync: JournalSync,
  ): Promise<Journal> {
    await disk.mkdir(dir);
    const path = join(dir, `${fenceText(assignment.fence)}.jsonl`);
    const journal = new Journal(disk, await disk.append(path), path, clock, sync);
    try {
      await journal.append({ k: "attempt", assignment: encode(assignment) });
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

  /** Hands the record over; it goes out together with the next sample's `begin`, and `flush` waits for it. */
  record(record: ResultRecord): void {
    this.queue({ k: "record", record });
    this.unsynced += 1;
    if (this.unsynced < this.sync.records && this.clock.nowMs() - this.syncedAtMs < this.sync.ms) return;
    this.unsynced = 0;
    this.syncedAtMs = this.clock.nowMs();
    // Off the sample's path: the next sample may start while the disk works.
    const written = Promise.all([this.syncing, this.writing]);
    this.syncing = written.then(() => this.file.sync()).catch((error) => this.fail(error));
  }

  /** Resolves when everything written so far is on disk. */
  async flush(): Promise<void> {
    await this.writing;
    await this.syncing;
    await this.file.sync().catch((error) => this.fail(error));
    if (this.broken !== undefined) throw this.error();
  }

  /** Notes the result and syncs: from here on the attempt survives a restart. */
  async uploaded(result: ShardResult): Promise<void> {
    await this.append({ k: "uploaded", result: encode(result) });
    await this.flush();
  }

  async close(): Promise<void> {
    await this.writing;
    await this.syncing;
    await this.file.close();
  }

  async remove(): Promise<void> {
    await this.close();
    await this.disk.remove(this.path);
  }

  private async append(line: Line): Promise<void> {
    this.queue(line);
    await this.writing;
    if (this.broken !== undefined) throw this.error();
  }

  /** Lines queued in one turn, or while a write is under way, are one write. */
  private queue(line: Line): void {
    if (this.queued === "") this.writing = this.writing.then(() => this.write());
    this.queued += `${JSON.stringify(line)}\n`;
  }

  private async write(): Promise<void> {
    const text = this.queued;
    this.queued = "";
    if (this.broken === undefined) await this.file.append(text).catch((error) => this.fail(error));
  }

  private fail(error: unknown): void {
    this.broken ??= error;
  }

  private error(): SaiError {
    return new SaiError("unavailable", `cannot write the journal ${this.path}: ${errorText(this.broken)}`, {
      hint: "free space below agent.data_dir",
      cause: this.broken,
    });
  }
}

/** What the journals of an earlier start say. */
export interface JournalsFound {
  /** Finished and stored; their results are sent again. */
  uploaded: { result: ShardResult; assignment: Assignment }[];
  /** Not finished; `begun` are samples that were in flight. */
  unfinished: { assignment: Assignment; begun: number[] }[];
  /** Files that say nothing any more, moved aside as `<name>.damaged`. */
  damaged: string[];
}

/** Reads every journal in `dir`. A torn last line is what a crash leaves and is ignored. */
export async function readJournals(disk: Disk, dir: string): Promise<JournalsFound> {
  const found: JournalsFound = { uploaded: [], unfinished: [], damaged: [] };
  for (const name of (await disk.list(dir)).filter((n) => n.endsWith(".jsonl"))) {
    const lines = parseLines((await disk.read(join(dir, name)))?.toString("utf8") ?? "");
    // The crash came with the first line: nothing had begun.
    if (lines.length === 0) {
      await disk.remove(join(dir, name));
      continue;
    }
    try {
      readInto(found, lines);
    } catch {
      await disk.rename(join(dir, name), join(dir, `${name}.damaged`));
      found.damaged.push(name);
    }
  }
  return found;
}

/** Throws when the lines are no journal. */
function readInto(found: JournalsFound, lines: readonly Line[]): void {
  const [head] = lines;
  if (head?.k !== "attempt") throw new Error("it does not begin with its attempt");
  const assignment = decode<Assignment>(head.assignment);
  const last = lines.at(-1);
  if (last?.k === "uploaded") {
    found.uploaded.push({ result: decode<ShardResult>(last.result), assignment });
    return;
  }
  const begun = new Set<number>();
  for (const line of lines) {
    if (line.k === "begin") begun.add(line.ordinal);
    if (line.k === "record") begun.delete(line.record.ordinal);
  }
  found.unfinished.push({ assignment, begun: [...begun] });
}

/** Removes the journal of an attempt whose fate is known. */
export const removeJournal = (disk: Disk, dir: string, fence: Assignment["fence"]): Promise<void> =>
  disk.remove(join(dir, `${fenceText(fence)}.jsonl`));

function parseLines(text: string): Line[] {
  const lines: Line[] = [];
  for (const raw of text.split("\n")) {
    if (raw === "") continue;
    try {
      lines.push(JSON.parse(raw) as Line);
    } catch {
      return lines;
    }
  }
  return lines;
}

// Fences and gates are bigints and inline results are bytes, which JSON lacks.
function encode(value: Assignment | ShardResult): string {
  const inline = "inline" in value && value.inline ? Buffer.from(value.inline).toString("base64") : undefined;
  return JSON.stringify({ ...value, fence: fenceText(value.fence), gate: String(value.gate), inline });
}

function decode<T extends Assignment | ShardResult>(text: string): T {
  const value: T = JSON.parse(text, (key, v) => {
    if (key === "fence") return parseFence(v);
    if (key === "gate") return BigInt(v);
    if (key === "inline") return Buffer.from(v, "base64");
    return v;
  });
  if (value.fence === undefined || value.shard === undefined) throw new Error("it names no attempt");
  return value;
}
