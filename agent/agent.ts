/**
 * The agent: composition root. It looks at the machine, opens the artifact store, starts the engines and the core, and
 * closes them in the other order.
 */
import { join, resolve } from "node:path";
import { openArtifacts } from "../shared/artifacts/open.js";
import { type Clock, rfc3339 } from "../shared/runtime/clock.js";
import type { Config, RemoteEngineConfig, ServedEngineConfig } from "../shared/runtime/config.js";
import { isDiskFull, nodeDisk } from "../shared/runtime/disk.js";
import { errorText, SaiError } from "../shared/runtime/errors.js";
import { type HostLock, takeHostLock } from "../shared/runtime/host-lock.js";
import type { Logger } from "../shared/runtime/logger.js";
import type { Random } from "../shared/runtime/random.js";
import { version } from "../shared/runtime/version.js";
import { type AgentGpus, openGpus } from "./agent-gpus.js";
import { startAgentCore } from "./core.js";
import { endsWithin } from "./ends-within.js";
import { EngineProbes } from "./engine-probes.js";
import { closeEngines, createEngines } from "./engines/index.js";
import type { RemoteConfig } from "./engines/limits/remote-limits.js";
import type { GpuMemory } from "./engines/memory/gpu-memory.js";
import { Peaks } from "./engines/memory/peaks.js";
import { readInventory } from "./hardware/inventory.js";
import { loadGenerators } from "./load/generators.js";
import { watchLoopLag } from "./loop-lag.js";
import { Processes } from "./processes/processes.js";
import { dialGrpc } from "./session/transport.js";
import { ToldInventory } from "./told-inventory.js";

export interface RunningAgent {
  id: string;
  /**
   * Lets attempts finish within the drain timeout, says goodbye, stops the rest. What does not stop within 4.5 s more is
   * named in the log and left behind. Results that no one acknowledged stay in the journals.
   */
  stop(): Promise<void>;
}

export interface AgentParts {
  logger: Logger;
  clock: Clock;
  random: Random;
  /** Of the process; nvidia-smi is looked up in its PATH and started with it. */
  env: NodeJS.ProcessEnv;
}

/** Longest time for the engines to close at the stop, ms. */
const STOP_MS = 1500;

/** Starts an agent; it dials by itself and needs no coordinator to be there yet. */
export async function startAgent(config: Config, parts: AgentParts): Promise<RunningAgent> {
  const { random } = parts;
  const owner = await ownFolder(resolve(config.agent.dataDir), random.id(16), parts);
  try {
    const agent = await startOwned(config, parts);
    return { id: agent.id, stop: () => agent.stop().finally(() => owner.release()) };
  } catch (error) {
    await owner.release();
    throw error;
  }
}

async function startOwned(config: Config, parts: AgentParts): Promise<RunningAgent> {
  const { clock, random } = parts;
  const { id } = config.agent;
  const log = parts.logger.child({ node: id });
  const artifacts = await openArtifacts(config.artifacts, { clock, random, log });
  const processes = await Processes.open({
    ...{ disk: nodeDisk, dir: join(resolve(config.agent.dataDir), "programs"), env: parts.env, clock, log },
    memoryLimitBytes: config.resourceManager.systemMemoryLimitBytes,
  });
  const gpuMemory: GpuMemory = {
    memoryBytes: (uuid) => gpus.memoryBytes(uuid),
    peaks: new Peaks(nodeDisk, join(config.agent.dataDir, "engines", "peaks.json"), log),
  };
  const engines = createEngines(enginesConfig(config, parts.env), {
    ...{ clock, processes, log, gpus: gpuMemory },
    gpuIndex: (uuid) => gpus.facts().gpus.find((gpu) => gpu.uuid === uuid)?.index,
  });
  const hardware = await readInventory({
    clock,
    logger: log,
    cpuSlots: config.agent.cpuSlots,
    testDevices: config.agent.testDevices,
    remoteSlots: remoteSlots(config),
  });
  const inventory = new ToldInventory(hardware);
  const probes = new EngineProbes(inventory, engines, clock, log);
  const gpus: AgentGpus = await openGpus(config, parts, processes, log);
  await Promise.all([probes.refresh(), gpus.begin()]);
  const whatIsThere = () => ({ ...gpus.facts(), devices: [...hardware.devices, ...gpus.devices()] });
  inventory.change(whatIsThere());
  const lag = watchLoopLag();
  const core = await startAgentCore({
    ...{ id, version, disk: nodeDisk, dir: config.agent.dataDir, artifacts, dial: dialGrpc() },
    work: { engines, load: loadGenerators({ processes, clock, node: process.execPath }) },
    devices: hardware.devices.map(({ uuid, kind, slots }) => ({ uuid, lane: kind, slots })),
    inventory: () => inventory.report(),
    ...gpus.forCore,
    loopLagMs: () => lag.maxMs(),
    ...{ clock, random, log, options: coreOptions(config) },
  }).catch(async (error: unknown) => {
    // Else a driver that hangs would keep the process.
    gpus.close();
    lag.stop();
    await artifacts.close();
    throw error;
  });
  const ending = new AbortController();
  void probes.every(config.engines.ollama.healthCheckIntervalMs, ending.signal, () =>
    core.inventoryChanged(),
  );
  const looking = gpus.goOn(() => {
    if (inventory.change(whatIsThere())) core.inventoryChanged();
  });

  return {
    id,
    async stop() {
      await core.stop();
      ending.abort(new Error("the agent was stopped"));
      gpus.close();
      const inTime = (what: string, ended: Promise<void>) =>
        endsWithin(STOP_MS, ended, clock, (reason) => log.warn({ what, reason }, "left behind at the stop"));
      await Promise.all([inTime("engines", closeEngines(engines)), inTime("nvidia-smi", looking)]);
      await inTime("programs", processes.close(0));
      lag.stop();
      await inTime("the artifact store", artifacts.close());
      log.info("agent stopped");
    },
  };
}

