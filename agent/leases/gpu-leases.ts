/**
 * The GPU leases of this node: granted by the ledger, on the disk before anything uses them, free again only when the GPU
 * shows that it is.
 *
 * 1. What is taken is on the disk (lease-files.ts); a lease that cannot be written is not granted.
 * 2. What was given back is looked at until it is as it was before, for `RELEASE_MS` at most; then it is dirty, and stays so
 *    until a look shows it as it was. Nobody's processes are ended for it but those that were started under the lease.
 * 3. A GPU with strangers on it is dirty, whoever they are. Where several leases have parts of one, strangers are those whom
 *    no program that this agent runs has started.
 * 4. What an earlier start of this agent left is given to nobody before it is seen to be free. Its processes were ended
 *    before this begins (agent/processes).
 * 5. Two agents on one machine never have the same GPU: a lock of the whole machine goes with the first lease on one.
 */
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Gpu } from "../hardware/nvidia/gpus.js";
import { type GpuHold, type GpuLane, GpuLedger, type GpuLimits, type GpuWish } from "./gpu-ledger.js";
import { GpuNews } from "./gpu-news.js";
import { type GpuUse, remainsOf } from "./gpu-remains.js";
import type { Lease, LeaseFiles } from "./lease-files.js";

export interface GpuLeasesParts {
  limits: GpuLimits;
  files: LeaseFiles;
  /** What there is, as it was so long ago at most; undefined when it cannot be seen. */
  look(maxAgeMs: number): Promise<readonly Gpu[] | undefined>;
  /** The lock of a GPU or slice on this machine, or who has it. */
  lock(uuid: string): Promise<GpuLock | { heldBy: string }>;
  /** Whether a process belongs to a program that this agent runs. */
  runs(pid: number): boolean;
  clock: Clock;
  log: Logger;
}

export interface GpuLock {
  release(): Promise<void>;
}

/** For whom a lease is taken. */
export type LeaseFor = Pick<Lease, "attempt" | "model">;

const RELEASE_MS = 30_000;
const LOOK_AGAIN_MS = 1_000;
/** A look that old says enough of who was there before a lease. */
const FRESH_MS = 2_000;
const LOCK_AGAIN_MS = 10_000;

export class GpuLeases {
  /** Something may be granted that could not, or the other way round. */
  changed = () => {};
  /** `lanes` may answer something else. */
  lanesChanged = () => {};
  readonly news = new GpuNews();
  private readonly ledger: GpuLedger;
  /** On the disk. */
  private readonly leases = new Map<string, Lease>();
  /** What a GPU or slice was like before its last lease. */
  private readonly before = new Map<string, GpuUse>();
  private slices: ReadonlyMap<string, string[]> = new Map();
  private uses: ReadonlyMap<string, GpuUse> = new Map();
  /** Until when what another agent of this machine has is not asked for again, monotonic ms. */
  private readonly elsewhere = new Map<string, number>();
  private readonly locks = new Map<string, GpuLock>();
  private readonly unlocking = new Map<string, Promise<void>>();
  /** What there is was seen once. */
  private known = false;
  private readonly closing = new AbortController();
  private settling: Promise<unknown> = Promise.resolve();

  private constructor(private readonly parts: GpuLeasesParts) {
    this.ledger = new GpuLedger(parts.limits);
  }

  /** Takes over what an earlier start left (invariant 4). Throws SaiError for a disk that fails. */
  static async open(parts: GpuLeasesParts): Promise<GpuLeases> {
    const leases = new GpuLeases(parts);
    const left = await parts.files.left();
    parts.log.info({ left: left.length }, "leases are open");
    for (const lease of left) {
      leases.leases.set(lease.name, lease);
      leases.ledger.hold(lease.name, lease.wish, lease.uuids);
      leases.ledger.freeing(lease.name);
      for (const [uuid, use] of Object.entries(lease.before)) leases.before.set(uuid, use);
      parts.log.warn({ lease: lease.name, gpus: lease.uuids }, "a lease of an earlier start is being freed");
    }
    leases.settling = Promise.all(left.map(({ name }) => leases.settle(name)));
    return leases;
  }

