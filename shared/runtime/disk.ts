/**
 * The disk as an agent sees it; passed in, so that a simulation can own it, cut it short or fill it. Paths are absolute
 * or relative to the process, with forward slashes.
 *
 * 1. `writeAtomic` leaves the old content or the new one, whatever happens in between, and the new one once it resolves.
 * 2. What was appended survives the end of the process once `append` resolves, and the end of the machine once `sync`
 *    does. A crash in between leaves a prefix of it.
 * 3. Everything that fails, fails with SaiError: `resource_exhausted` when the disk or a quota is full, `unavailable`
 *    for everything else. A full disk is well again when somebody has freed space.
 */
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { errorText, SaiError } from "./errors.js";

export interface Disk {
  /** Makes a folder and those above it; one that exists is no error. */
  mkdir(dir: string): Promise<void>;
  /** Names of the files in a folder, sorted; none when there is no such folder. */
  list(dir: string): Promise<string[]>;
  /** A whole file; undefined when there is none. */
  read(path: string): Promise<Buffer | undefined>;
  /** Replaces a file at once (invariant 1); its folder must exist. */
  writeAtomic(path: string, data: string | Uint8Array): Promise<void>;
  /** Opens a file to write at its end; makes an empty one when there is none. */
  append(path: string): Promise<AppendFile>;
  /** Gives a file another name, over whatever has it. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; none is no error. */
  remove(path: string): Promise<void>;
}

export interface AppendFile {
  /** Resolves when the operating system has all of it. When it rejects, any prefix may have been written. */
  append(data: string | Uint8Array): Promise<void>;
  /** Resolves when everything appended, and the file's name, are on the disk. */
  sync(): Promise<void>;
  /** Lets go of the file without a sync; never rejects, and closing twice is no error. */
  close(): Promise<void>;
}

/** True for the error of a full disk or an exhausted quota. */
export const isDiskFull = (error: unknown): boolean =>
  error instanceof SaiError && error.code === "resource_exhausted";

export const nodeDisk: Disk = {
  mkdir: (dir) => doing("make the folder", dir, async () => void (await mkdir(dir, { recursive: true }))),
  list: (dir) =>
    doing("list", dir, async () => {
      const entries = await readdir(dir, { withFileTypes: true }).catch(noneIfAbsent);
      return (entries ?? [])
        .filter((entry) => entry.isFile())
        .map((entry) => entry.name)
        .sort();
    }),
  read: (path) => doing("read", path, () => readFile(path).catch(noneIfAbsent)),
  writeAtomic: (path, data) =>
    doing("write", path, async () => {
      const temp = `${path}.tmp`;
      try {
        const file = await open(temp, "w");
        await file
          .writeFile(data)
          .then(() => file.sync())
          .finally(() => file.close());
        await rename(temp, path);
      } catch (error) {
        await rm(temp, { force: true }).catch(() => {});
        throw error;
      }
      await syncFolder(dirname(path));
    }),
  append: (path) => doing("open", path, async () => new NodeFile(await open(path, "a"), path)),
  rename: (from, to) =>
    doing("rename", from, async () => {
      await rename(from, to);
      await syncFolder(dirname(to));
    }),
  remove: (path) => doing("remove", path, () => rm(path, { force: true })),
};

class NodeFile implements AppendFile {
  private named = false;

  constructor(
    private readonly file: FileHandle,
    private readonly path: string,
  ) {}

  append(data: string | Uint8Array): Promise<void> {
    return doing("write", this.path, () => this.file.appendFile(data));
  }

  sync(): Promise<void> {
    return doing("write", this.path, async () => {
      await this.file.datasync();
      if (this.named) return;
      await syncFolder(dirname(this.path));
      this.named = true;
    });
  }

  async close(): Promise<void> {
    await this.file.close().catch(() => {});
  }
}

async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, "r");
  await folder.sync().finally(() => folder.close());
}

/** Out of space, of quota, of the file size a process may write (RLIMIT_FSIZE). */
const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

async function doing<T>(what: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const full = FULL.has(codeOf(cause));
    throw new SaiError(
      full ? "resource_exhausted" : "unavailable",
      `cannot ${what} ${path}: ${errorText(cause)}`,
      {
        hint: full
          ? "free space on this disk"
          : "check that the folder exists and can be written by this user",
        cause,
      },
    );
  }
}

function noneIfAbsent(error: unknown): undefined {
  if (codeOf(error) === "ENOENT") return undefined;
  throw error;
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error ? String(error.code) : "";
