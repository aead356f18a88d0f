/**
 * The state store on etcd (3.5.13 or newer in production): the same semantics as the others, for several coordinators.
 * Channels, authentication and messages are npm etcd3's; its high-level helpers are not used (see endpoints.ts, watch.ts
 * and client-lease.ts for what each would get wrong). Sizes and operations are checked before anything is sent.
 */
import type { IResponseStream, ISnapshotResponse } from "etcd3";
import type { Clock } from "../../../shared/runtime/clock.js";
import { ClientLease } from "../client-lease.js";
import {
  isStoreError,
  type KV,
  type Lease,
  type Range,
  type Rev,
  rev,
  type StateStore,
  type StoreAdmin,
  StoreError,
  type StoreUsage,
  type Txn,
  type TxnResult,
  type WatchMsg,
} from "../store.js";
import { bounds, checkKey, checkRange, checkTxn } from "../txn-check.js";
import { WatchQueue } from "../watch-queue.js";
import { Endpoints, type EtcdAccess } from "./endpoints.js";
import { fateOf } from "./errors.js";
import { LeaseCalls } from "./lease-calls.js";
import { found, toKv, toRange, toTxn } from "./messages.js";
import { EtcdWatch } from "./watch.js";

/** Keys of a page; a list of a million shards is then 500 questions, one after the other. */
const PAGE_KEYS = 2000;
/** A page that was not answered is asked again for an eighth of its keys, not below these. */
const FEWEST_KEYS = 30;

export interface EtcdStoreOptions extends EtcdAccess {
  clock: Clock;
  /** Which endpoint is asked first, so that coordinators spread. */
  first?: number;
  /** Events that may wait for a slow watcher before it ends with Lagged. Default 10,000. */
  watchBound?: number;
  /** Keys in one page of a list. Default 2,000. */
  pageKeys?: number;
  /** The quota etcd was started with, for people; it does not say. */
  quotaBytes?: number;
}

export class EtcdStore implements StateStore, StoreAdmin {
  /** Never aborts: etcd may always come back. */
  readonly broken = new AbortController().signal;
  readonly #o: EtcdStoreOptions;
  readonly #endpoints: Endpoints;
  readonly #leaseCalls: LeaseCalls;
  readonly #watches = new Set<WatchQueue>();
  readonly #leases = new Set<ClientLease>();
  #closed = false;

  /** Nothing is sent before the first call. */
  constructor(o: EtcdStoreOptions) {
    this.#o = o;
    this.#endpoints = new Endpoints(o, o.first);
    this.#leaseCalls = new LeaseCalls(this.#endpoints, o.clock);
  }

