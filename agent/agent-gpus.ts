/** An agent's GPUs put together: looked at again and again, leased, and told of. */
import { chmod } from "node:fs/promises";
import { join, resolve } from "node:path";
import { productText } from "../shared/domain/device.js";
import { type Config, NVIDIA_SMI } from "../shared/runtime/config.js";
import { nodeDisk } from "../shared/runtime/disk.js";
import { takeHostLock } from "../shared/runtime/host-lock.js";
import type { Logger } from "../shared/runtime/logger.js";
import { bootId } from "../shared/runtime/proc.js";
import type { AgentParts } from "./agent.js";
import type { AgentCoreParts } from "./core.js";
import type { Device } from "./hardware/inventory.js";
import { type GpuFacts, GpuReports } from "./hardware/nvidia/gpu-reports.js";
import { GpuLeases } from "./leases/gpu-leases.js";
import type { GpuLane } from "./leases/gpu-ledger.js";
import { LeaseFiles } from "./leases/lease-files.js";
import { watchLoopLag } from "./loop-lag.js";
import type { Processes } from "./processes/processes.js";

export interface AgentGpus {
  /** Looks for the first time. */
  begin(): Promise<void>;
  facts(): GpuFacts;
  /** Of a GPU or a slice, by UUID; undefined where it is not known. */
  memoryBytes(uuid: string): number | undefined;
  /** What attempts may have of them, as the inventory lists it. */
  devices(): Device[];
  /** For the core; nothing where nobody looks for GPUs. */
  forCore: Pick<AgentCoreParts, "gpus">;
  /** Goes on looking until `close`; `changed` hears of other facts and devices. Never rejects. */
  goOn(changed: () => void): Promise<void>;
  close(): void;
}

/** `owners`: whose processes are. Throws SaiError when the leases of an earlier start cannot be read. */
export async function openGpus(
  config: Config,
  parts: AgentParts,
  owners: Pick<Processes, "owns" | "runs">,
  log: Logger,
): Promise<AgentGpus> {
  const { clock } = parts;
  const reports: GpuReports = new GpuReports({
    ...{ ...lookConfig(config), env: parts.env, clock, log, watchLag: watchLoopLag },
    ours: (pid) => owners.owns(pid),
    held: () => leases?.now().holds.flatMap(({ uuids }) => uuids) ?? [],
    seen: (gpus) => leases?.seen(gpus),
  });
  const isOff = config.agent.nvidiaSmi === "";
  const leases = isOff ? undefined : await openLeases(config, reports, owners, parts, log);
  return {
    begin: () => reports.begin(),
    facts: () => reports.facts(),
    memoryBytes: (uuid) =>
      reports
        .facts()
        .gpus.flatMap((gpu) => [gpu, ...gpu.migSlices])
        .find((one) => one.uuid === uuid)?.memoryBytes,
    devices: () => gpuDevices(leases?.lanes()),
    forCore: leases
      ? {
          gpus: { leases, telemetry: reports.telemetry, states: () => reports.states(), ...patience(config) },
        }
      : {},
    goOn(changed) {
      if (leases) leases.lanesChanged = changed;
      return reports.goOn(changed);
    },
    close: () => reports.close(),
  };
}

async function openLeases(
  { agent, resourceManager }: Config,
  reports: GpuReports,
  owners: Pick<Processes, "runs">,
  { clock, random }: AgentParts,
  log: Logger,
): Promise<GpuLeases> {
  const dir = resolve(agent.dataDir, "leases");
  await nodeDisk.mkdir(agent.gpuLockDir);
  // Agents of other users take locks there, too; whose folder it is not cannot change it, and need not.
  await chmod(agent.gpuLockDir, 0o1777).catch(() => {});
  const lock = async (uuid: string) => {
    const taker = { nonce: random.id(16), what: resolve(agent.dataDir), nowMs: clock.wallMs() };
    const taken = await takeHostLock(join(agent.gpuLockDir, encodeURIComponent(uuid)), taker);
    if ("release" in taken) return taken;
    return { heldBy: `the agent of ${taken.holder.what} (pid ${taken.holder.pid}) has it` };
  };
  return GpuLeases.open({
    limits: {
      ...{ memoryShare: agent.gpuMemoryShare, parts: agent.gpuParts },
      ...{ totalBytes: resourceManager.gpuMemoryLimitBytes, leases: resourceManager.maxGpuLeases },
    },
    files: new LeaseFiles({ disk: nodeDisk, dir, boot: bootId(), log }),
    look: (maxAgeMs) => reports.look(maxAgeMs),
    runs: (pid) => owners.runs(pid),
    ...{ lock, clock, log },
  });
}

const gpuDevices = (lanes: readonly GpuLane[] = []): Device[] =>
  lanes.map(({ lane, names, slots, memoryBytes }) => ({
    ...{ uuid: lane, kind: lane, name: productText(names), slots, memoryBytes, used: 0 },
  }));

const patience = ({ resourceManager: { cleanupIntervalMs, allocationTimeoutMs } }: Config) => ({
  ...{ idleMs: cleanupIntervalMs, waitMs: allocationTimeoutMs },
});

const lookConfig = ({ agent }: Config) => ({
  path: agent.nvidiaSmi,
  expected: agent.nvidiaSmi !== NVIDIA_SMI,
  lookMs: agent.gpuLookIntervalMs,
  sampleMs: agent.gpuSampleIntervalMs,
  leasedSampleMs: agent.gpuLeasedSampleIntervalMs,
});
