/**
 * A machine's disk. It outlives the processes on it. What a process wrote outlives the process; what was not synced
 * may be gone, or torn, when the machine itself goes down, and a removal may be undone.
 */
import type { AppendFile, Disk } from "../../shared/runtime/disk.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Process } from "./process.js";
import type { SeededRandom } from "./random.js";

interface File {
  data: Buffer;
  /** How much of `data` a crash of the machine leaves for certain. */
  synced: number;
  /** Whether its name is on the disk. */
  named: boolean;
  /** A write or sync of it failed: the process that saw that need not believe in what it holds. */
  doubtful?: boolean;
}

/** Share of what does not wait for the device that takes no time at all: the page cache is fast, and so is this. */
const AT_ONCE = 0.7;

export class SimulatedDisk {
  private readonly files = new Map<string, File>();
  /** Removed, and the folder not synced since. */
  private readonly removed = new Map<string, File>();
  /** Nothing more can be written until it is false again. */
  full = false;
  /** Every write fails with an error of the device. */
  broken = false;
  /** How much slower than usual. */
  slowness = 1;

  constructor(private readonly random: SeededRandom) {}

  /** Hears of everything that is appended. */
  onAppend: (path: string, data: Buffer) => void = () => {};
  /** Hears of every sound file that is removed, with what of it was synced. */
  onRemove: (path: string, data: Buffer) => void = () => {};

  /** Files below a folder as they are now. */
  *below(folder: string): Generator<[path: string, data: Buffer]> {
    for (const [path, { data }] of this.files) if (path.startsWith(folder)) yield [path, data];
  }

  /** Another process reads what is there, and knows of no error. */
  restarted(): void {
    for (const file of this.files.values()) delete file.doubtful;
  }

  /** The machine goes down: what was not synced may be lost or torn. */
  crash(): void {
    for (const [path, file] of this.removed) if (this.random.chance(0.5)) this.files.set(path, file);
    this.removed.clear();
    for (const [path, file] of this.files) {
      if (!file.named && this.random.chance(0.5)) this.files.delete(path);
      const kept = this.random.int(file.synced, file.data.length);
      file.data = file.data.subarray(0, kept);
      file.synced = kept;
      file.named = true;
    }
  }

  /** The disk as a process sees it. */
  of(process: Process): Disk {
    const asks = async <T>(what: string, act: () => T, syncs = false): Promise<T> => {
      if (!syncs && process.alive && this.slowness === 1 && this.random.chance(AT_ONCE)) {
        process.world.trace.note(`disk.${what}`);
        return act();
      }
      return process.asks(`disk.${what}`, this.delayMs(syncs), () => {
        if (!process.alive) throw new Error("the process died before");
        return act();
      });
    };
    return {
      mkdir: async () => {},
      list: (dir) =>
        asks("list", () => {
          const from = `${dir}/`;
          const names = [...this.files.keys()].filter((path) => path.startsWith(from));
          return names
            .map((path) => path.slice(from.length))
            .filter((name) => !name.includes("/"))
            .sort();
        }),
      read: (path) => asks("read", () => this.files.get(path)?.data),
      writeAtomic: (path, data) => asks("write", () => this.replace(path, Buffer.from(data as string)), true),
      append: (path) => asks("open", () => this.open(path, asks)),
      rename: (from, to) =>
        asks(
          "rename",
          () => {
            const file = this.files.get(from);
            if (file === undefined) throw failed("rename", from, "there is no such file");
            this.files.delete(from);
            this.files.set(to, { ...file, named: true });
            this.syncFolder(to);
          },
          true,
        ),
      remove: (path) => asks("remove", () => this.remove(path)),
    };
  }

  private delayMs(syncs: boolean): number {
    const usual = syncs ? this.random.between(0.2, 6) : this.random.between(0.01, 0.3);
    return usual * this.slowness;
  }

  private replace(path: string, data: Buffer): void {
    this.admit("write", path);
    this.files.set(path, { data, synced: data.length, named: true });
    this.syncFolder(path);
  }

  private open(
    path: string,
    asks: <T>(what: string, act: () => T, syncs?: boolean) => Promise<T>,
  ): AppendFile {
    let file = this.files.get(path);
    if (file === undefined) {
      this.admit("open", path);
      file = { data: Buffer.alloc(0), synced: 0, named: false };
      this.files.set(path, file);
    }
    const opened = file;
    return {
      append: (data) => asks("append", () => this.append(opened, path, Buffer.from(data as string))),
      sync: () =>
        asks(
          "sync",
          () => {
            if (this.broken) {
              opened.doubtful = true;
              throw failed("sync", path, "input/output error");
            }
            opened.synced = opened.data.length;
            if (!opened.named) this.syncFolder(path);
            opened.named = true;
          },
          true,
        ),
      close: async () => {},
    };
  }

  private append(file: File, path: string, data: Buffer): void {
    if (this.full || this.broken) file.doubtful = true;
    if (this.full)
      file.data = Buffer.concat([file.data, data.subarray(0, this.random.int(0, data.length - 1))]);
    this.admit("write", path);
    file.data = Buffer.concat([file.data, data]);
    this.onAppend(path, data);
  }

  private remove(path: string): void {
    const file = this.files.get(path);
    if (file === undefined) return;
    this.files.delete(path);
    if (file.named) this.removed.set(path, file);
    if (!file.doubtful) this.onRemove(path, file.data.subarray(0, file.synced));
  }

  private syncFolder(path: string): void {
    const folder = path.slice(0, path.lastIndexOf("/") + 1);
    for (const gone of [...this.removed.keys()]) if (gone.startsWith(folder)) this.removed.delete(gone);
  }

  private admit(what: string, path: string): void {
    if (this.full) throw failed(what, path, "no space left on device", "resource_exhausted");
    if (this.broken) throw failed(what, path, "input/output error");
  }
}

const failed = (
  what: string,
  path: string,
  why: string,
  code: "unavailable" | "resource_exhausted" = "unavailable",
): SaiError => new SaiError(code, `cannot ${what} ${path}: ${why}`);
