/**
 * The memory store: the synchronous core behind the asynchronous interface. A hook may delay every request and every
 * reply, or lose them, so that a simulation and the conformance suite decide what the network does.
 */
import type { Clock } from "../../shared/runtime/clock.js";
import { ClientLease } from "./client-lease.js";
import { MemoryCore, type MemoryCoreOptions } from "./memory-core.js";
import { writeSnapshot } from "./memory-snapshot.js";
import { WatchQueue } from "./memory-watch.js";
import {
  type KV,
  type Lease,
  type Range,
  type Rev,
  type StateStore,
  type StoreAdmin,
  StoreError,
  type Txn,
  type TxnResult,
  type WatchMsg,
} from "./store.js";

export type StoreCall = "get" | "list" | "txn" | "grant" | "renew" | "revoke" | "compact";

/** What happens on the way. Throwing in `request` means never sent; in `reply`, that the answer was lost. */
export interface StoreHook {
  request(call: StoreCall): Promise<void>;
  reply(call: StoreCall): Promise<void>;
}

export interface MemoryStoreOptions {
  clock: Clock;
  hook?: StoreHook;
  /** Events that may wait for a slow watcher before it ends with Lagged. Default 10,000. */
  watchBound?: number;
  /** Keys in one page of a list. Default 500. */
  pageKeys?: number;
}

/** A store of its own, gone when it is closed. */
export function openMemoryStore(o: MemoryStoreOptions & MemoryCoreOptions): MemoryStore {
  const core = new MemoryCore(o);
  return new MemoryStore(core, o, () => core.dispose());
}

const READS: ReadonlySet<StoreCall> = new Set(["get", "list"]);

export class MemoryStore implements StateStore, StoreAdmin {
  readonly #core: MemoryCore;
  readonly #o: MemoryStoreOptions;
  readonly #onClose: () => void;
  readonly #watches = new Set<WatchQueue>();
  readonly #leases = new Set<ClientLease>();
  #closed = false;

  /** Several stores may share a core, as several coordinators share an etcd. */
  constructor(core: MemoryCore, o: MemoryStoreOptions, onClose: () => void = () => undefined) {
    this.#core = core;
    this.#o = o;
    this.#onClose = onClose;
  }

  get(key: string, o?: { signal?: AbortSignal }): Promise<{ rev: Rev; kv?: KV }> {
    return this.#call(
      "get",
      () => {
        const kv = this.#core.get(key);
        return { rev: this.#core.rev, ...(kv ? { kv } : {}) };
      },
      o?.signal,
    );
  }

  async *list(
    r: Range,
    o: { signal?: AbortSignal; atRev?: Rev } = {},
  ): AsyncGenerator<{ rev: Rev; kvs: KV[] }, void, undefined> {
    const pageKeys = this.#o.pageKeys ?? 500;
    let pinned: { rev: Rev; rest: Generator<KV, void, undefined> } | undefined;
    for (;;) {
      const page = await this.#call(
        "list",
        () => {
          if (!pinned) {
            const pin = this.#core.pin(o.atRev);
            pinned = { rev: pin.rev, rest: pin.range(r) };
          }
          return { rev: pinned.rev, kvs: take(pinned.rest, pageKeys) };
        },
        o.signal,
      );
      yield page;
      if (page.kvs.length < pageKeys) return;
    }
  }

  txn(t: Txn): Promise<TxnResult> {
    return this.#call("txn", () => this.#core.txn(t));
  }

  watch(ranges: Range[], o: { fromRev: Rev; signal: AbortSignal }): AsyncIterable<WatchMsg> {
    const queue = new WatchQueue(this.#o.watchBound ?? 10_000);
    if (this.#closed) queue.finish(closed());
    else if (o.signal.aborted) queue.finish();
    else this.#subscribe(queue, ranges, o);
    return queue;
  }

  #subscribe(queue: WatchQueue, ranges: Range[], o: { fromRev: Rev; signal: AbortSignal }): void {
    let past = true;
    let unsubscribe: () => void;
    try {
      unsubscribe = this.#core.subscribe(ranges, o.fromRev, (msg) => {
        queue.push(msg);
        if (!past) queue.checkBound();
      });
    } catch (error) {
      queue.finish(error);
      return;
    }
    past = false;
    const stop = () => void queue.return();
    o.signal.addEventListener("abort", stop, { once: true });
    this.#watches.add(queue);
    queue.live(() => {
      unsubscribe();
      o.signal.removeEventListener("abort", stop);
      this.#watches.delete(queue);
    });
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    const { clock } = this.#o;
    const sentMs = clock.nowMs();
    const id = await this.#call("grant", () => this.#core.grant(ttlMs));
    const lease: ClientLease = new ClientLease({
      id,
      ttlMs,
      sentMs,
      clock,
      renew: () => this.#call("renew", () => this.#core.renew(id)),
      revoke: async () => {
        if (!this.#closed) await this.#call("revoke", () => this.#core.revoke(id));
      },
    });
    this.#leases.add(lease);
    lease.lost.addEventListener("abort", () => this.#leases.delete(lease), { once: true });
    return lease;
  }

  compact(at: Rev): Promise<void> {
    return this.#call("compact", () => this.#core.compact(at));
  }

  snapshot(): AsyncIterable<Uint8Array> {
    return writeSnapshot(this);
  }

  async usage(): Promise<{ usedBytes: number; quotaBytes: number }> {
    return { usedBytes: this.#core.usedBytes, quotaBytes: this.#core.quotaBytes };
  }

  /** Ends watches and leases of this client; leases of a shared core run out there. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const queue of [...this.#watches]) queue.finish(closed());
    for (const lease of this.#leases) lease.end(new Error("the state store was closed"));
    this.#onClose();
  }

  async #call<T>(call: StoreCall, run: () => T, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    await this.#o.hook?.request(call);
    if (this.#closed) throw closed();
    // A lease whose time is over must be lost for its holder before the core lets its keys go.
    for (const lease of this.#leases) lease.check();
    const answer = run();
    try {
      await this.#o.hook?.reply(call);
    } catch (cause) {
      const kind = READS.has(call) ? "Unavailable" : "OutcomeUnknown";
      throw new StoreError({ kind, what: `the reply to ${call} was lost` }, cause);
    }
    signal?.throwIfAborted();
    return answer;
  }
}

const closed = () => new StoreError({ kind: "Unavailable", what: "it was closed" });

function take(from: Generator<KV, void, undefined>, n: number): KV[] {
  const kvs: KV[] = [];
  while (kvs.length < n) {
    const step = from.next();
    if (step.done) break;
    kvs.push(step.value);
  }
  return kvs;
}
