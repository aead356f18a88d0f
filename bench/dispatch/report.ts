/** The benchmark's table. */
import type { Machine } from "../support/machine.js";
import { table } from "../support/table.js";
import type { Measured, Shape } from "./phases.js";

const us = (seconds: number, shards: number) => `${((seconds / shards) * 1e6).toFixed(1)}`;
const percent = (share: number) => `${(share * 100).toFixed(0)} %`;

/** Ends with a newline. */
export function printed(measured: { [phase: string]: Measured }, shape: Shape, machine: Machine): string {
  const header = [
    "",
    ...["shards/s", "wait p50 ms", "p99 ms", "txns/shard"],
    ...["coord µs/shard", "loop µs", "busy", "lag p99 ms", "agents µs/shard", "busy", "coord MB"],
  ];
  const rows = Object.entries(measured).map(([name, m]) => {
    const shards = m.shardsPerS * m.coordinator.wallS;
    return [
      name,
      m.shardsPerS.toFixed(0),
      m.waitMs?.p50.toFixed(2) ?? "",
      m.waitMs?.p99.toFixed(2) ?? "",
      m.txnsPerShard.toFixed(4),
      us(m.coordinator.cpuS, shards),
      us(m.coordinator.loopCpuS, shards),
      percent(m.coordinator.loopBusy),
      m.coordinator.lagP99Ms.toFixed(1),
      us(m.agents.cpuS, shards),
      percent(m.agents.loopBusy),
      (m.coordinator.rssBytes / 2 ** 20).toFixed(0),
    ];
  });
  return [
    `${shape.agents} agents of ${shape.slots} slots; windows of ${shape.seconds} s after ${shape.warmupS} s; ${shape.ratePerS}/s where a rate is offered`,
    `Node ${machine.node}, ${machine.cores} × ${machine.cpu}, load ${machine.load1m.toFixed(1)}`,
    "",
    ...table([header, ...rows]),
    ...Object.entries(measured).flatMap(([name, m]) => [...kept(name, m), ...hot(name, m)]),
    "",
  ].join("\n");
}

const kept = (name: string, { kept: k }: Measured): string[] =>
  k
    ? [
        "",
        `${name}: ${k.acknowledged} acknowledged, ${k.found} found on the disk after kill -9: ${k.found >= k.acknowledged ? "none lost" : "LOST"}`,
      ]
    : [];

function hot(name: string, { hot: { coordinator, agents } }: Measured): string[] {
  const lines = (of: string, hottest: typeof coordinator) =>
    hottest.length === 0
      ? []
      : [
          "",
          `${name}, ${of}: hottest`,
          ...hottest.map(({ share, what }) => `${(share * 100).toFixed(1).padStart(6)} %  ${what}`),
        ];
  return [...lines("coordinator", coordinator), ...lines("agents", agents)];
}
