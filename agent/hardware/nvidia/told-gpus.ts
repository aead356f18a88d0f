/** What is told of GPUs: what they are (in the inventory) and what they do (in heartbeats), in the shapes of sai.v1. */
import { healthProblems } from "./gpu-problems.js";
import type { GpuView } from "./gpu-watch.js";
import type { Gpu } from "./gpus.js";
import type { GpuSample } from "./samples.js";

/** The shape of sai.v1.GpuDescription. */
export interface GpuDescription {
  index: number;
  uuid: string;
  name: string;
  architecture: string;
  pciBusId: string;
  driver: string;
  cuda: string;
  computeCapability: string;
  memoryBytes: number;
  migEnabled: boolean;
  migSlices: {
    uuid: string;
    profile: string;
    memoryBytes: number;
    gpuInstance: number;
    computeInstance: number;
  }[];
}

/** The shape of sai.v1.GpuState. */
export interface GpuState {
  uuid: string;
  utilizationPercent: number | undefined;
  memoryUsedBytes: number | undefined;
  powerW: number | undefined;
  powerLimitW: number | undefined;
  temperatureC: number | undefined;
  memoryTemperatureC: number | undefined;
  smClockMhz: number | undefined;
  memoryClockMhz: number | undefined;
  performanceState: string;
  slowedBy: string[];
  processes: number;
  problems: string[];
}

/** The shape of sai.v1.GpuStates. */
export interface GpuStates {
  gpus: GpuState[];
  sampleAgeMs: number | undefined;
  lookAgeMs: number | undefined;
  faultAgeMs: number | undefined;
  staleAfterMs: number;
}

/** GPUs of one heartbeat: more than a machine has. */
const MOST = 64;

/** Only what does not change while it works. */
export function describe(gpu: Gpu, computeCapability: string | undefined): GpuDescription {
  const { index, uuid, name, pciBusId, driver, memoryBytes, mig } = gpu;
  return {
    ...{ index, uuid, name, pciBusId, driver, memoryBytes },
    architecture: gpu.architecture ?? "",
    cuda: gpu.cuda ?? "",
    computeCapability: computeCapability ?? "",
    migEnabled: mig !== undefined,
    migSlices: (mig ?? []).map((slice) => ({
      uuid: slice.uuid,
      profile: slice.profile,
      memoryBytes: slice.memoryBytes,
      gpuInstance: slice.gpuInstance,
      computeInstance: slice.computeInstance,
    })),
  };
}

/** As of `nowMs`; undefined where there is nothing to tell: no GPU and no fault. */
export function statesOf(
  { gpus = [], samples, sampledMs, seenMs }: GpuView,
  { faultSinceMs, staleAfterMs }: { faultSinceMs: number | undefined; staleAfterMs: number },
  nowMs: number,
): GpuStates | undefined {
  if (gpus.length === 0 && faultSinceMs === undefined) return undefined;
  const since = (ms: number | undefined) =>
    ms === undefined ? undefined : Math.max(0, Math.round(nowMs - ms));
  return {
    gpus: gpus.slice(0, MOST).map((gpu) =>
      stateOf(
        gpu,
        samples.find(({ uuid }) => uuid === gpu.uuid),
      ),
    ),
    sampleAgeMs: since(sampledMs),
    lookAgeMs: since(seenMs),
    faultAgeMs: since(faultSinceMs),
    staleAfterMs,
  };
}

const stateOf = (gpu: Gpu, sample: GpuSample | undefined): GpuState => ({
  uuid: gpu.uuid,
  utilizationPercent: sample?.utilisation,
  memoryUsedBytes: sample?.usedBytes,
  powerW: sample?.powerW,
  powerLimitW: sample?.powerLimitW,
  temperatureC: sample?.temperatureC,
  memoryTemperatureC: sample?.memoryTemperatureC,
  smClockMhz: sample?.clockMhz.sm,
  memoryClockMhz: sample?.clockMhz.memory,
  performanceState: sample?.performanceState ?? "",
  slowedBy: sample?.slowedBy ?? [],
  processes: gpu.processes.length,
  problems: healthProblems(gpu),
});
