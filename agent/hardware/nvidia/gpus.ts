/**
 * The GPUs of a machine, from `nvidia-smi -q` and `nvidia-smi -L` (the UUIDs of MIG slices stand only in the latter).
 *
 * 1. What cannot be read whole is refused: a truncated answer is never a machine with fewer GPUs.
 * 2. A GPU in MIG mode is its slices; the whole device is not offered.
 */
import {
  bytesIn,
  countIn,
  firstValue,
  numberIn,
  parseQuery,
  type Section,
  sections,
  valueAt,
} from "./query-text.js";

export interface Gpu {
  /** As nvidia-smi numbers them, which may change with a reboot: never for pinning. */
  index: number;
  uuid: string;
  name: string;
  /** Such as Hopper. */
  architecture: string | undefined;
  pciBusId: string;
  driver: string;
  /** Newest CUDA the driver takes. */
  cuda: string | undefined;
  memoryBytes: number;
  usedBytes: number;
  powerLimitW: number | undefined;
  maxClockMhz: { sm: number | undefined; memory: number | undefined };
  persistence: boolean | undefined;
  /** Undefined unless MIG mode is on. */
  mig: MigSlice[] | undefined;
  /** Who computes on it now. */
  processes: GpuProcess[];
  health: GpuHealth;
}

export interface MigSlice {
  uuid: string;
  /** Such as 3g.40gb. */
  profile: string;
  gpuInstance: number;
  computeInstance: number;
  memoryBytes: number;
  usedBytes: number;
  multiprocessors: number | undefined;
}

export interface GpuProcess {
  pid: number;
  name: string;
  /** Undefined where the driver does not tell (inside containers, under WSL). */
  usedBytes: number | undefined;
  /** The MIG slice it runs on. */
  gpuInstance: number | undefined;
}

/** What says that a GPU should not be trusted with a measurement. Counters are of the driver's lifetime or the device's. */
export interface GpuHealth {
  eccUncorrected: { volatile: number | undefined; aggregate: number | undefined };
  /** Rows or pages that are remapped or retired only after a reset. */
  repairPending: boolean;
  /** Memory that could not be repaired. */
  unrepairable: boolean;
  /** What the driver asks for, such as Reset or Reboot; undefined for nothing. */
  recoveryAction: string | undefined;
}

/** An answer that is not what nvidia-smi answers; says where. */
export class GarbledAnswer extends Error {
  override name = "GarbledAnswer";
}

/** `query`: what `nvidia-smi -q` printed; `list`: what `nvidia-smi -L` printed. Throws GarbledAnswer (invariant 1). */
export function readGpus(query: string, list: string): Gpu[] {
  const tree = parseQuery(query);
  const found = tree.children.filter(({ name }) => /^GPU [0-9A-Fa-f]+:/.test(name));
  const attached = numberIn(valueAt(tree, "Attached GPUs"));
  if (attached === undefined) throw new GarbledAnswer("nvidia-smi -q: no line 'Attached GPUs'");
  if (attached !== found.length)
    throw new GarbledAnswer(`nvidia-smi -q: ${attached} attached GPUs, but ${found.length} are described`);
  const driver = valueAt(tree, "Driver Version");
  if (driver === undefined) throw new GarbledAnswer("nvidia-smi -q: no line 'Driver Version'");
  const cuda = firstValue(tree, ["CUDA Version"], ["CUDA UMD Version"]);
  const listed = readList(list);
  return found.map((section, index) => gpuOf(section, index, { driver, cuda, listed }));
}

interface Around {
  driver: string;
  cuda: string | undefined;
  listed: Listed[];
}

function gpuOf(section: Section, index: number, { driver, cuda, listed }: Around): Gpu {
  const where = section.name;
  const uuid = needed(valueAt(section, "GPU UUID"), where, "GPU UUID");
  const entry = listed.find((gpu) => gpu.uuid === uuid);
  if (!entry) throw new GarbledAnswer(`${where}: ${uuid} is in nvidia-smi -q, but not in nvidia-smi -L`);
  const on = valueAt(section, "MIG Mode", "Current") === "Enabled";
  return {
    ...{ index, uuid, driver, cuda },
    name: needed(valueAt(section, "Product Name"), where, "Product Name"),
    architecture: valueAt(section, "Product Architecture"),
    pciBusId: where.slice("GPU ".length),
    memoryBytes: needed(
      bytesIn(valueAt(section, "FB Memory Usage", "Total")),
      where,
      "FB Memory Usage, Total",
    ),
    usedBytes: bytesIn(valueAt(section, "FB Memory Usage", "Used")) ?? 0,
    powerLimitW: numberIn(firstValue(section, ...POWER_LIMITS)),
    maxClockMhz: {
      sm: numberIn(valueAt(section, "Max Clocks", "SM")),
      memory: numberIn(valueAt(section, "Max Clocks", "Memory")),
    },
    persistence: yes(valueAt(section, "Persistence Mode")),
    mig: on ? slicesOf(section, entry) : undefined,
    processes: processesOf(section),
    health: healthOf(section),
  };
}

