/**
 * One phase after the other, each with processes and a folder of its own: the floor, dispatching at saturation,
 * dispatching at an offered rate, the whole ladder. A phase warms up before its window, because what a process runs
 * first it runs slowly.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { percentile } from "../../shared/benchmark/statistics/percentiles.js";
import { systemClock as clock } from "../../shared/runtime/clock.js";
import { ask } from "../support/asking.js";
import { type BenchEtcd, startBenchEtcd } from "../support/bench-etcd.js";
import { compiled } from "../support/compiled.js";
import { type LineChild, startLineChild } from "../support/line-child.js";
import type { HotLine } from "../support/profile.js";
import { cpuSecondsOf, type Usage } from "../support/usage.js";
import type { AgentsQuestions, AgentsStart } from "./agents.js";
import type { CoordinatorQuestions } from "./coordinator.js";
import { countDone } from "./durable.js";
import { TOGETHER } from "./floor.js";
import type { FloorClientQuestions } from "./floor-client.js";
import type { FloorServerQuestions } from "./floor-server.js";

export interface Shape {
  agents: number;
  slots: number;
  warmupS: number;
  seconds: number;
  ratePerS: number;
  /** The etcd server's program when etcd is the state store; empty: the embedded one. */
  etcd: string;
  /** Folder for profiles; empty: none are made. */
  profiles: string;
}

/** What one phase measured. */
export interface Measured {
  shardsPerS: number;
  txnsPerShard: number;
  /** The coordinator's side, or the floor's server. */
  coordinator: Usage;
  agents: Usage;
  /** Processor time of the etcd server in the window, s, where there is one; and its database's size afterwards. */
  etcd?: { cpuS: number; dbBytes: number };
  /** From a shard's moment to its start, ms; only where shards are offered. */
  waitMs?: Waits;
  /** Acknowledged to the agents, and found in the store after the coordinator was killed. */
  kept?: { acknowledged: number; found: number };
  hot: { coordinator: HotLine[]; agents: HotLine[] };
}

export interface Waits {
  p50: number;
  p99: number;
  max: number;
  count: number;
  notStarted: number;
}

const SEED = 7;
/** Shards that each stream of the floor has at once. */
const FLOOR_WINDOW = 1000;

/** Dispatches no-op shards: as many as go, or `ratePerS` of them. */
export const dispatch = (shape: Shape, load: "saturated" | "offered"): Promise<Measured> =>
  inFolder(async (folder) => {
    const shards = Math.ceil(
      (shape.warmupS + shape.seconds + 1) * (load === "offered" ? shape.ratePerS : 25_000),
    );
    const { coordinator, agents, etcd, end } = await startBoth(shape, folder, "noop");
    try {
      await ask<CoordinatorQuestions, "campaign">(coordinator, "campaign", {
        suite: suite(shards, 1),
        held: load === "offered",
      });
      const offer = (seconds: number) =>
        ask<CoordinatorQuestions, "offer">(coordinator, "offer", {
          ratePerS: shape.ratePerS,
          seconds,
          seed: SEED,
        });
      if (load === "offered") await offer(shape.warmupS);
      else await clock.sleep(shape.warmupS * 1000);
      const ofEtcd = await begin(shape, load, { coordinator, agents, etcd });
      if (load === "offered") {
        const offered = await offer(shape.seconds);
        const ended = { ...(await finish(coordinator, agents)), ...(await ofEtcd()) };
        await clock.sleep(500);
        const about = { from: offered.from, count: offered.atNs.length };
        const starts = await ask<AgentsQuestions, "starts">(agents, "starts", about);
        return { ...ended, waitMs: waits(offered.atNs, starts) };
      }
      await clock.sleep(shape.seconds * 1000);
      const measured = { ...(await finish(coordinator, agents)), ...(await ofEtcd()) };
      const acknowledged = await ask<AgentsQuestions, "acknowledged">(agents, "acknowledged", {});
      await coordinator.kill();
      const where = etcd === undefined ? { folder: join(folder, "state") } : { etcd: etcd.url };
      return { ...measured, kept: { acknowledged, found: await countDone(where) } };
    } finally {
      await end();
    }
  });

/** Everything a shard goes through: the runner, the journal, a records file in the artifact store. */
export const ladder = (shape: Shape): Promise<Measured> =>
  inFolder(async (folder) => {
    const { coordinator, agents, etcd, end } = await startBoth(shape, folder, "ladder");
    try {
      const shards = Math.ceil((shape.warmupS + shape.seconds + 1) * 3000);
      await ask<CoordinatorQuestions, "campaign">(coordinator, "campaign", {
        suite: suite(shards * LADDER_SAMPLES, LADDER_SAMPLES),
        held: false,
      });
      await clock.sleep(shape.warmupS * 1000);
      const ofEtcd = await begin(shape, "ladder", { coordinator, agents, etcd });
      await clock.sleep(shape.seconds * 1000);
      return { ...(await finish(coordinator, agents)), ...(await ofEtcd()) };
    } finally {
      await end();
    }
  });

/** Samples of a shard on the ladder: more than fit inline. */
export const LADDER_SAMPLES = 4;

