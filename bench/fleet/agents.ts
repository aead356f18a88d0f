/**
 * Many simulated agents in one process: real agent cores, each with a connection of its own as a machine has it, with
 * heartbeats, probes of the artifact store and the reconnecting of the real ones. They run nothing, and their disk is
 * memory.
 */
import { join } from "node:path";
import { startAgentCore } from "../../agent/core.js";
import { dialGrpc } from "../../agent/session/transport.js";
import { openFolderStore } from "../../shared/artifacts/folder-store.js";
import { Inventory } from "../../shared/gen/sai/v1/node.js";
import { systemClock as clock } from "../../shared/runtime/clock.js";
import { defaultConfig } from "../../shared/runtime/config.js";
import { silentLogger } from "../../shared/runtime/logger.js";
import { systemRandom as random } from "../../shared/runtime/random.js";
import { answer } from "../support/asking.js";
import { measureUsage, type Usage } from "../support/usage.js";
import { memoryDisk } from "./memory-disk.js";

export interface AgentsStart {
  folder: string;
  address: string;
  /** The number of the first one. */
  first: number;
  count: number;
}

/** Agents of a larger fleet wait longer between two dials. */
const LARGE_FLEET = 1000;
const LARGE_CAP_MS = 10_000;

let endWindow: (() => Usage) | undefined;

const questions = {
  async start({ folder, address, first, count }: AgentsStart): Promise<void> {
    const config = defaultConfig();
    const { reconnectBaseMs: baseMs, reconnectCapMs } = config.agent;
    const capMs = count > LARGE_FLEET ? LARGE_CAP_MS : reconnectCapMs;
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
        work: { run: async () => ({ kind: "cancelled" }) },
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

  async begin(_: object): Promise<void> {
    endWindow = measureUsage();
  },

  async end(_: object): Promise<Usage> {
    if (endWindow === undefined) throw new Error("no window has begun");
    return endWindow();
  },
};
export type FleetAgentsQuestions = typeof questions;

await answer(questions);
process.exit();