  /** Takes in a good look: what there is, who is on it, and what is clean again. */
  seen(gpus: readonly Gpu[]): void {
    this.takeIn(gpus);
    this.changed();
  }

  private takeIn(gpus: readonly Gpu[]): void {
    this.known = true;
    this.uses = this.usesOf(gpus);
    this.slices = new Map(gpus.map(({ uuid, mig = [] }) => [uuid, mig.map((slice) => slice.uuid)]));
    this.ledger.see(
      gpus.map(({ uuid, name, memoryBytes, mig }) => ({
        ...{ uuid, name, memoryBytes },
        slices: mig?.map((slice) => ({
          ...{ uuid: slice.uuid, profile: slice.profile, memoryBytes: slice.memoryBytes },
        })),
      })),
    );
    const held = new Set(this.ledger.list().flatMap(({ uuids }) => uuids));
    for (const [uuid, use] of this.uses) {
      if (held.has(uuid)) continue; // what is on it is its holder's, or is looked at by `settle`
      if ((this.elsewhere.get(uuid) ?? 0) > this.parts.clock.nowMs()) continue;
      this.elsewhere.delete(uuid);
      const why = remainsOf(this.before.get(uuid) ?? EMPTY, use);
      const was = this.ledger.dirtOf(uuid);
      // Others may have come meanwhile; how much memory they use is not told again and again.
      if (why !== undefined && (was === undefined || isOther(why, was))) this.soil(uuid, why);
      if (why === undefined && was !== undefined) this.clean(uuid);
    }
    // A GPU that is its slices now, or is not there, is nobody's to be dirty.
    for (const uuid of [...this.ledger.dirty().keys()])
      if (!this.uses.has(uuid) && !held.has(uuid)) this.clean(uuid);
  }

  /** What could be granted here. */
  lanes(): readonly GpuLane[] {
    return this.ledger.lanes();
  }

  /** The slices of a GPU as of the last look, by its UUID. */
  slicesOf(gpu: string): string[] {
    return this.slices.get(gpu) ?? [];
  }

  /** What is taken may be too much for something else anywhere on the node. */
  get limited(): boolean {
    const { totalBytes, leases } = this.parts.limits;
    return totalBytes !== undefined || leases !== undefined;
  }

  /** Product names of what a lease is of. */
  namesOf(uuids: readonly string[]): string[] {
    return this.ledger.namesOf(uuids);
  }

  /** What a hold has of its one GPU; undefined when it has GPUs whole. */
  shareOf(hold: Pick<GpuHold, "wish" | "uuids">): number | undefined {
    return this.ledger.shareOf(hold);
  }

  /** Why this node could never grant it; undefined if it could. */
  refusal(wish: GpuWish): string | undefined {
    return this.known ? this.ledger.refusal(wish) : undefined;
  }

  /** What is held, and for whom; and what is dirty with the reason, by UUID. */
  now(): { holds: (GpuHold & Partial<LeaseFor>)[]; dirty: Map<string, string> } {
    const dirty = new Map(this.ledger.dirty());
    const whoseOf = ({ attempt = "", model = "" }: Partial<LeaseFor> = {}) => ({ attempt, model });
    const holds = this.ledger.list().map((hold) => ({ ...hold, ...whoseOf(this.leases.get(hold.name)) }));
    return { holds, dirty };
  }