/** The floor, under the same load. */
export const floor = (shape: Shape, load: "saturated" | "offered"): Promise<Measured> =>
  inFolder(async (folder) => {
    const server = startLineChild(compiled(new URL("./floor-server.ts", import.meta.url)));
    const client = startLineChild(compiled(new URL("./floor-client.ts", import.meta.url)));
    try {
      const { address } = await ask<FloorServerQuestions, "start">(server, "start", { folder });
      await ask<FloorClientQuestions, "start">(client, "start", { address, agents: shape.agents });
      await clock.sleep(200);
      const offer = (seconds: number) =>
        ask<FloorServerQuestions, "offer">(server, "offer", {
          ratePerS: shape.ratePerS,
          seconds,
          seed: SEED,
        });
      if (load === "offered") await offer(shape.warmupS);
      else {
        const each = Math.ceil(FLOOR_WINDOW / TOGETHER) * TOGETHER;
        await ask<FloorServerQuestions, "saturate">(server, "saturate", { each });
        await clock.sleep(shape.warmupS * 1000);
      }
      await ask<FloorServerQuestions, "begin">(server, "begin", {});
      await ask<FloorClientQuestions, "begin">(client, "begin", {});
      let offered: { from: number; atNs: number[] } | undefined;
      if (load === "offered") offered = await offer(shape.seconds);
      else await clock.sleep(shape.seconds * 1000);
      const { usage, shards, txns } = await ask<FloorServerQuestions, "end">(server, "end", {});
      const { usage: agents } = await ask<FloorClientQuestions, "end">(client, "end", {});
      await clock.sleep(200);
      const about = offered && { from: offered.from, count: offered.atNs.length };
      const starts = about && (await ask<FloorClientQuestions, "starts">(client, "starts", about));
      return {
        ...{ shardsPerS: shards / usage.wallS, txnsPerShard: txns / shards, coordinator: usage, agents },
        ...(offered && starts ? { waitMs: waits(offered.atNs, starts) } : {}),
        hot: { coordinator: [], agents: [] },
      };
    } finally {
      await Promise.all([client.end(), server.end()]);
    }
  });

async function startBoth(shape: Shape, folder: string, run: AgentsStart["run"]) {
  const etcd = shape.etcd === "" ? undefined : await startBenchEtcd(shape.etcd);
  const coordinator = startLineChild(compiled(new URL("./coordinator.ts", import.meta.url)));
  const agents = startLineChild(compiled(new URL("./agents.ts", import.meta.url)));
  const end = async () => {
    await Promise.all([agents.end(), coordinator.end()]);
    await etcd?.close();
  };
  try {
    const { address } = await ask<CoordinatorQuestions, "start">(coordinator, "start", {
      ...{ folder, etcd: etcd?.url ?? "" },
    });
    const { agents: nodes, slots } = shape;
    await ask<AgentsQuestions, "start">(agents, "start", { folder, address, agents: nodes, slots, run });
    await ask<CoordinatorQuestions, "ready">(coordinator, "ready", { nodes });
    return { coordinator, agents, etcd, end };
  } catch (error) {
    await end();
    throw error;
  }
}

async function begin(
  { profiles }: Shape,
  phase: string,
  { coordinator, agents, etcd }: { coordinator: LineChild; agents: LineChild; etcd: BenchEtcd | undefined },
): Promise<() => Promise<Pick<Measured, "etcd">>> {
  const of = (who: string) => ({
    profiles: profiles === "" ? "" : join(profiles, `${phase}-${who}.cpuprofile`),
  });
  await ask<AgentsQuestions, "begin">(agents, "begin", of("agents"));
  await ask<CoordinatorQuestions, "begin">(coordinator, "begin", of("coordinator"));
  if (etcd === undefined) return async () => ({});
  const before = cpuSecondsOf(etcd.pid);
  return async () => {
    const cpuS = cpuSecondsOf(etcd.pid) - before;
    return { etcd: { cpuS, dbBytes: (await etcd.size()).dbBytes } };
  };
}

async function finish(coordinator: LineChild, agents: LineChild): Promise<Measured> {
  const window = await ask<CoordinatorQuestions, "end">(coordinator, "end", {});
  const ofAgents = await ask<AgentsQuestions, "end">(agents, "end", {});
  const { usage, shards, txns } = window;
  return {
    ...{ shardsPerS: shards / usage.wallS, txnsPerShard: txns / shards },
    ...{ coordinator: usage, agents: ofAgents.usage },
    hot: { coordinator: window.hot, agents: ofAgents.hot },
  };
}

function waits(atNs: readonly number[], startNs: readonly (number | null)[]): Waits {
  const ms = atNs.flatMap((at, i) => {
    const start = startNs[i];
    return start == null ? [] : [(start - at) / 1e6];
  });
  ms.sort((a, b) => a - b);
  const { length: count } = ms;
  const notStarted = atNs.length - count;
  return { p50: percentile(ms, 0.5), p99: percentile(ms, 0.99), max: ms.at(-1) ?? 0, count, notStarted };
}

const ITEMS = 1000;

/** One job of so many samples, as JSON. */
const suite = (samples: number, shardSize: number): string =>
  JSON.stringify({
    schema: "sai/v1",
    name: "dispatch",
    prompts: [{ id: "ask", template: "{{ input }}", output: "text" }],
    models: [{ id: "m", engine: "simulated" }],
    datasets: [
      {
        id: "d",
        items: Array.from({ length: ITEMS }, (_, i) => ({ input: `question ${i}`, target: `a${i}` })),
      },
    ],
    metrics: ["exact_match"],
    run: { shard_size: shardSize, repetitions: Math.ceil(samples / ITEMS) },
  });

async function inFolder<T>(run: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "sai-dispatch-"));
  try {
    return await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
