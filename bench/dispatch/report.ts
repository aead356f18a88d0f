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
    ...(shape.etcd === "" ? [] : ["etcd µs/shard", "etcd db MB"]),
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
      ...(shape.etcd === ""
        ? []
        : [m.etcd ? us(m.etcd.cpuS, shards) : "", m.etcd ? (m.etcd.dbBytes / 2 ** 20).toFixed(0) : ""]),
    ];
  });
  return [
    `${shape.agents} agents of ${shape.slots} slots; windows of ${shape.seconds} s after ${shape.warmupS} s; ${shape.ratePerS}/s where a rate is offered`,
    `Node ${machine.node}, ${machine.cores} × ${machine.cpu}, load ${machine.load1m.toFixed(1)}`,
    "",
    ...table([header, ...rows]),
    ...ratios(measured),
    ...Object.entries(measured).flatMap(([name, m]) => [...kept(name, m), ...hot(name, m)]),
    "",
  ].join("\n");
}

/** What is asked of dispatching, and how far it is from the floor of the same run. */
function ratios(measured: { [phase: string]: Measured }): string[] {
  const { saturated, offered, "offered-floor": below } = measured;
  const floors = [measured["floor"], measured["floor-again"]].flatMap((m) => m?.shardsPerS ?? []);
  const said = (what: string, value: string, met: boolean) => `${what}: ${value}, ${met ? "met" : "NOT met"}`;
  const lines: string[] = [];
  if (saturated) {
    const { shardsPerS, txnsPerShard } = saturated;
    lines.push(said("at least 10,000 shards/s", shardsPerS.toFixed(0), shardsPerS >= 10_000));
    lines.push(said("at most 0.02 txns a shard", txnsPerShard.toFixed(4), txnsPerShard <= 0.02));
    const floor = floors.reduce((sum, x) => sum + x, 0) / floors.length;
    if (floors.length > 0) lines.push(`of the floor: ${percent(shardsPerS / floor)}`);
  }
  if (offered?.waitMs) {
    const { p99 } = offered.waitMs;
    lines.push(said("wait p99 of offered shards at most 25 ms", p99.toFixed(1), p99 <= 25));
    lines.push(
      said("at most 0.2 txns a shard", offered.txnsPerShard.toFixed(3), offered.txnsPerShard <= 0.2),
    );
    if (below?.waitMs) lines.push(`the floor's p99: ${below.waitMs.p99.toFixed(1)} ms`);
  }
  return lines.length > 0 ? ["", ...lines] : [];
}

const kept = (name: string, { kept: k }: Measured): string[] =>
  k
    ? [
        "",
        `${name}: ${k.acknowledged} acknowledged, ${k.found} found in the store after kill -9: ${k.found >= k.acknowledged ? "none lost" : "LOST"}`,
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
