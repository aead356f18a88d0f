/**
 * What this process uses over a window: processor time of all its threads, and of the event loop's alone. On a machine
 * whose cores are shared the time per piece of work says more than the pieces per second.
 */
import { readFileSync } from "node:fs";
import { type EventLoopUtilization, monitorEventLoopDelay, performance } from "node:perf_hooks";

export interface Usage {
  wallS: number;
  /** User and system time of all threads, s. */
  cpuS: number;
  /** Of the event loop's thread, s. */
  loopCpuS: number;
  /** How much of the window the event loop did something, 0–1. */
  loopBusy: number;
  /** How late the event loop was, ms. */
  lagP99Ms: number;
  lagMaxMs: number;
  /** At the end, bytes. */
  rssBytes: number;
}

const RESOLUTION_MS = 2;

/** Starts a window; the answer ends it. */
export function measureUsage(): () => Usage {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const startNs = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  const loopCpuS = mainThreadCpuS();
  const busy: EventLoopUtilization = performance.eventLoopUtilization();
  return () => {
    delay.disable();
    const used = process.cpuUsage(cpu);
    const late = (ns: number) => Math.max(0, ns / 1e6 - RESOLUTION_MS);
    return {
      wallS: Number(process.hrtime.bigint() - startNs) / 1e9,
      cpuS: (used.user + used.system) / 1e6,
      loopCpuS: mainThreadCpuS() - loopCpuS,
      loopBusy: performance.eventLoopUtilization(busy).utilization,
      lagP99Ms: late(delay.percentile(99)),
      lagMaxMs: late(delay.max),
      rssBytes: process.memoryUsage.rss(),
    };
  };
}

const TICKS_PER_S = 100;

/** Processor time of another process so far, all its threads, s. Linux only; elsewhere, and of one that is gone, 0. */
export const cpuSecondsOf = (pid: number): number => cpuS(`/proc/${pid}/stat`);

/** Processor time of its children that have ended and that it has waited for, s; of theirs, too. */
export const cpuSecondsOfEnded = (pid: number): number => cpuS(`/proc/${pid}/stat`, 13);

/** The most memory a process has had, bytes; 0 where that cannot be known. */
export function peakRssOf(pid: number): number {
  try {
    const kib = /VmHWM:\s*(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kib ?? 0) * 1024;
  } catch {
    return 0;
  }
}

const mainThreadCpuS = (): number => cpuS(`/proc/self/task/${process.pid}/stat`);

/** Two fields of it: 11 is its own user time, 13 that of its ended children; system time follows each. */
function cpuS(file: string, at = 11): number {
  try {
    const stat = readFileSync(file, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[at]) + Number(fields[at + 1])) / TICKS_PER_S;
  } catch {
    return 0;
  }
}
