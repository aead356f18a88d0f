/**
 * The semantics of the state store as a synchronous object: revisions, transactions, history, watchers, leases. The
 * asynchronous shell around it (memory-store.ts) can delay every call, which is what a simulation does.
 *
 * 1. One transaction that changes something is one revision; others add none.
 * 2. History holds one entry per revision, from `compactRev` to the newest: what the map was, and what happened.
 * 3. History is bounded by revisions and by bytes; what falls out is compacted.
 * 4. An expired lease's keys are deleted in one revision.
 */
import type { Clock } from "../../shared/runtime/clock.js";
import { LeaseTable } from "./memory-leases.js";
import { between, compareKeys, find, insert, remove, type Tree } from "./persistent-map.js";
import {
  type Cmp,
  type KV,
  type Op,
  type Range,
  type Rev,
  rev,
  StoreError,
  type StoreEvent,
  type Txn,
  type TxnResult,
  type WatchMsg,
} from "./store.js";
import { bounds, checkKey, checkRange, checkTxn, inRange } from "./txn-check.js";

export interface MemoryCoreOptions {
  clock: Clock;
  /** Revisions kept for watches and pinned lists. Default 10,000. */
  historyRevs?: number;
  /** Bytes of values kept for the same. Default 64 MiB. */
  historyBytes?: number;
  /** Bytes of keys and values. Default 2 GiB, as etcd's. */
  quotaBytes?: number;
  /** What the store begins with: a restored snapshot. */
  start?: { rev: Rev; kvs: Iterable<KV> };
}

interface Entry {
  readonly tree: Tree<KV>;
  readonly events: readonly StoreEvent[];
  readonly bytes: number;
}

interface Watcher {
  readonly ranges: readonly Range[];
  readonly fromRev: bigint;
  readonly deliver: (msg: WatchMsg) => void;
}

const NO_BYTES = new Uint8Array(0);
const sizeOf = (kv: KV): number => kv.key.length + kv.value.length;

export class MemoryCore {
  readonly quotaBytes: number;
  readonly #historyRevs: number;
  readonly #historyBytes: number;
  readonly #leases: LeaseTable;
  readonly #watchers = new Set<Watcher>();
  readonly #history = new Map<bigint, Entry>();
  #keptBytes = 0;
  #rev: Rev;
  #compactRev: Rev;
  #tree: Tree<KV>;
  #usedBytes = 0;

  constructor(o: MemoryCoreOptions) {
    this.quotaBytes = o.quotaBytes ?? 2 * 1024 ** 3;
    this.#historyRevs = o.historyRevs ?? 10_000;
    this.#historyBytes = o.historyBytes ?? 64 * 1024 ** 2;
    this.#leases = new LeaseTable(o.clock, (dead) => this.#deleteKeys(dead));
    this.#rev = this.#compactRev = o.start?.rev ?? rev(1n);
    for (const kv of o.start?.kvs ?? []) {
      this.#tree = insert(this.#tree, kv.key, kv);
      this.#usedBytes += sizeOf(kv);
    }
    this.#history.set(this.#rev, { tree: this.#tree, events: [], bytes: 0 });
  }

  get rev(): Rev {
    return this.#rev;
  }
  get usedBytes(): number {
    return this.#usedBytes;
  }

