/**
 * The device ledger: which attempt holds which slot of this node. It alone grants: the coordinator's credits only say
 * how much may be sent. A lane is a kind of place: `cpu` (this machine's CPU slots), `remote` (requests to servers that
 * run elsewhere), `test` (devices declared in the configuration, for trying exclusive placement without a GPU).
 *
 * 1. A slot is held by at most one attempt.
 * 2. An attempt holds at most one slot.
 */
import { type Fence, fenceText } from "../../shared/domain/fence.js";

export interface LedgerDevice {
  uuid: string;
  lane: string;
  slots: number;
}

export class DeviceLedger {
  private readonly users = new Map<string, number>();
  private readonly holders = new Map<string, LedgerDevice>();

  constructor(private readonly devices: readonly LedgerDevice[]) {}

  /** Slots of a lane, over all its devices. */
  slots(lane: string): number {
    return this.devices.filter((d) => d.lane === lane).reduce((sum, d) => sum + d.slots, 0);
  }

  lanes(): string[] {
    return [...new Set(this.devices.map((d) => d.lane))];
  }

  /** Attempts that hold a slot of the device. */
  used(uuid: string): number {
    return this.users.get(uuid) ?? 0;
  }

  /** A slot of the lane for the attempt, or undefined when none is free. Throws when the attempt holds one already. */
  grant(lane: string, fence: Fence): LedgerDevice | undefined {
    const name = fenceText(fence);
    if (this.holders.has(name)) throw new Error(`attempt ${name} holds a slot already`);
    const device = this.devices.find((d) => d.lane === lane && this.used(d.uuid) < d.slots);
    if (device === undefined) return undefined;
    this.holders.set(name, device);
    this.users.set(device.uuid, this.used(device.uuid) + 1);
    return device;
  }

  /** Frees what the attempt holds; nothing held is no error. */
  release(fence: Fence): void {
    const name = fenceText(fence);
    const device = this.holders.get(name);
    if (device === undefined) return;
    this.holders.delete(name);
    this.users.set(device.uuid, this.used(device.uuid) - 1);
  }
}