  /**
   * Takes GPUs for a lease, after a look at them; undefined when they are not free now, or cannot be seen. Throws SaiError
   * when the lease cannot be written.
   */
  async take(name: string, wish: GpuWish, whose: LeaseFor): Promise<GpuHold | undefined> {
    for (;;) {
      const hold = this.ledger.grant(name, wish);
      if (hold === undefined) return undefined;
      const found = await this.begin(hold, whose).catch((error: unknown) => error);
      if (found === "begun") return hold;
      this.ledger.freed(name);
      await this.unlock(hold.uuids);
      if (found === "unseen") return undefined;
      if (found !== "dirty") throw found;
    }
  }

  private async begin(hold: GpuHold, whose: LeaseFor): Promise<"begun" | "dirty" | "unseen"> {
    if (!(await this.lock(hold))) return "dirty";
    const gpus = await this.parts.look(FRESH_MS);
    if (gpus === undefined) return "unseen";
    this.takeIn(gpus);
    const left = this.remains({ ...hold, before: Object.fromEntries(this.before) }, gpus);
    for (const [uuid, why] of left) this.soil(uuid, why);
    if (left.size > 0) return "dirty";
    await this.write(hold, whose);
    const { name: lease, uuids, wish } = hold;
    this.parts.log.info({ lease, gpus: uuids, wish, ...whose }, "GPUs leased");
    this.news.add(
      "lease.taken",
      `${uuids.join(", ")} leased for ${whose.model} (lease ${lease})`,
      whose.attempt,
    );
    return "begun";
  }

  private async write({ name, wish, uuids }: GpuHold, whose: LeaseFor): Promise<void> {
    const before: Record<string, GpuUse> = {};
    for (const uuid of uuids) {
      const alone = this.ledger.list().every((other) => other.name === name || !other.uuids.includes(uuid));
      const use = (alone ? this.uses.get(uuid) : this.before.get(uuid)) ?? EMPTY;
      // What each lease may leave must not add up.
      const used = [use, this.before.get(uuid)].flatMap((one) => one?.usedBytes ?? []);
      const own = { ...use, usedBytes: used.length > 0 ? Math.min(...used) : undefined };
      before[uuid] = own;
      this.before.set(uuid, own);
    }
    const lease: Lease = { name, ...whose, wish, uuids, before };
    await this.parts.files.put(lease);
    this.leases.set(name, lease);
  }

  /** Nothing uses it any more. Resolves when its GPUs are free, or dirty (invariant 2), or at `close`. */
  async release(name: string): Promise<void> {
    this.ledger.freeing(name);
    await this.settle(name);
  }

  /** Looks no more. What is not known to be free stays on the disk, and locked while this process lives, for the next start. */
  async close(): Promise<void> {
    this.closing.abort();
    await this.settling;
    await this.unlock([...this.locks.keys()]);
  }

  private async settle(name: string): Promise<void> {
    const { clock, log, files, look } = this.parts;
    const lease = this.leases.get(name);
    if (lease === undefined) return;
    for (const untilMs = clock.nowMs() + RELEASE_MS; !this.closing.signal.aborted; ) {
      const left = this.remains(lease, await look(0));
      if (left.size === 0) {
        this.ledger.freed(name);
        this.leases.delete(name);
        await files
          .remove(name)
          .catch((error) => log.warn({ lease: name, reason: errorText(error) }, "a lease is not removed"));
        await this.unlock(lease.uuids);
        log.info({ lease: name, gpus: lease.uuids }, "GPUs freed");
        this.news.add("lease.freed", `${lease.uuids.join(", ")} free again (lease ${name})`, lease.attempt);
        this.changed();
        return;
      }
      if (clock.nowMs() >= untilMs) {
        this.ledger.dirtied(name, left);
        log.error({ lease: name, gpus: lease.uuids }, "a lease ended with something left on its GPUs");
        for (const [uuid, why] of left) this.soil(uuid, why);
        await this.unlock(lease.uuids);
        this.changed();
        return;
      }
      await clock.sleep(LOOK_AGAIN_MS, this.closing.signal).catch(() => {});
    }
  }

