/**
 * A disk that can be filled and freed. A tmpfs of a given size where mounting is allowed; elsewhere the kernel's limit
 * on the size of files (RLIMIT_FSIZE) of the processes concerned, which fails writes the same way at another place.
 */
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Room {
  /** How it is done, for people. */
  readonly how: string;
  readonly folder: string;
  /** Leaves no room; `pids` are those that must feel it. Again, when something was freed since. */
  fill(pids: readonly number[]): void;
  free(pids: readonly number[]): void;
  remove(): void;
}

/** Makes a room of `bytes` in a temporary folder; `mounts` is false to do without a tmpfs where one is allowed. */
export function makeRoom(bytes: number, mounts: boolean): Room {
  const folder = mkdtempSync(join(tmpdir(), "sai-kills-room-"));
  if (!mounts) return fileSizes(folder);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder], { stdio: "pipe" });
  } catch {
    return fileSizes(folder);
  }
  return smallDisk(folder);
}

function smallDisk(folder: string): Room {
  const filler = join(folder, "filler");
  return {
    ...{ how: "a tmpfs", folder },
    fill() {
      const file = openSync(filler, "a");
      try {
        // To the last page; what is freed meanwhile is filled the next time it is asked for.
        for (const size of [1024 * 1024, 4096, 1]) writeWhileItFits(file, Buffer.alloc(size));
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler),
    remove: () => {
      execFileSync("umount", [folder], { stdio: "pipe" });
      rmSync(folder, { recursive: true });
    },
  };
}

function writeWhileItFits(file: number, block: Buffer): void {
  try {
    while (writeSync(file, block) > 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

/** Smaller than any journal of these campaigns and than any database. */
const LIMIT_BYTES = 2048;

function fileSizes(folder: string): Room {
  const limit = (pids: readonly number[], bytes: string) => {
    for (const pid of pids) execFileSync("prlimit", ["--pid", `${pid}`, `--fsize=${bytes}:unlimited`]);
  };
  return {
    ...{ how: "RLIMIT_FSIZE", folder },
    fill: (pids) => limit(pids, `${LIMIT_BYTES}`),
    free: (pids) => limit(pids, "unlimited"),
    remove: () => rmSync(folder, { recursive: true }),
  };
}
