/** Processes that a benchmark started, with all that they started: their processor time, their cores, their end. Linux. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { cpuSecondsOf } from "./usage.js";

/** These and all below them that run now. */
export function treeOf(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const [, parent] = statOf(Number(name));
    if (parent === undefined) continue;
    children.set(Number(parent), [...(children.get(Number(parent)) ?? []), Number(name)]);
  }
  const found: number[] = [];
  const add = (pid: number): void => {
    found.push(pid);
    for (const child of children.get(pid) ?? []) add(child);
  };
  for (const root of roots) add(root);
  return [...new Set(found)];
}

/** State, parent, ...: what /proc has of a process after its name; nothing of one that is gone. */
function statOf(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

/** Processor time of all of them so far, s. */
export const cpuSecondsOfTree = (roots: readonly number[]): number =>
  treeOf(roots).reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);

/** All their threads run on these cores from now on, such as `0-3`. */
export function pin(roots: readonly number[], cores: string): void {
  for (const pid of treeOf(roots)) spawnSync("taskset", ["-a", "-p", "-c", cores, `${pid}`]);
}

/** Time for those that were asked to end, and for the kernel to end those that were killed, ms. */
const GRACE_MS = 2000;

/**
 * Ends all processes below `root`, which stays: they are asked, so that servers leave nothing in shared memory, and
 * killed after 2 s. Blocks until they are gone: nothing else of this process runs meanwhile.
 */
export function endAllBelow(root: number): void {
  const asked = new Set<number>();
  // Also below those that have ended since they were asked.
  const below = () => treeOf([root, ...asked]).filter((pid) => pid !== root && runs(pid));
  /** Tells those that were not told yet; whether there were any. */
  const tell = (told: Set<number>, signal: NodeJS.Signals): boolean => {
    const more = below().filter((pid) => !told.has(pid));
    for (const pid of more) {
      told.add(pid);
      send(pid, signal);
    }
    return more.length > 0;
  };
  const ended = waited(() => {
    tell(asked, "SIGTERM");
    return below().length === 0;
  });
  if (ended) return;
  // Whoever is stopped starts no others between being found and being killed.
  const stopped = new Set<number>();
  let more = true;
  while (more) more = tell(stopped, "SIGSTOP");
  for (const pid of stopped) send(pid, "SIGKILL");
  waited(() => below().length === 0);
}

/** Whether it became true in time. */
function waited(isTrue: () => boolean): boolean {
  const still = new Int32Array(new SharedArrayBuffer(4));
  for (const untilMs = Date.now() + GRACE_MS; ; Atomics.wait(still, 0, 0, 20)) {
    if (isTrue()) return true;
    if (Date.now() > untilMs) return false;
  }
}

/** Not one that has ended and that nobody has asked about yet. */
function runs(pid: number): boolean {
  const [state] = statOf(pid);
  return state !== undefined && state !== "Z" && state !== "X";
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}
