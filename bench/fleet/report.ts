/** The benchmark's table. */
import type { Machine } from "../support/machine.js";
import { table } from "../support/table.js";
import type { FleetMeasured } from "./measure.js";

/** Until all of 1,000 agents are back, s. */
const BACK_AIM_S = 30;
const AIM_AGENTS = 1000;

const kib = (bytes: number, agents: number) => `${(bytes / agents / 1024).toFixed(0)} KiB`;
const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

/** Ends with a newline. */
export function printed(measured: readonly FleetMeasured[], machine: Machine): string {
  const row = (name: string, cell: (m: FleetMeasured) => string) => [name, ...measured.map(cell)];
  const rows = [
    row("agents", (m) => `${m.agents}`),
    row("first start until all ready", (m) => `${m.firstReadyS.toFixed(1)} s`),
    row("memory an agent, RSS", (m) => kib(m.memory.after.rss - m.memory.before.rss, m.agents)),
    row("memory an agent, JS heap", (m) => kib(m.memory.after.heap - m.memory.before.heap, m.agents)),
    row("RSS with all", (m) => `${(m.memory.after.rss / 2 ** 20).toFixed(0)} MiB`),
    row("idle: CPU of one core", (m) => percent(m.idle.cpuS / m.idle.wallS)),
    row("idle: loop lag p99", (m) => `${m.idle.lagP99Ms.toFixed(1)} ms`),
    row("idle: loop lag max", (m) => `${m.idle.lagMaxMs.toFixed(1)} ms`),
    row("kill -9 until it listens again", (m) => `${m.back.listeningS.toFixed(1)} s`),
    row("kill -9 until all are ready", (m) => `${m.back.allReadyS.toFixed(1)} s`),
    row("coming back: loop lag p99", (m) => `${m.back.usage.lagP99Ms.toFixed(1)} ms`),
    row("coming back: loop lag max", (m) => `${m.back.usage.lagMaxMs.toFixed(1)} ms`),
  ];
  const aimed = measured.filter((m) => m.agents === AIM_AGENTS);
  return [
    `Node ${machine.node}, ${machine.cores} × ${machine.cpu}, load ${machine.load1m.toFixed(1)}`,
    "",
    ...table(rows),
    ...aimed.map((m) => {
      const met = m.back.allReadyS <= BACK_AIM_S ? "met" : "NOT met";
      return `\nall of ${AIM_AGENTS} ready within ${BACK_AIM_S} s of the kill: ${met}`;
    }),
    "",
  ].join("\n");
}
