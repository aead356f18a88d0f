/** The memory store: its changes count as they are made, its leases run out by the clock, and nothing outlives it. */
import type { Clock } from "../../shared/runtime/clock.js";
import { ClientLease } from "./client-lease.js";
import { CoreStore, type CoreStoreOptions } from "./core-store.js";
import { MemoryCore, type MemoryCoreOptions } from "./memory-core.js";
import type { Lease } from "./store.js";

export type { StoreCall, StoreHook } from "./core-store.js";

export interface MemoryStoreOptions extends CoreStoreOptions {
  clock: Clock;
}

/** A store of its own, gone when it is closed. */
export function openMemoryStore(o: MemoryStoreOptions & MemoryCoreOptions): MemoryStore {
  const core = new MemoryCore(o);
  return new MemoryStore(core, o, () => core.dispose());
}

export class MemoryStore extends CoreStore {
  readonly #clock: Clock;
  readonly #onClose: () => void;
  readonly #leases = new Set<ClientLease>();

  /** Several stores may share a core, as several coordinators share an etcd. */
  constructor(core: MemoryCore, o: MemoryStoreOptions, onClose: () => void = () => undefined) {
    super(core, o);
    this.#clock = o.clock;
    this.#onClose = onClose;
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    const sentMs = this.#clock.nowMs();
    const id = await this.call("grant", () => this.core.grant(ttlMs));
    const lease: ClientLease = new ClientLease({
      id,
      ttlMs,
      sentMs,
      clock: this.#clock,
      renew: () => this.call("renew", () => this.core.renew(id)),
      revoke: async () => {
        if (!this.closed) await this.call("revoke", () => this.core.revoke(id));
      },
    });
    this.#leases.add(lease);
    lease.lost.addEventListener("abort", () => this.#leases.delete(lease), { once: true });
    return lease;
  }

  protected change<T>(run: () => T): T {
    return run();
  }

  /** A lease whose time is over must be lost for its holder before the core lets its keys go. */
  protected ready(): void {
    for (const lease of this.#leases) lease.check();
  }

  /** Leases of a shared core run out there. */
  protected async end(): Promise<void> {
    for (const lease of this.#leases) lease.end(new Error("the state store was closed"));
    this.#onClose();
  }
}
