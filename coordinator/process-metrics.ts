/**
 * The process itself: CPU, memory, start, event loop lag. Not prom-client's default set, whose garbage collection
 * observer and delay monitor cannot be stopped again.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Gauge, type Registry } from "prom-client";

const NS_PER_S = 1e9;
const US_PER_S = 1e6;
const RESOLUTION_MS = 20;

/** Registers the gauges and starts measuring; the answer stops it. */
export function watchProcess(registry: Registry): () => void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  const startS = Date.now() / 1000 - process.uptime();
  gauge("process_start_time_seconds", "When the process started, since 1970", () => startS);
  gauge("process_resident_memory_bytes", "Resident memory", () => process.memoryUsage.rss());
  gauge("process_cpu_seconds_total", "User and system CPU time", () => {
    const used = process.cpuUsage();
    return (used.user + used.system) / US_PER_S;
  });
  gauge("nodejs_eventloop_lag_seconds", "Longest delay of the event loop since the last scrape", () => {
    const seconds = Math.max(0, delay.max / NS_PER_S - RESOLUTION_MS / 1000);
    delay.reset();
    return seconds;
  });
  return () => delay.disable();
}
