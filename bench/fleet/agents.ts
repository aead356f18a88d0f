/**
 * Many simulated agents in one process: real agent cores, each with a connection of its own as a machine has it, with
 * heartbeats, probes of the artifact store and the reconnecting of the real ones. They take no work, or answer it at once
 * with a record of the real shape; their disk is memory. They stand for other machines, so they leave the processor to
 * whoever is measured (nice 10).
 */
import { setPriority } from "node:os";
import { join } from "node:path";
import type { RunAttempt } from "../../agent/attempt/attempts.js";
import { startAgentCore } from "../../agent/core.js";
import { dialGrpc } from "../../agent/session/transport.js";
import { openFolderStore } from "../../shared/artifacts/folder-store.js";
import { Inventory } from "../../shared/gen/sai/v1/node.js";
import { systemClock as clock } from "../../shared/runtime/clock.js";
import { defaultConfig } from "../../shared/runtime/config.js";
import { silentLogger } from "../../shared/runtime/logger.js";
import { systemRandom as random } from "../../shared/runtime/random.js";
import { resultOf } from "../dispatch/noop.js";
import { answer } from "../support/asking.js";
import { measureUsage, type Usage } from "../support/usage.js";
import { memoryDisk } from "./memory-disk.js";

export interface AgentsStart {
  folder: string;
  address: string;
  /** The number of the first one. */
  first: number;
  count: number;
  /** How many the fleet has in all. */
  of: number;
  /** What becomes of an attempt: it is given back, or it succeeds at once. */
  run: "nothing" | "noop";
}

/** How often shards of a job were run by the agents of this process, one byte each, base64. */
export interface Runs {
  [job: string]: string;
}

/** Agents of a larger fleet wait longer between two dials. */
const LARGE_FLEET = 1000;
const LARGE_CAP_MS = 10_000;

const runs = new Map<string, Uint8Array>();

function count({ campaign, job, index }: { campaign: string; job: string; index: number }): void {
  const name = `${campaign}/${job}`;
  let counts = runs.get(name) ?? new Uint8Array(1024);
  while (index >= counts.length) {
    const more = new Uint8Array(counts.length * 2);
    more.set(counts);
    counts = more;
  }
  runs.set(name, counts);
  counts[index] = Math.min(255, (counts[index] ?? 0) + 1);
}

const noop: RunAttempt = async (assignment, _, hooks) => {
  count(assignment.shard);
  hooks.started();
  return { kind: "result", result: resultOf(assignment) };
};
const nothing: RunAttempt = async () => ({ kind: "cancelled" });

let endWindow: (() => Usage) | undefined;

const questions = {
  async start({ folder, address, first, count, of, run }: AgentsStart): Promise<void> {
    const config = defaultConfig();
    const { reconnectBaseMs: baseMs, reconnectCapMs } = config.agent;
    const capMs = of > LARGE_FLEET ? LARGE_CAP_MS : reconnectCapMs;
    const artifacts = await openFolderStore(join(folder, "artifacts"), random);
    const log = silentLogger();
    const device = { uuid: "cpu", kind: "cpu", name: "cpu", slots: 1, memoryBytes: 0, used: 0 };
    const engine = { kind: "simulated", version: "1", models: [], unavailable: "" };
    for (let i = first; i < first + count; i++) {
      const id = `agent-${i}`;
      // Of its own: machines differ at least in their names.
      const inventory = Inventory.fromPartial({ hostname: id, devices: [device], engines: [engine] });
      await startAgentCore({
        ...{ id, version: "bench", disk: memoryDisk(), dir: id, artifacts, dial: dialGrpc() },
        work: { run: run === "noop" ? noop : nothing },
        devices: [{ uuid: "cpu", lane: "cpu", slots: 1 }],
        inventory: () => ({ hash: id, inventory }),
        loopLagMs: () => 0,
        ...{ clock, random, log },
        options: {
          coordinatorAddress: address,
          reconnect: { baseMs, capMs },
          spoolQuotaBytes: 256 * 1024 * 1024,
          journalSync: { ms: config.agent.journalSyncMs, records: config.agent.journalSyncSamples },
          maxLoadedModels: config.resourceManager.maxConcurrentModels,
          drainTimeoutMs: config.agent.drainTimeoutMs,
        },
      });
    }
  },

  async runs(_: object): Promise<Runs> {
    return Object.fromEntries(
      [...runs].map(([job, counts]) => [job, Buffer.from(counts).toString("base64")]),
    );
  },

  async begin(_: object): Promise<void> {
    endWindow = measureUsage();
  },

  async end(_: object): Promise<Usage> {
    if (endWindow === undefined) throw new Error("no window has begun");
    return endWindow();
  },
};
export type FleetAgentsQuestions = typeof questions;

setPriority(10);
await answer(questions);
process.exit();