  /** What is left of it, by UUID. Whose the memory is on a GPU that others have parts of cannot be said. */
  private remains(
    lease: Pick<Lease, "name" | "uuids" | "before">,
    gpus: readonly Gpu[] | undefined,
  ): Map<string, string> {
    const uses = gpus && this.usesOf(gpus);
    const left = new Map<string, string>();
    for (const uuid of lease.uuids) {
      const shared = this.ledger.list().some((o) => o.name !== lease.name && o.uuids.includes(uuid));
      const now = uses?.get(uuid);
      const why = remainsOf(lease.before[uuid] ?? EMPTY, shared && now ? this.withoutOwn(now) : now);
      if (why !== undefined) left.set(uuid, why);
    }
    return left;
  }

  /** By the UUIDs of GPUs and slices. */
  private usesOf(gpus: readonly Gpu[]): Map<string, GpuUse> {
    const uses = new Map<string, GpuUse>();
    for (const { uuid, usedBytes, processes, mig } of gpus) {
      if (mig === undefined) uses.set(uuid, { usedBytes, pids: processes.map(({ pid }) => pid) });
      for (const slice of mig ?? []) {
        const own = processes.filter(({ gpuInstance }) => gpuInstance === slice.gpuInstance);
        const use = { usedBytes: slice.usedBytes, pids: own.map(({ pid }) => pid) };
        // Compute instances of one GPU instance have its memory together, and nobody tells on which of them a process is.
        const alone = mig?.every((other) => other === slice || other.gpuInstance !== slice.gpuInstance);
        uses.set(slice.uuid, alone ? use : this.withoutOwn(use));
      }
    }
    return uses;
  }

  /** What can be said of one part of something that others have parts of. */
  private withoutOwn({ pids }: GpuUse): GpuUse {
    return { usedBytes: undefined, pids: pids.filter((pid) => !this.parts.runs(pid)) };
  }

  private soil(uuid: string, why: string): void {
    this.ledger.soil(uuid, why);
    this.lanesChanged();
    const hint = "it is given to nobody until that is gone; `nvidia-smi` shows who is there";
    this.parts.log.error({ gpu: uuid, why, hint }, "a GPU is dirty");
    this.news.add("gpu.dirty", `${uuid} is given to nobody: ${why}`);
  }

  private clean(uuid: string): void {
    this.ledger.clean(uuid);
    this.lanesChanged();
    this.parts.log.info({ gpu: uuid }, "a GPU is clean again");
    this.news.add("gpu.clean", `${uuid} is clean again`);
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

  /** True when this machine's locks of all of them are this agent's (invariant 5). */
  private async lock({ uuids }: GpuHold): Promise<boolean> {
    for (const uuid of uuids) {
      await this.unlocking.get(uuid);
      if (this.locks.has(uuid)) continue;
      const taken = await this.parts.lock(uuid);
      if ("heldBy" in taken) {
        this.elsewhere.set(uuid, this.parts.clock.nowMs() + LOCK_AGAIN_MS);
        this.soil(uuid, taken.heldBy);
        return false;
      }
      this.locks.set(uuid, taken);
    }
    return true;
  }

  /** Those that nobody here holds any more. */
  private async unlock(uuids: readonly string[]): Promise<void> {
    for (const uuid of uuids) {
      const lock = this.locks.get(uuid);
      if (lock === undefined || this.ledger.list().some((hold) => hold.uuids.includes(uuid))) continue;
      this.locks.delete(uuid);
      const released = lock
        .release()
        .catch((error) =>
          this.parts.log.warn({ gpu: uuid, reason: errorText(error) }, "a lock is not removed"),
        )
        .finally(() => this.unlocking.delete(uuid));
      this.unlocking.set(uuid, released);
      await released;
    }
  }
}

const isOther = (why: string, was: string): boolean => why !== was && why.startsWith("process");

const EMPTY: GpuUse = { usedBytes: undefined, pids: [] };
