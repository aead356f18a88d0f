/**
 * The GPU leases of this node: granted by the ledger, on the disk before anything uses them, free again only when the GPU
 * shows that it is.
 *
 * 1. What is taken is on the disk (lease-files.ts); a lease that cannot be written is not granted.
 * 2. What was given back is looked at until it is as it was before, for `RELEASE_MS` at most; then it is dirty, and stays so
 *    until a look shows it as it was. Nobody's processes are ended for it but those that were started under the lease.
 * 3. A GPU with strangers on it is dirty, whoever they are.
 * 4. What an earlier start of this agent left is ended and looked at before anything is granted.
 */
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Gpu } from "../hardware/nvidia/gpus.js";
import { type GpuHold, GpuLedger, type GpuLimits, type GpuWish } from "./gpu-ledger.js";
import { type GpuUse, remainsOf } from "./gpu-remains.js";
import type { Lease, LeaseFiles } from "./lease-files.js";

export interface GpuLeasesParts {
  limits: GpuLimits;
  files: LeaseFiles;
  /** A look of its own at what there is now; undefined when it failed. */
  look(): Promise<readonly Gpu[] | undefined>;
  /** Ends a process group that an earlier start of this agent began, if it is still that one. */
  endGroup(group: Lease["groups"][number]): Promise<void>;
  clock: Clock;
  log: Logger;
  /** Something may be granted that could not, or the other way round. */
  changed(): void;
}

const RELEASE_MS = 30_000;
const LOOK_AGAIN_MS = 1_000;

export class GpuLeases {
  private readonly ledger: GpuLedger;
  /** On the disk. */
  private readonly leases = new Map<string, Lease>();
  /** What a GPU or slice was like before its last lease. */
  private readonly before = new Map<string, GpuUse>();
  private uses: ReadonlyMap<string, GpuUse> = new Map();
  private readonly closing = new AbortController();

  private constructor(private readonly parts: GpuLeasesParts) {
    this.ledger = new GpuLedger(parts.limits);
  }

  /** Ends what an earlier start left, and looks for the first time (invariant 4). Throws SaiError for a disk that fails. */
  static async open(parts: GpuLeasesParts): Promise<GpuLeases> {
    const leases = new GpuLeases(parts);
    const left = await parts.files.left();
    for (const lease of left) {
      leases.leases.set(lease.name, lease);
      leases.ledger.hold(lease.name, lease.wish, lease.uuids);
      leases.ledger.freeing(lease.name);
      for (const [uuid, use] of Object.entries(lease.before)) leases.before.set(uuid, use);
      for (const group of lease.groups) await parts.endGroup(group);
    }
    const gpus = await parts.look();
    if (gpus) leases.seen(gpus);
    await Promise.all(left.map(({ name }) => leases.settle(name)));
    return leases;
  }

  /** Takes in a good look: what there is, who is on it, and what is clean again. */
  seen(gpus: readonly Gpu[]): void {
    this.uses = usesOf(gpus);
    this.ledger.see(
      gpus.map(({ uuid, memoryBytes, mig }) => ({
        ...{ uuid, memoryBytes },
        slices: mig?.map(({ uuid: slice, profile }) => ({ uuid: slice, profile })),
      })),
    );
    const held = new Set(this.ledger.list().flatMap(({ uuids }) => uuids));
    for (const [uuid, use] of this.uses) {
      if (held.has(uuid)) continue; // what is on it is its holder's, or is looked at by `settle`
      const why = remainsOf(this.before.get(uuid) ?? EMPTY, use);
      const was = this.ledger.dirtOf(uuid);
      if (why !== undefined && was === undefined) this.soil(uuid, why);
      if (why === undefined && was !== undefined) this.clean(uuid);
    }
    this.parts.changed();
  }

  /** Why this node could never grant it; undefined if it could. */
  refusal(wish: GpuWish): string | undefined {
    return this.ledger.refusal(wish);
  }

  /** What is held, and what is dirty with the reason, by UUID. */
  now(): { holds: GpuHold[]; dirty: Map<string, string> } {
    const dirty = new Map<string, string>();
    for (const uuid of this.uses.keys()) {
      const why = this.ledger.dirtOf(uuid);
      if (why !== undefined) dirty.set(uuid, why);
    }
    return { holds: this.ledger.list(), dirty };
  }

