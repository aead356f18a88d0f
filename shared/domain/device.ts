/** Devices: what attempts are placed on, and the lanes credits are counted in. */

export const DEVICE_KINDS = ["cpu", "gpu", "mig", "test"] as const;
export type DeviceKind = (typeof DEVICE_KINDS)[number];

export interface Device {
  /** The vendor's UUID, never an index; `cpu` for the CPU slots. */
  uuid: string;
  kind: DeviceKind;
  /** Product name. */
  name: string;
  /** Attempts it takes at once. */
  slots: number;
  /** 0 for CPU slots. */
  memoryBytes: number;
}

/** What an attempt holds: the whole device, a share of its memory, a MIG slice, or a CPU slot. */
export type LeaseMode =
  | { kind: "EXCLUSIVE" }
  | { kind: "SHARED"; memoryBytes: number }
  | { kind: "MIG"; profile: string }
  | { kind: "CPU" };

/** The lane a device's credits are counted in: its kind. */
export const laneOf = (device: Device): DeviceKind => device.kind;

/**
 * Devices of one class give comparable times: `cpu`, or the product name in lower case with dashes, such as
 * `nvidia-h200`.
 */
export function deviceClass(device: Device): string {
  if (device.kind === "cpu") return "cpu";
  const name = device.name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  return name === "" ? device.kind : name;
}

/** CPU slots of a machine unless configured: one core is left for the agent itself. */
export const defaultCpuSlots = (cores: number): number => Math.max(1, cores - 1);