const POWER_LIMITS = [
  ["GPU Power Readings", "Current Power Limit"],
  ["GPU Power Readings", "Power Limit"],
  ["Power Readings", "Power Limit"],
];

/** `-q` describes the slices without their UUIDs, `-L` names them without their size; both count them alike. */
function slicesOf(gpu: Section, entry: Listed): MigSlice[] {
  const described = sections(gpu, "MIG Device");
  if (described.length !== entry.slices.length)
    throw new GarbledAnswer(
      `${gpu.name}: ${described.length} MIG devices in nvidia-smi -q, ${entry.slices.length} in nvidia-smi -L`,
    );
  return described.map((slice) => {
    const number = (...path: string[]) =>
      needed(countIn(valueAt(slice, ...path)), `${gpu.name}, MIG Device`, path.join(", "));
    const index = number("Index");
    const named = entry.slices.find((other) => other.index === index);
    if (!named) throw new GarbledAnswer(`${gpu.name}: MIG device ${index} is not in nvidia-smi -L`);
    const memory = (field: string) =>
      bytesIn(firstValue(slice, ["Shared FB Memory Usage", field], ["FB Memory Usage", field]));
    return {
      uuid: named.uuid,
      profile: named.profile,
      gpuInstance: number("GPU Instance ID"),
      computeInstance: number("Compute Instance ID"),
      memoryBytes: needed(memory("Total"), `${gpu.name}, MIG device ${index}`, "FB Memory Usage, Total"),
      usedBytes: memory("Used") ?? 0,
      multiprocessors: numberIn(valueAt(slice, "Device Attributes", "Shared", "Multiprocessor count")),
    };
  });
}

/** Flat, in order: a GPU instance ID stands before the process it is of. */
function processesOf(gpu: Section): GpuProcess[] {
  const processes: GpuProcess[] = [];
  let gpuInstance: number | undefined;
  for (const line of sections(gpu, "Processes")[0]?.children ?? []) {
    if (line.name === "GPU instance ID") gpuInstance = countIn(line.value);
    if (line.name !== "Process ID") continue;
    const pid = needed(numberIn(line.value), `${gpu.name}, Processes`, "Process ID");
    const usedBytes = bytesIn(valueAt(line, "Used GPU Memory"));
    // Graphics processes (a display server) compute nothing.
    if (valueAt(line, "Type") !== "G")
      processes.push({ pid, name: valueAt(line, "Name") ?? "", usedBytes, gpuInstance });
    gpuInstance = undefined;
  }
  return processes;
}

function healthOf(gpu: Section): GpuHealth {
  const uncorrected = (span: string) => {
    const counts = (sections(sections(gpu, "ECC Errors")[0], span)[0]?.children ?? [])
      .filter(({ name }) => / Uncorrectable\b/.test(name))
      .map(({ value }) => numberIn(value))
      .filter((count) => count !== undefined);
    return counts.length === 0 ? undefined : counts.reduce((sum, count) => sum + count, 0);
  };
  const says = (...path: string[]) => yes(valueAt(gpu, ...path)) === true;
  const action = valueAt(gpu, "GPU Recovery Action");
  return {
    eccUncorrected: { volatile: uncorrected("Volatile"), aggregate: uncorrected("Aggregate") },
    repairPending:
      says("Remapped Rows", "Pending") ||
      says("Retired Pages", "Pending Page Blacklist") ||
      says("ECC Errors", "Channel Repair Pending"),
    unrepairable:
      says("Remapped Rows", "Remapping Failure Occurred") || says("ECC Errors", "Unrepairable Memory"),
    recoveryAction: action === "None" ? undefined : action,
  };
}

interface Listed {
  uuid: string;
  slices: { index: number; uuid: string; profile: string }[];
}

/** `nvidia-smi -L`: a line a GPU, then an indented line for each of its MIG slices. */
function readList(list: string): Listed[] {
  const gpus: Listed[] = [];
  for (const line of list.split(/\r?\n/)) {
    const gpu = /^GPU \d+: .*\(UUID: (GPU-[^)]+)\)/.exec(line)?.[1];
    if (gpu !== undefined) gpus.push({ uuid: gpu, slices: [] });
    const [, profile, index, uuid] = /^\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: (MIG-[^)]+)\)/.exec(line) ?? [];
    if (profile !== undefined && uuid !== undefined)
      gpus.at(-1)?.slices.push({ index: Number(index), uuid, profile });
  }
  return gpus;
}

const yes = (value: string | undefined): boolean | undefined =>
  value === undefined ? undefined : /^(yes|enabled|active)$/i.test(value);

function needed<T>(value: T | undefined, where: string, field: string): T {
  if (value === undefined) throw new GarbledAnswer(`nvidia-smi, ${where}: no readable field '${field}'`);
  return value;
}