  async get(key: string, o?: { signal?: AbortSignal }): Promise<{ rev: Rev; kv?: KV }> {
    this.#ready();
    checkKey(key);
    const answer = await this.#endpoints.call(
      { repeatable: true, what: `reading ${key}`, signal: o?.signal },
      ({ kv }, deadline) => kv.range(toRange({ key }), { deadline }),
    );
    const [first] = answer.kvs;
    return { rev: rev(BigInt(answer.header.revision)), ...(first ? { kv: toKv(first) } : {}) };
  }

  async *list(
    range: Range,
    o: { signal?: AbortSignal; atRev?: Rev } = {},
  ): AsyncGenerator<{ rev: Rev; kvs: KV[] }, void, undefined> {
    checkRange(range);
    const { to } = bounds(range);
    let limit = this.#o.pageKeys ?? PAGE_KEYS;
    let { from } = bounds(range);
    let at = o.atRev;
    for (;;) {
      this.#ready();
      const asked = {
        ...toRange({ from, to }),
        limit,
        ...(at === undefined ? {} : { revision: String(at) }),
      };
      const page = await this.#endpoints
        .call(
          {
            ...{ repeatable: true, what: `listing from ${from}`, signal: o.signal },
            compactRev: () => this.#compactRev(at ?? rev(1n)),
          },
          ({ kv }, deadline) => kv.range(asked, { deadline }),
        )
        .catch((error: unknown) => {
          if (limit <= FEWEST_KEYS || !isStoreError(error, "Unavailable")) throw error;
          return undefined;
        });
      if (page === undefined) {
        // Large values may be more than an answer can carry, or than comes in time.
        limit = Math.max(FEWEST_KEYS, Math.floor(limit / 8));
        continue;
      }
      at ??= rev(BigInt(page.header.revision));
      const kvs = page.kvs.map(toKv);
      yield { rev: at, kvs };
      const last = kvs.at(-1);
      if (!page.more || last === undefined) return;
      from = `${last.key}\0`;
    }
  }

  async txn(t: Txn): Promise<TxnResult> {
    this.#ready();
    checkTxn(t);
    const ops = [...t.success, ...(t.failure ?? [])];
    const lease = ops.flatMap((op) => ("put" in op && op.put.lease !== undefined ? [op.put.lease] : []))[0];
    const writes = ops.some((op) => !("get" in op));
    const answer = await this.#endpoints.call(
      {
        ...{ repeatable: !writes, what: `a transaction of ${t.success.length} operations` },
        ...(lease === undefined ? {} : { lease }),
      },
      ({ kv }, deadline) => kv.txn(toTxn(t), { deadline }),
    );
    return {
      ok: answer.succeeded,
      rev: rev(BigInt(answer.header.revision)),
      results: answer.responses.map(found),
    };
  }

  watch(ranges: Range[], o: { fromRev: Rev; signal: AbortSignal }): AsyncIterable<WatchMsg> {
    const queue = new WatchQueue(this.#o.watchBound ?? 10_000);
    try {
      this.#ready();
      for (const range of ranges) checkRange(range);
    } catch (error) {
      queue.finish(error);
      return queue;
    }
    if (o.signal.aborted) {
      queue.finish();
      return queue;
    }
    const watch = new EtcdWatch({
      ranges,
      fromRev: o.fromRev,
      endpoints: this.#endpoints,
      queue,
      clock: this.#o.clock,
    });
    const stop = () => void queue.return();
    o.signal.addEventListener("abort", stop, { once: true });
    this.#watches.add(queue);
    queue.hear(
      () => {
        watch.end();
        o.signal.removeEventListener("abort", stop);
        this.#watches.delete(queue);
      },
      () => watch.taken(),
    );
    watch.begin();
    return queue;
  }

  /** The time is rounded up to whole seconds, which is what etcd counts in. */
  async grantLease(ttlMs: number): Promise<Lease> {
    this.#ready();
    const seconds = Math.ceil(ttlMs / 1000);
    const sentMs = this.#o.clock.nowMs();
    const id = await this.#leaseCalls.grant(seconds);
    const lease: ClientLease = new ClientLease({
      ...{ id, ttlMs: seconds * 1000, sentMs, clock: this.#o.clock },
      renew: () => this.#leaseCalls.renew(id, seconds),
      revoke: async () => {
        if (!this.#closed) await this.#leaseCalls.revoke(id);
      },
    });
    this.#leases.add(lease);
    lease.lost.addEventListener("abort", () => this.#leases.delete(lease), { once: true });
    return lease;
  }

  async compact(at: Rev): Promise<void> {
    this.#ready();
    const o = { repeatable: true, what: `compacting at ${at}` };
    await this.#endpoints
      .call(o, ({ kv }, deadline) => kv.compact({ revision: String(at) }, { deadline }))
      .catch((error: unknown) => {
        // Already there, or further.
        if (!(error instanceof StoreError) || error.detail.kind !== "Compacted") throw error;
      });
  }

  /** etcd's own snapshot of one member; `etcdutl snapshot restore --bump-revision --mark-compacted` brings it back. */
  async *snapshot(): AsyncGenerator<Uint8Array, void, undefined> {
    this.#ready();
    const stream = await this.#endpoints.current.clients.maintenance.snapshot();
    const chunks = stream as IResponseStream<ISnapshotResponse> & AsyncIterable<ISnapshotResponse>;
    try {
      for await (const { blob } of chunks) yield blob;
    } catch (error) {
      const fate = fateOf(error);
      if (fate.kind === "refused") throw fate.error;
      throw new StoreError({ kind: "Unavailable", what: "the snapshot was cut off" }, error);
    }
  }

  async usage(): Promise<StoreUsage> {
    this.#ready();
    const { dbSize } = await this.#endpoints.call(
      { repeatable: true, what: "asking for the size of the database" },
      ({ maintenance }, deadline) => maintenance.status({ deadline }),
    );
    return { usedBytes: Number(dbSize), quotaBytes: this.#o.quotaBytes ?? 2 * 1024 ** 3 };
  }

  /** Ends watches and connections; leases that were not revoked run out in etcd. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const queue of [...this.#watches]) queue.finish(closed());
    for (const lease of [...this.#leases]) lease.end(new Error("the state store was closed"));
    this.#endpoints.close();
  }

  /** A lease whose time is over must be lost for its holder before anything is sent. */
  #ready(): void {
    if (this.#closed) throw closed();
    for (const lease of this.#leases) lease.check();
  }

  /** The compaction that `at` lies before: only a watch is told. */
  async #compactRev(at: Rev): Promise<Rev> {
    const signal = new AbortController();
    const watch = this.watch([{ key: "\0" }], { fromRev: at, signal: signal.signal });
    const cancelTimer = this.#o.clock.after(1_000, () => signal.abort());
    try {
      for await (const _ of watch) break;
    } catch (error) {
      if (error instanceof StoreError && error.detail.kind === "Compacted") return error.detail.compactRev;
    } finally {
      cancelTimer();
      signal.abort();
    }
    return rev(0n);
  }
}

const closed = () => new StoreError({ kind: "Unavailable", what: "it was closed" });
