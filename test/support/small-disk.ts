/**
 * A disk that is soon full: a tmpfs of a few megabytes where mounting is allowed; elsewhere a limit on the size of each
 * file a process writes (RLIMIT_FSIZE), which fails the same writes. Says which.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SmallDisk {
  readonly how: "tmpfs" | "RLIMIT_FSIZE";
  readonly folder: string;
  /** For startStoreProcess: what the process has to run in. */
  readonly shell: string | undefined;
  /** Room for everybody: what else is on the disk goes away, or the limit of process `pid`. */
  makeRoom(pid: number): void;
  close(): void;
}

/** `bytes`: of the disk; half of them are taken. */
export function smallDisk(bytes: number): SmallDisk {
  const folder = mkdtempSync(join(tmpdir(), "sai-small-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "none", folder], { stdio: "pipe" });
  } catch (error) {
    const why = String((error as { stderr?: Buffer }).stderr ?? error).trim();
    console.info(`small disk: RLIMIT_FSIZE, because a tmpfs cannot be mounted here (${why})`);
    return {
      how: "RLIMIT_FSIZE",
      folder,
      shell: `ulimit -S -f ${Math.floor(bytes / 2 / 1024)}; exec "$@"`,
      makeRoom: (pid) => void execFileSync("prlimit", ["--pid", `${pid}`, "--fsize=unlimited:"]),
      close: () => rmSync(folder, { recursive: true }),
    };
  }
  console.info("small disk: tmpfs");
  const ballast = join(folder, "ballast");
  mkdirSync(join(folder, "state"));
  writeFileSync(ballast, new Uint8Array(bytes / 2));
  return {
    how: "tmpfs",
    folder,
    shell: undefined,
    makeRoom: () => rmSync(ballast),
    close() {
      execFileSync("umount", [folder]);
      rmSync(folder, { recursive: true });
    },
  };
}
