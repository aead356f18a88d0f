/**
 * Processes as the kernel knows them (/proc): what descends from what, what is alive, ended by pid and seen gone.
 *
 * A pid alone names no process, because the kernel gives it to another later; with the start time it does.
 */
import { readdirSync, readFileSync } from "node:fs";
import { pause } from "./waiting.js";

export interface ProcessName {
  pid: number;
  /** Ticks since the machine's start; undefined if the process was gone before it could be looked at. */
  startTicks: string | undefined;
  command: string;
}

/** Every process below `pid`, children of children too. */
export function descendants(pid: number): ProcessName[] {
  return childrenOf(pid).flatMap((child) => [nameOf(child), ...descendants(child)]);
}

/** Alive, and no zombie whose parent has not looked yet. */
export function isAlive({ pid, startTicks }: ProcessName): boolean {
  const found = stat(pid);
  return startTicks !== undefined && found?.startTicks === startTicks && found.state !== "Z";
}

export function nameOf(pid: number): ProcessName {
  return { pid, startTicks: stat(pid)?.startTicks, command: commandOf(pid) };
}

/** State letter of a process, T when it is stopped; undefined when it is gone. */
export const stateOf = (pid: number): string | undefined => stat(pid)?.state;

/** Memory a process has in RAM now, in bytes; 0 when it is gone. */
export function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(text(`/proc/${pid}/status`))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

/** Resolves with those that are still alive after `withinMs`. */
export async function stillAlive(names: readonly ProcessName[], withinMs: number): Promise<ProcessName[]> {
  const endMs = Date.now() + withinMs;
  for (;;) {
    const alive = names.filter(isAlive);
    if (alive.length === 0 || Date.now() > endMs) return alive;
    await pause();
  }
}

function childrenOf(pid: number): number[] {
  let threads: string[] = [];
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    // It is gone.
  }
  return threads.flatMap((thread) =>
    text(`/proc/${pid}/task/${thread}/children`).split(" ").filter(Boolean).map(Number),
  );
}

function stat(pid: number): { state: string; startTicks: string } | undefined {
  // The command stands in parentheses and may hold anything; the state is the first field behind it.
  const fields = text(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ") ?? [];
  const [state, startTicks] = [fields[0], fields[19]];
  return state && startTicks ? { state, startTicks } : undefined;
}

const commandOf = (pid: number): string => text(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();

function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
