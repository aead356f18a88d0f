/**
 * Who owns a folder, and whether that process still lives. A process id alone says little, because ids are given again:
 * the boot, and when in it the process started, make it one process. A stopped process (SIGSTOP) lives; one that is dead
 * and only not yet collected by its parent does not.
 *
 * A process of another pid namespace (another container) cannot be looked up. It counts as dead, because a container
 * that is started again is what happens; should it live after all, the nonce in every commit ends it (lmdb.ts).
 */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

export interface Owner {
  /** This opening of the folder. */
  nonce: string;
  pid: number;
  /** Clock ticks from the boot to the process's start. */
  startTicks: string;
  bootId: string;
  pidNamespace: string;
  /** For people. */
  host: string;
  /** Wall ms since 1970, for people. */
  sinceMs: number;
}

/** This process, as the owner `nonce`. */
export function thisProcess(nonce: string, sinceMs: number): Owner {
  return {
    nonce,
    pid: process.pid,
    startTicks: stat("self")?.startTicks ?? "",
    bootId: read("/proc/sys/kernel/random/boot_id"),
    pidNamespace: namespace(),
    host: hostname(),
    sinceMs,
  };
}

/** Whether the process of a record still lives. */
export function isAlive(owner: Owner): boolean {
  if (owner.bootId !== read("/proc/sys/kernel/random/boot_id")) return false;
  if (owner.pidNamespace !== namespace()) return false;
  const found = stat(String(owner.pid));
  return found !== undefined && found.startTicks === owner.startTicks && !/[ZX]/.test(found.state);
}

/** State and start of a process, from proc(5); undefined when there is none. */
function stat(pid: string): { state: string; startTicks: string } | undefined {
  // The second field is the program's name in parentheses and may hold anything, parentheses too.
  const text = read(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, startTicks] = [fields[0], fields[19]];
  return state && startTicks ? { state, startTicks } : undefined;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

function namespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}
