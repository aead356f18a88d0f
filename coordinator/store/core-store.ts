/**
 * The asynchronous shell around the synchronous core: a store as everybody uses it. What the memory store and the
 * embedded store have in common. A hook may delay every request and every reply, or lose them, so that a simulation and
 * the conformance suite decide what the network does.
 */
import type { MemoryCore } from "./memory-core.js";
import { writeSnapshot } from "./memory-snapshot.js";
import {
  type KV,
  type Lease,
  type Range,
  type Rev,
  type StateStore,
  type StoreAdmin,
  StoreError,
  type StoreUsage,
  type Txn,
  type TxnResult,
  type WatchMsg,
} from "./store.js";
import { WatchQueue } from "./watch-queue.js";

export type StoreCall = "get" | "list" | "txn" | "grant" | "renew" | "revoke" | "compact";

/** What happens on the way. Throwing in `request` means never sent; in `reply`, that the answer was lost. */
export interface StoreHook {
  request(call: StoreCall): Promise<void>;
  reply(call: StoreCall): Promise<void>;
}

export interface CoreStoreOptions {
  hook?: StoreHook;
  /** Events that may wait for a slow watcher before it ends with Lagged. Default 10,000. */
  watchBound?: number;
  /** Keys in one page of a list. Default 500. */
  pageKeys?: number;
}

const READS: ReadonlySet<StoreCall> = new Set(["get", "list"]);

export abstract class CoreStore implements StateStore, StoreAdmin {
  protected readonly core: MemoryCore;
  readonly #o: CoreStoreOptions;
  readonly #watches = new Set<WatchQueue>();
  readonly #broken = new AbortController();
  #closed = false;

  constructor(core: MemoryCore, o: CoreStoreOptions) {
    this.core = core;
    this.#o = o;
  }

  abstract grantLease(ttlMs: number): Promise<Lease>;
  /** Runs a change on the core; its answer may be given when this resolves. */
  protected abstract change<T>(run: () => T): T | Promise<T>;
  /** Called before every call. */
  protected abstract ready(): void;
  /** Ends what the store has beside its watches. */
  protected abstract end(): Promise<void>;

  protected get closed(): boolean {
    return this.#closed;
  }

  /** Aborts when the store can do nothing any more, whatever is tried; its process has to start anew. */
  get broken(): AbortSignal {
    return this.#broken.signal;
  }

  /** Ends all watches and answers nothing any more. */
  protected break(error: StoreError): void {
    for (const queue of [...this.#watches]) queue.finish(error);
    this.#broken.abort(error);
  }

  get(key: string, o?: { signal?: AbortSignal }): Promise<{ rev: Rev; kv?: KV }> {
    return this.call(
      "get",
      () => {
        const kv = this.core.get(key);
        return { rev: this.core.shown, ...(kv ? { kv } : {}) };
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
      const page = await this.call(
        "list",
        () => {
          if (!pinned) {
            const pin = this.core.pin(o.atRev);
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
    return this.call("txn", () => this.change(() => this.core.txn(t)));
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
      unsubscribe = this.core.subscribe(ranges, o.fromRev, (msg) => {
        queue.push(msg, past);
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
    queue.hear(() => {
      unsubscribe();
      o.signal.removeEventListener("abort", stop);
      this.#watches.delete(queue);
    });
  }

  compact(at: Rev): Promise<void> {
    return this.call("compact", () => this.core.compact(at));
  }

  snapshot(): AsyncIterable<Uint8Array> {
    return writeSnapshot(this);
  }

  async usage(): Promise<StoreUsage> {
    const { state, quotaBytes, closedFor } = this.core;
    return { usedBytes: state.usedBytes, quotaBytes, ...(closedFor === undefined ? {} : { closedFor }) };
  }

  /** Ends watches and leases of this client. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const queue of [...this.#watches]) queue.finish(closed());
    await this.end();
  }

  protected async call<T>(call: StoreCall, run: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    await this.#o.hook?.request(call);
    if (this.#closed) throw closed();
    this.#broken.signal.throwIfAborted();
    this.ready();
    const answer = await run();
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
