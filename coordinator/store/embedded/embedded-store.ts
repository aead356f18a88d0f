/**
 * The embedded store: the memory store's core, durable in a folder of its own. The default of one coordinator.
 *
 * 1. What is answered is on the disk (group-commit.ts); what is on the disk is found again after any crash.
 * 2. One process owns the folder (owner.ts). Leases live as long as that process does (owned-lease.ts).
 * 3. The past is not kept over a restart: a watch from before it ends with Compacted, and its reader lists again.
 */
import type { Clock } from "../../../shared/runtime/clock.js";
import { SaiError } from "../../../shared/runtime/errors.js";
import type { Logger } from "../../../shared/runtime/logger.js";
import type { Random } from "../../../shared/runtime/random.js";
import { CoreStore, type CoreStoreOptions } from "../core-store.js";
import { MemoryCore, type MemoryCoreOptions } from "../memory-core.js";
import { type KV, type Lease, rev } from "../store.js";
import { BatchWriter, entries, toKv } from "./batch.js";
import { damaged } from "./folder.js";
import { GroupCommit } from "./group-commit.js";
import { OwnedLease } from "./owned-lease.js";
import { type Disk, openDisk } from "./thread.js";

export interface EmbeddedStoreOptions
  extends CoreStoreOptions,
    Omit<MemoryCoreOptions, "start" | "holdBack" | "firstLease"> {
  folder: string;
  clock: Clock;
  random: Random;
  log: Logger;
  /** A snapshot (memory-snapshot.ts) for an empty folder. */
  restore?: NonNullable<MemoryCoreOptions["start"]>;
}

/** Many leases for each opening of the folder, so that none is given twice. */
const LEASES_AN_OPENING = 1_000_000_000n;
const RESTORE_BATCH_BYTES = 4 * 1024 ** 2;

/**
 * Opens a folder, which becomes ours until the store is closed. Throws SaiError `config` when another process has it or
 * it cannot be used, `failed_precondition` when a snapshot is to be restored over something.
 */
export async function openEmbeddedStore(o: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  const kvs: KV[] = [];
  const opened = await openDisk(
    {
      folder: o.folder,
      mapBytes: 2 * (o.quotaBytes ?? 2 * 1024 ** 3) + 64 * 1024 ** 2,
      nonce: o.random.id(20),
      clock: o.clock,
    },
    (memory, length) => {
      for (const { key, record } of entries(memory, length)) if (record) kvs.push(toKv(key, record));
    },
  );
  const { disk, head } = opened;
  try {
    if (o.restore) await writeAll(disk, head.keys, o.restore);
    const core = new MemoryCore({
      ...o,
      start: o.restore ?? { rev: rev(head.rev), kvs },
      holdBack: true,
      firstLease: BigInt(opened.opened) * LEASES_AN_OPENING + 1n,
    });
    if (!o.restore && core.state.usedBytes !== head.bytes) {
      throw damaged(o.folder, `it has ${core.state.usedBytes} bytes, and should have ${head.bytes}`);
    }
    const store = new EmbeddedStore(core, disk, o);
    if (!opened.reserve) store.diskFull("no room for the reserve at the start");
    await store.endLeasesOfTheDead();
    return store;
  } catch (error) {
    await disk.close().catch(() => undefined);
    throw error;
  }
}

export class EmbeddedStore extends CoreStore {
  readonly #disk: Disk;
  readonly #commits: GroupCommit;
  readonly #leases = new Set<OwnedLease>();

  constructor(core: MemoryCore, disk: Disk, o: EmbeddedStoreOptions) {
    super(core, o);
    this.#disk = disk;
    this.#commits = new GroupCommit({
      ...{ core, disk, folder: o.folder, clock: o.clock, log: o.log },
      onFailed: (error) => {
        this.#endLeases(error);
        this.break(error);
      },
    });
  }

  /** A dead owner's leadership ends with its lease, in one revision. */
  async endLeasesOfTheDead(): Promise<void> {
    await this.change(() => this.core.revokeOrphans());
  }

  diskFull(why: string): void {
    this.#commits.diskFull(why);
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    const id = await this.call("grant", () => this.core.grant(Number.POSITIVE_INFINITY));
    const lease = new OwnedLease({
      id,
      ttlMs,
      revoke: async () => {
        if (!this.closed) await this.call("revoke", () => this.change(() => this.core.revoke(id)));
      },
    });
    this.#leases.add(lease);
    lease.lost.addEventListener("abort", () => this.#leases.delete(lease), { once: true });
    return lease;
  }

  protected change<T>(run: () => T): Promise<T> {
    return this.#commits.run(run);
  }

  protected ready(): void {}

  /** Flushes what is under way, and gives the folder up. */
  protected async end(): Promise<void> {
    this.#commits.stop();
    await this.#commits.drained();
    this.#endLeases(new Error("the state store was closed"));
    await this.#disk.close();
    this.core.dispose();
  }

  #endLeases(reason: Error): void {
    for (const lease of this.#leases) lease.end(reason);
  }
}

/** Puts a snapshot on an empty disk. Without the head, which comes last, an opening says that the store is damaged. */
async function writeAll(
  disk: Disk,
  keysThere: number,
  { rev: at, kvs }: NonNullable<MemoryCoreOptions["start"]>,
): Promise<void> {
  if (keysThere > 0) {
    throw new SaiError(
      "failed_precondition",
      "the state store is not empty, and a snapshot would be mixed into it",
      {
        hint: "restore into an empty folder",
      },
    );
  }
  let writer = new BatchWriter();
  let keys = 0;
  let bytes = 0;
  for (const kv of kvs) {
    writer.put(kv);
    keys++;
    bytes += kv.key.length + kv.value.length;
    if (writer.length < RESTORE_BATCH_BYTES) continue;
    await disk.commit({ memory: writer.take(), length: writer.length }, undefined, false);
    writer = new BatchWriter();
  }
  const head = { rev: at, keys, bytes };
  await disk.commit({ memory: writer.take(), length: writer.length }, head, false);
}
