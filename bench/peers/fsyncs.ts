/**
 * What a server does to the disk before a task is acknowledged, as the kernel sees it: strace writes down each call that
 * forces data to the disk, and its times are laid beside those of the tasks.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { debianProgram } from "../../test/support/outside.js";
import { treeOf } from "../support/process-tree.js";
import type { Span } from "./loop.js";

const CALLS = "fsync,fdatasync,msync,sync_file_range,sync,syncfs";
const DURABLE = 0.99;

/** A call that has returned, s of the wall clock. */
export type Sync = readonly [startS: number, endS: number];

export interface Durability {
  tasks: number;
  syncsPerTask: number;
  /** Tasks with a sync that both began and ended between submit and acknowledgement, 0–1. */
  waited: number;
}

/** Every sync within [submit, acknowledgement]; spans and syncs in any order. */
export function durability(spans: readonly Span[], syncs: readonly Sync[]): Durability {
  const [from, to] = [Math.min(...spans.map(([s]) => s)), Math.max(...spans.map(([, e]) => e))];
  const inside = syncs.filter(([start, end]) => start >= from && end <= to);
  const starts = inside.toSorted(([a], [b]) => a - b);
  const waited = spans.filter(([submitted, acknowledged]) =>
    starts.some(([start, end]) => start >= submitted && end <= acknowledged),
  );
  const tasks = spans.length;
  return { tasks, syncsPerTask: inside.length / tasks, waited: waited.length / tasks };
}

export type DurabilityClass = "durable before the acknowledgement" | "not durable before the acknowledgement";

export const classOf = ({ tasks, waited }: Durability): DurabilityClass =>
  tasks > 0 && waited >= DURABLE
    ? "durable before the acknowledgement"
    : "not durable before the acknowledgement";

/** Calls of `strace -f -ttt -T`: interrupted lines are put together with where they go on. */
export function parseStrace(text: string): Sync[] {
  const syncs: Sync[] = [];
  for (const line of text.split("\n")) {
    const [, at = "", took] = /^\d+\s+(\d+\.\d+)\s.*<(\d+\.\d+)>$/.exec(line) ?? [];
    if (took === undefined) continue;
    // The line where a call goes on has the time of its end.
    const resumed = line.includes(" resumed>");
    const seconds = Number(took);
    const start = resumed ? Number(at) - seconds : Number(at);
    syncs.push([start, start + seconds]);
  }
  return syncs;
}

export interface Watch {
  end(): Promise<Sync[]>;
}

/** Watches these processes and all below them. Rejects when there is no strace, or it may not. */
export async function watchSyncs(pids: readonly number[], folder: string): Promise<Watch> {
  const program = await debianProgram({ program: "/usr/bin/strace", package: "strace" }, console.error);
  const file = join(folder, "syncs");
  const each = treeOf(pids).flatMap((pid) => ["-p", `${pid}`]);
  const args = ["-f", "-ttt", "-T", "-e", `trace=${CALLS}`, "-e", "signal=none", "-o", file, ...each];
  const child: ChildProcess = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr?.on("data", (chunk) => {
    said += chunk;
  });
  const untilMs = Date.now() + 5000;
  while (!said.includes("attached")) {
    if (child.exitCode !== null || Date.now() > untilMs) throw new Error(`strace cannot watch: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    async end() {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGINT");
      await gone;
      return existsSync(file) ? parseStrace(readFileSync(file, "utf8")) : [];
    },
  };
}
