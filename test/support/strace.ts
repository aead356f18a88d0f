/** Disks that stall: fdatasync of processes that run is held up by the kernel's tracing, the processes themselves are not. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { until } from "./until.js";

export interface Stall {
  /** The disks work again; resolves when nothing traces any more. */
  end(): Promise<void>;
}

/** Holds up each fdatasync of the processes from now on. Throws where tracing is refused. */
export async function stallDisks(strace: string, pids: readonly number[]): Promise<Stall> {
  const running = new Set<ChildProcess>();
  let said = "";
  const end = async () => {
    for (const child of running) {
      const gone = once(child, "exit");
      child.kill("SIGTERM");
      await gone;
    }
  };
  for (const pid of pids) {
    const what = ["-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:delay_enter=600000000"];
    const child = spawn(strace, ["-f", "-qq", ...what, "-o", "/dev/null", "-p", `${pid}`], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr?.on("data", (text) => {
      said += text;
    });
    running.add(child);
    child.once("exit", () => running.delete(child));
  }
  const traced = (pid: number) => !/^TracerPid:\t0$/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  try {
    await until("the disks stall", () => {
      if (running.size < pids.length) throw new Error(`strace cannot hold up the disks here: ${said}`);
      return pids.every(traced);
    });
  } catch (error) {
    await end();
    throw error;
  }
  return { end };
}