  get(key: string): KV | undefined {
    checkKey(key);
    this.#leases.expire();
    return find(this.#tree, key);
  }

  /** The map as it was at a revision, or now; it never changes. */
  pin(atRev?: Rev): { rev: Rev; range(r: Range): Generator<KV, void, undefined> } {
    this.#leases.expire();
    const at = atRev ?? this.#rev;
    const tree = this.#entry(at).tree;
    return {
      rev: at,
      range(r) {
        checkRange(r);
        const { from, to } = bounds(r);
        return between(tree, from, to);
      },
    };
  }

  txn(t: Txn): TxnResult {
    checkTxn(t);
    this.#leases.expire();
    const ok = t.compare.every((c) => this.#holds(c));
    const branch = ok ? t.success : (t.failure ?? []);
    this.#admit(branch);
    const next = rev(this.#rev + 1n);
    const events: StoreEvent[] = [];
    const results = branch.map((op) => this.#apply(op, next, events));
    this.#publish(events);
    return { ok, rev: this.#rev, results };
  }

  /** Calls `deliver` for every matching revision from `fromRev` on, first those in the past, at once. */
  subscribe(ranges: readonly Range[], fromRev: Rev, deliver: (msg: WatchMsg) => void): () => void {
    for (const range of ranges) checkRange(range);
    this.#leases.expire();
    const watcher: Watcher = { ranges, fromRev, deliver };
    if (fromRev <= this.#rev) this.#entry(fromRev);
    for (let at: bigint = fromRev; at <= this.#rev; at++) {
      this.#offer(watcher, { rev: rev(at), events: this.#entry(rev(at)).events });
    }
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  compact(at: Rev): void {
    this.#entry(at);
    while (this.#compactRev < at) this.#forgetOldest();
  }

  grant(ttlMs: number): bigint {
    return this.#leases.grant(ttlMs);
  }
  /** Throws StoreError LeaseNotFound when it has expired. */
  renew(lease: bigint): void {
    this.#leases.expire();
    this.#leases.renew(lease);
  }
  /** Deletes the lease's keys; nothing happens when it is gone. */
  revoke(lease: bigint): void {
    this.#leases.revoke(lease);
  }
  /** Lets go of the expiry timer. */
  dispose(): void {
    this.#leases.dispose();
    this.#watchers.clear();
  }

  #entry(at: Rev): Entry {
    if (at < this.#compactRev) throw new StoreError({ kind: "Compacted", compactRev: this.#compactRev });
    const entry = this.#history.get(at);
    if (!entry) throw new StoreError({ kind: "BadRequest", what: `revision ${at} is not there yet` });
    return entry;
  }

  #holds(c: Cmp): boolean {
    const kv = find(this.#tree, c.key);
    const seen = c.target === "create" ? (kv?.createRev ?? 0n) : (kv?.modRev ?? 0n);
    return c.op === "=" ? seen === c.operand : seen !== c.operand;
  }

  /** Refuses a branch that cannot be applied, before any of it is. */
  #admit(branch: readonly Op[]): void {
    let putBytes = 0;
    for (const op of branch) {
      if (!("put" in op)) continue;
      const { key, value, lease } = op.put;
      if (lease !== undefined) this.#leases.require(lease);
      const old = find(this.#tree, key);
      putBytes += key.length + value.length - (old ? sizeOf(old) : 0);
    }
    if (putBytes > 0 && this.#usedBytes + putBytes > this.quotaBytes) {
      throw new StoreError({ kind: "NoSpace", usedBytes: this.#usedBytes, quotaBytes: this.quotaBytes });
    }
  }

  #apply(op: Op, at: Rev, events: StoreEvent[]): KV[] {
    if ("get" in op) {
      const { from, to } = bounds(op.get);
      return [...between(this.#tree, from, to)];
    }
    if ("del" in op) {
      const { from, to } = bounds(op.del);
      const found = [...between(this.#tree, from, to)];
      for (const kv of found) this.#delete(kv, at, events);
      return found;
    }
    const { key, value, lease } = op.put;
    const old = find(this.#tree, key);
    const kv: KV = {
      key,
      value: value.slice(),
      createRev: old?.createRev ?? at,
      modRev: at,
      version: (old?.version ?? 0n) + 1n,
      ...(lease === undefined ? {} : { lease }),
    };
    this.#leases.move(key, old?.lease, lease);
    this.#tree = insert(this.#tree, key, kv);
    this.#usedBytes += sizeOf(kv) - (old ? sizeOf(old) : 0);
    events.push({ type: "put", kv });
    return [];
  }

  #delete(kv: KV, at: Rev, events: StoreEvent[]): void {
    this.#leases.move(kv.key, kv.lease, undefined);
    this.#tree = remove(this.#tree, kv.key);
    this.#usedBytes -= sizeOf(kv);
    const gone: KV = { key: kv.key, value: NO_BYTES, createRev: rev(0n), modRev: at, version: 0n };
    events.push({ type: "delete", kv: gone });
  }

  #deleteKeys(dead: Iterable<string>): void {
    const events: StoreEvent[] = [];
    const next = rev(this.#rev + 1n);
    for (const key of [...dead].sort(compareKeys)) {
      const kv = find(this.#tree, key);
      if (kv) this.#delete(kv, next, events);
    }
    this.#publish(events);
  }

  #publish(events: readonly StoreEvent[]): void {
    if (events.length === 0) return; // invariant 1
    this.#rev = rev(this.#rev + 1n);
    const bytes = events.reduce((sum, e) => sum + sizeOf(e.kv), 0);
    this.#history.set(this.#rev, { tree: this.#tree, events, bytes });
    this.#keptBytes += bytes;
    while (
      this.#history.size > 1 &&
      (this.#history.size > this.#historyRevs || this.#keptBytes > this.#historyBytes)
    ) {
      this.#forgetOldest(); // invariant 3
    }
    const msg: WatchMsg = { rev: this.#rev, events };
    for (const watcher of this.#watchers) this.#offer(watcher, msg);
  }

  #offer(watcher: Watcher, msg: WatchMsg): void {
    if (msg.rev < watcher.fromRev) return;
    const events = msg.events.filter((e) => watcher.ranges.some((r) => inRange(r, e.kv.key)));
    if (events.length > 0) watcher.deliver({ rev: msg.rev, events });
  }

  #forgetOldest(): void {
    this.#keptBytes -= this.#history.get(this.#compactRev)?.bytes ?? 0;
    this.#history.delete(this.#compactRev);
    this.#compactRev = rev(this.#compactRev + 1n);
  }
}
