/** Processes that a benchmark started, with all that they started: their processor time, their cores, their end. Linux. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { cpuSecondsOf } from "./usage.js";

/** These and all below them that run now. */
export function treeOf(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const parent = parentOf(Number(name));
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  const add = (pid: number): void => {
    found.push(pid);
    for (const child of children.get(pid) ?? []) add(child);
  };
  for (const root of roots) add(root);
  return [...new Set(found)];
}

function parentOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}

/** Processor time of all of them so far, s. */
export const cpuSecondsOfTree = (roots: readonly number[]): number =>
  treeOf(roots).reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);

/** All their threads run on these cores from now on, such as `0-3`. */
export function pin(roots: readonly number[], cores: string): void {
  for (const pid of treeOf(roots)) spawnSync("taskset", ["-a", "-p", "-c", cores, `${pid}`]);
}

/** When this process is interrupted all it started ends, then `clean` runs. */
export function endAllWhenInterrupted(clean: () => void): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      for (const pid of treeOf([process.pid])) if (pid !== process.pid) endNow(pid);
      clean();
      process.exit(130);
    });
}

function endNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
