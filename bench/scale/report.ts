/** The benchmark's table. */
import type { Machine } from "../support/machine.js";
import { table } from "../support/table.js";
import type { ScaleMeasured } from "./measure.js";

const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`;
const s = (seconds: number) => `${seconds.toFixed(1)} s`;
const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

/** Ends with a newline. */
export function printed(measured: readonly ScaleMeasured[], machine: Machine): string {
  const row = (name: string, cell: (m: ScaleMeasured) => string) => [name, ...measured.map(cell)];
  const rate = (m: ScaleMeasured, i: 0 | 1) =>
    (m.stretches[i].shards / m.stretches[i].usage.wallS).toFixed(0);
  const us = (m: ScaleMeasured, seconds: number, i: 0 | 1) =>
    `${((seconds / m.stretches[i].shards) * 1e6).toFixed(0)} µs`;
  const lag = (m: ScaleMeasured, i: 0 | 1) =>
    `${m.stretches[i].usage.lagP99Ms.toFixed(0)} / ${m.stretches[i].usage.lagMaxMs.toFixed(0)} ms`;
  const rows = [
    row("agents", (m) => `${m.agents}`),
    row("shards", (m) => `${m.shards}`),
    row("first start until all ready", (m) => s(m.firstReadyS)),
    row("RSS / JS heap, no agent", (m) => `${mib(m.memory.before.rss)} / ${mib(m.memory.before.heap)}`),
    row("RSS / JS heap, all agents", (m) => `${mib(m.memory.fleet.rss)} / ${mib(m.memory.fleet.heap)}`),
    row("RSS / JS heap, at the end", (m) => `${mib(m.memory.over.rss)} / ${mib(m.memory.over.heap)}`),
    row("peak RSS, first / second", (m) => m.peakRss.map(mib).join(" / ")),
    row("peak RSS a shard", (m) => kib((Math.max(...m.peakRss) - m.memory.fleet.rss) / m.shards)),
    row("idle: CPU of one core", (m) => percent(m.idle.cpuS / m.idle.wallS)),
    row(
      "idle: loop lag p99 / max",
      (m) => `${m.idle.lagP99Ms.toFixed(0)} / ${m.idle.lagMaxMs.toFixed(0)} ms`,
    ),
    row("shards/s before the kill", (m) => rate(m, 0)),
    row("shards/s from the return on", (m) => rate(m, 1)),
    row("coordinator CPU a shard", (m) => us(m, m.stretches[0].usage.cpuS, 0)),
    row("etcd CPU a shard", (m) => us(m, m.stretches[0].etcdCpuS, 0)),
    row("loop lag p99 / max, before", (m) => lag(m, 0)),
    row("loop lag p99 / max, after", (m) => lag(m, 1)),
    row("kill -9 until it listens", (m) => s(m.back.listeningS)),
    row("kill -9 until a shard is done", (m) => s(m.back.nextDoneS)),
    row("kill -9 until all are ready", (m) => s(m.back.allReadyS)),
    row("etcd's database, all done", (m) => mib(m.store.doneBytes)),
    row("after sealing: file / in use", (m) => `${mib(m.store.sealedBytes)} / ${mib(m.store.sealedInUse)}`),
    row("last shard until it is over", (m) => s(m.sealS)),
    row("shards run / run twice", (m) => `${m.counted.ran} / ${m.counted.ranTwice}`),
    row("recorded / recorded twice", (m) => `${m.counted.recorded} / ${m.counted.recordedTwice}`),
    row("samples in the summary", (m) => `${m.summedUp}`),
    row("lost", (m) => `${m.shards - m.counted.recorded}`),
  ];
  return [
    `Node ${machine.node}, ${machine.cores} × ${machine.cpu}, load ${machine.load1m.toFixed(1)}`,
    "",
    ...table(rows),
    "",
  ].join("\n");
}