/** Two agents on one folder would end each other's programs. Throws SaiError failed_precondition when another one is there. */
async function ownFolder(dir: string, nonce: string, { clock, logger }: AgentParts): Promise<HostLock> {
  const taker = { nonce, what: dir, nowMs: clock.wallMs() };
  const taken = await takeHostLock(join(dir, "owner"), taker).catch((error: unknown) => {
    if (!isDiskFull(error)) throw error;
    // What it holds must be told, and its disk may be full of that.
    logger.warn({ reason: errorText(error) }, "the folder's owner cannot be noted on a full disk");
    return { release: async () => {} };
  });
  if ("release" in taken) return taken;
  const { pid, sinceMs } = taken.holder;
  throw new SaiError(
    "failed_precondition",
    `another agent (pid ${pid}, since ${rfc3339(sinceMs)}) has the folder ${dir}`,
    {
      hint: "stop it, or give this one a folder of its own with agent.data_dir",
    },
  );
}

const enginesConfig = ({ engines, agent }: Config, env: NodeJS.ProcessEnv) => ({
  huggingface: { ...engines.huggingface, python: pathOf(engines.huggingface.python), env },
  ocr: { processes: Math.max(1, agent.cpuSlots) },
  ollama: { baseUrl: engines.ollama.baseUrl, path: engines.ollama.path, modelsDir: engines.ollama.modelsDir },
  openai: remote("openai", engines.openai, agent.dataDir),
  anthropic: remote("anthropic", engines.anthropic, agent.dataDir),
  vllm: served(engines.vllm, engines.huggingface.token),
  sglang: served(engines.sglang, engines.huggingface.token),
});

const served = ({ gpuMemoryUtilization, ...config }: ServedEngineConfig, token: string | undefined) => ({
  ...{ ...config, memoryShare: gpuMemoryUtilization, token },
});

/** Enough for either provider; each keeps its own limit. */
const remoteSlots = ({ engines: { openai, anthropic } }: Config): number =>
  Math.max(
    openai.maxConcurrentRequests,
    anthropic.apiKey === undefined ? 0 : anthropic.maxConcurrentRequests,
  );

const remote = (kind: string, engine: RemoteEngineConfig, dataDir: string): RemoteConfig => ({
  ...{ baseUrl: engine.baseUrl, apiKey: engine.apiKey },
  maxConcurrentRequests: engine.maxConcurrentRequests,
  rateLimitPerMinute: engine.rateLimitPerMinute,
  spend:
    engine.maxSpendUsd === undefined
      ? undefined
      : {
          limitUsd: engine.maxSpendUsd,
          path: join(dataDir, "spend", `${kind}.json`),
          key: `engines.${kind}.max_spend_usd`,
          disk: nodeDisk,
        },
});

/** A name without a slash is looked up in PATH. */
const pathOf = (python: string): string => (python.includes("/") ? resolve(python) : python);

const coreOptions = ({ agent, artifacts, resourceManager, performance }: Config) => ({
  coordinatorAddress: agent.coordinatorAddress,
  reconnect: { baseMs: agent.reconnectBaseMs, capMs: agent.reconnectCapMs },
  journalSync: { ms: agent.journalSyncMs, records: agent.journalSyncSamples },
  spoolQuotaBytes: agent.spoolQuotaBytes,
  // A local folder is as near as a cache would be.
  cacheBytes: artifacts.kind === "folder" ? 0 : agent.cacheQuotaBytes,
  ...(performance.resultCache && { responseTtlMs: performance.resultCacheTtlMs }),
  maxLoadedModels: resourceManager.maxConcurrentModels,
  drainTimeoutMs: agent.drainTimeoutMs,
});
