/**
 * The agents under test, all in one process: real agent cores on a real disk, each with a connection of its own over the
 * loopback. What runs an attempt is nothing at all (noop.ts), something that gives its item back (echo.ts), or the real
 * runner with the simulated engine.
 */
import { join } from "node:path";
import type { Assignment, ShardResult } from "../../agent/attempt/assignment.js";
import type { RunAttempt } from "../../agent/attempt/attempts.js";
import { Inputs } from "../../agent/attempt/inputs.js";
import { type AgentCore, type AgentCoreParts, startAgentCore } from "../../agent/core.js";
import { createSimulatedEngine } from "../../agent/engines/simulated.js";
import { dialGrpc } from "../../agent/session/transport.js";
import { openFolderStore } from "../../shared/artifacts/folder-store.js";
import type { ArtifactStore } from "../../shared/artifacts/store.js";
import { Inventory } from "../../shared/gen/sai/v1/node.js";
import { systemClock as clock } from "../../shared/runtime/clock.js";
import { defaultConfig } from "../../shared/runtime/config.js";
import { nodeDisk } from "../../shared/runtime/disk.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import { systemRandom as random } from "../../shared/runtime/random.js";
import { answer } from "../support/asking.js";
import { type HotLine, profile } from "../support/profile.js";
import { measureUsage, type Usage } from "../support/usage.js";
import { echo } from "./echo.js";
import { resultOf } from "./noop.js";

export interface AgentsWindow {
  usage: Usage;
  hot: HotLine[];
}

export interface AgentsStart {
  folder: string;
  address: string;
  agents: number;
  slots: number;
  /** `noop`: nothing is run or read; `echo`: the item comes back; `ladder`: the real runner. */
  run: "noop" | "echo" | "ladder";
}

const HOT_LINES = 10;

const log = lineLogger((line) => process.stderr.write(line), "warn");
const cores: AgentCore[] = [];
/** When attempts started, ns of the machine's clock, by shard. */
const startedNs: number[] = [];
/** Shards that were run. */
const ran = new Set<string>();
let finished = 0;
let endWindow: (() => Promise<AgentsWindow>) | undefined;

/** Attempts without an engine, which are counted; `answer` is what they come to. */
const counted =
  (answer: (assignment: Assignment) => ShardResult | Promise<ShardResult>): RunAttempt =>
  async (assignment, _, hooks) => {
    startedNs[assignment.shard.index] ??= Number(process.hrtime.bigint());
    hooks.started();
    const { campaign, job, index } = assignment.shard;
    ran.add(`${campaign}/${job}/${index}`);
    const result = await answer(assignment);
    finished += 1;
    return { kind: "result", result };
  };

function workOf(run: AgentsStart["run"], artifacts: ArtifactStore): AgentCoreParts["work"] {
  if (run === "ladder") return { engines: new Map([["simulated", createSimulatedEngine({ clock })]]) };
  if (run === "noop") return { run: counted((assignment) => resultOf(assignment)) };
  const inputs = new Inputs(artifacts);
  return { run: counted((assignment) => echo(inputs, assignment)) };
}

const questions = {
  async start({ folder, address, agents, slots, run }: AgentsStart): Promise<void> {
    const config = defaultConfig();
    const artifacts = await openFolderStore(join(folder, "artifacts"), random);
    const device = { uuid: "cpu", kind: "cpu", name: "cpu", slots, memoryBytes: 0, used: 0 };
    const engine = { kind: "simulated", version: "1", models: [], unavailable: "" };
    const inventory = Inventory.fromPartial({ hostname: "bench", devices: [device], engines: [engine] });
    for (let i = 0; i < agents; i++) {
      const id = `agent-${i}`;
      const core = await startAgentCore({
        ...{ id, version: "bench", disk: nodeDisk, dir: join(folder, id), artifacts, dial: dialGrpc() },
        work: workOf(run, artifacts),
        devices: [{ uuid: "cpu", lane: "cpu", slots }],
        inventory: () => ({ hash: "bench", inventory }),
        loopLagMs: () => 0,
        ...{ clock, random, log: log.child({ node: id }) },
        options: {
          coordinatorAddress: address,
          reconnect: { baseMs: config.agent.reconnectBaseMs, capMs: config.agent.reconnectCapMs },
          spoolQuotaBytes: config.agent.spoolQuotaBytes,
          journalSync: { ms: config.agent.journalSyncMs, records: config.agent.journalSyncSamples },
          maxLoadedModels: config.resourceManager.maxConcurrentModels,
          drainTimeoutMs: config.agent.drainTimeoutMs,
        },
      });
      cores.push(core);
    }
  },

  async begin({ profiles }: { profiles: string }): Promise<void> {
    const endProfile = profiles === "" ? undefined : await profile(HOT_LINES, profiles);
    const usage = measureUsage();
    endWindow = async () => ({ usage: usage(), hot: (await endProfile?.()) ?? [] });
  },

  async end(_: object): Promise<AgentsWindow> {
    if (endWindow === undefined) throw new Error("no window has begun");
    return endWindow();
  },

  /** When the attempts of these shards started; null for those that have not. */
  async starts({ from, count }: { from: number; count: number }): Promise<(number | null)[]> {
    return Array.from({ length: count }, (_, i) => startedNs[from + i] ?? null);
  },

  /** Attempts without an engine, and shards they were of. */
  async counts(_: object): Promise<{ executed: number; distinct: number }> {
    return { executed: finished, distinct: ran.size };
  },

  /** Attempts without an engine whose results were acknowledged. */
  async acknowledged(_: object): Promise<number> {
    return finished - cores.reduce((sum, { attempts }) => sum + attempts.unacknowledged().length, 0);
  },
};
export type AgentsQuestions = typeof questions;

await answer(questions);
process.exit();