  /** Takes GPUs for an attempt; undefined when they are not free now. Throws SaiError when the lease cannot be written. */
  async take(name: string, wish: GpuWish): Promise<GpuHold | undefined> {
    const hold = this.ledger.grant(name, wish);
    if (hold === undefined) return undefined;
    const before: Record<string, GpuUse> = {};
    for (const uuid of hold.uuids) {
      const alone = this.ledger.list().every((other) => other.name === name || !other.uuids.includes(uuid));
      const use = (alone ? this.uses.get(uuid) : this.before.get(uuid)) ?? EMPTY;
      before[uuid] = use;
      this.before.set(uuid, use);
    }
    try {
      await this.put({ name, wish, uuids: hold.uuids, before, groups: [], ports: [] });
    } catch (error) {
      this.ledger.freed(name);
      throw error;
    }
    return hold;
  }

  /** Notes what is about to be started under a lease. Throws SaiError when it cannot be written. */
  async note(name: string, more: Partial<Pick<Lease, "groups" | "ports">>): Promise<void> {
    const lease = this.leases.get(name);
    if (lease) await this.put({ ...lease, ...more });
  }

  /** The attempt has ended. Resolves when its GPUs are free, or dirty (invariant 2), or at `close`. */
  async release(name: string): Promise<void> {
    this.ledger.freeing(name);
    await this.settle(name);
  }

  /** Looks no more. What is not known to be free stays on the disk for the next start. */
  close(): void {
    this.closing.abort();
  }

  private async settle(name: string): Promise<void> {
    const { clock, log, files, look } = this.parts;
    const lease = this.leases.get(name);
    if (lease === undefined) return;
    for (const untilMs = clock.nowMs() + RELEASE_MS; !this.closing.signal.aborted; ) {
      const left = this.remains(lease, await look());
      if (left.size === 0) {
        this.ledger.freed(name);
        this.leases.delete(name);
        await files
          .remove(name)
          .catch((error) => log.warn({ lease: name, reason: errorText(error) }, "a lease is not removed"));
        this.parts.changed();
        return;
      }
      if (clock.nowMs() >= untilMs) {
        this.ledger.dirtied(name, left);
        for (const [uuid, why] of left) this.soil(uuid, why);
        this.parts.changed();
        return;
      }
      await clock.sleep(LOOK_AGAIN_MS, this.closing.signal).catch(() => {});
    }
  }

  /** What is left of it, by UUID. Of a GPU that others have parts of nothing can be said, and nothing needs to be. */
  private remains(lease: Lease, gpus: readonly Gpu[] | undefined): Map<string, string> {
    const uses = gpus && usesOf(gpus);
    const left = new Map<string, string>();
    for (const uuid of lease.uuids) {
      const shared = this.ledger.list().some((o) => o.name !== lease.name && o.uuids.includes(uuid));
      const why = shared ? undefined : remainsOf(lease.before[uuid] ?? EMPTY, uses?.get(uuid));
      if (why !== undefined) left.set(uuid, why);
    }
    return left;
  }

  private soil(uuid: string, why: string): void {
    this.ledger.soil(uuid, why);
    const hint = "it is given to nobody until that is gone; `nvidia-smi` shows who is there";
    this.parts.log.error({ gpu: uuid, why, hint }, "a GPU is dirty");
  }

  private clean(uuid: string): void {
    this.ledger.clean(uuid);
    this.parts.log.info({ gpu: uuid }, "a GPU is clean again");
    // A lease whose GPUs were dirty stays on the disk until the last of them is clean.
    for (const [name, { uuids }] of this.leases) {
      const open = this.ledger.list().some((hold) => hold.name === name);
      if (open || uuids.some((each) => this.ledger.dirtOf(each) !== undefined)) continue;
      this.leases.delete(name);
      this.parts.files
        .remove(name)
        .catch((error) =>
          this.parts.log.warn({ lease: name, reason: errorText(error) }, "a lease is not removed"),
        );
    }
  }

  private async put(lease: Lease): Promise<void> {
    await this.parts.files.put(lease);
    this.leases.set(lease.name, lease);
  }
}

const EMPTY: GpuUse = { usedBytes: undefined, pids: [] };

/** By the UUIDs of GPUs and slices. */
function usesOf(gpus: readonly Gpu[]): Map<string, GpuUse> {
  const uses = new Map<string, GpuUse>();
  for (const { uuid, usedBytes, processes, mig } of gpus) {
    if (mig === undefined) uses.set(uuid, { usedBytes, pids: processes.map(({ pid }) => pid) });
    for (const slice of mig ?? []) {
      const own = processes.filter(({ gpuInstance }) => gpuInstance === slice.gpuInstance);
      uses.set(slice.uuid, { usedBytes: slice.usedBytes, pids: own.map(({ pid }) => pid) });
    }
  }
  return uses;
}
