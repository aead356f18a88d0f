/**
 * The semantics of the state store as a synchronous object: revisions, transactions, history, watchers, leases. The
 * asynchronous shell around it (core-store.ts) can delay every call, which is what a simulation does, or hold back every
 * answer until it is on disk, which is what the embedded store does.
 *
 * 1. One transaction that changes something is one revision; others add none.
 * 2. History holds one entry per revision, from the compaction to the newest: what the map was, and what happened.
 * 3. History is bounded by revisions and by bytes; what falls out is compacted.
 * 4. An expired lease's keys are deleted in one revision.
 * 5. Transactions work on the newest revision; readers and watchers see no further than `shown`. With `holdBack` the
 *    owner shows revisions when they are durable, or takes them back as if they had never been.
 * 6. The last part of the quota is kept for what makes room: only what creates no key may go into it.
 */
import type { Clock } from "../../shared/runtime/clock.js";
import { History, type MapState } from "./history.js";
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
  /** Revisions are shown by `show` only (invariant 5). */
  holdBack?: boolean;
  /** The first lease's id. Default 1. */
  firstLease?: bigint;
}

interface Watcher {
  readonly ranges: readonly Range[];
  readonly fromRev: bigint;
  readonly deliver: (msg: WatchMsg) => void;
}

/** What a put's results are. */
const NOTHING: KV[] = [];
const NO_BYTES = new Uint8Array(0);
const sizeOf = (kv: KV): number => kv.key.length + kv.value.length;

export class MemoryCore {
  readonly quotaBytes: number;
  /** Why no new keys are taken although the quota would have room; what creates none still is (invariant 6). */
  closedFor: string | undefined;
  readonly #reserveBytes: number;
  readonly #holdBack: boolean;
  readonly #leases: LeaseTable;
  readonly #watchers = new Set<Watcher>();
  readonly #history: History;
  #shown: Rev;
  #tree: Tree<KV>;
  #keys = 0;
  #usedBytes = 0;
  /** The number of this change, for the map's nodes. */
  #edit = 0;
  #events: StoreEvent[] = [];

  constructor(o: MemoryCoreOptions) {
    this.quotaBytes = o.quotaBytes ?? 2 * 1024 ** 3;
    this.#reserveBytes = Math.min(Math.floor(this.quotaBytes / 20), 64 * 1024 ** 2);
    this.#holdBack = o.holdBack ?? false;
    this.#leases = new LeaseTable(o.clock, (dead) => this.#deleteKeys(dead), o.firstLease ?? 1n);
    for (const kv of o.start?.kvs ?? []) {
      this.#tree = insert(this.#tree, kv.key, kv, this.#edit);
      this.#usedBytes += sizeOf(kv);
      this.#keys++;
    }
    this.#leases.attach(between(this.#tree, "\0"));
    this.#shown = o.start?.rev ?? rev(1n);
    this.#history = new History(this.#shown, this.#state(), {
      revs: o.historyRevs ?? 10_000,
      bytes: o.historyBytes ?? 64 * 1024 ** 2,
    });
  }

  /** The newest revision, whether it is shown or not. */
  get rev(): Rev {
    return this.#history.newest;
  }
  /** The newest revision that readers and watchers see. */
  get shown(): Rev {
    return this.#shown;
  }
  /** The map at the newest revision. */
  get state(): MapState {
    return this.#state();
  }

  get(key: string): KV | undefined {
    checkKey(key);
    this.#leases.expire();
    return find(this.#history.at(this.#shown).tree, key);
  }

  /** The map as it was at a revision, or now; it never changes. */
  pin(atRev?: Rev): { rev: Rev; range(r: Range): Generator<KV, void, undefined> } {
    this.#leases.expire();
    const at = atRev ?? this.#shown;
    const { tree } = this.#history.at(at);
    if (at > this.#shown)
      throw new StoreError({ kind: "BadRequest", what: `revision ${at} is not there yet` });
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
    const old = this.#admit(branch);
    const next = rev(this.rev + 1n);
    const results = branch.map((op, i) => this.#apply(op, old[i], next));
    this.#publish();
    return { ok, rev: this.rev, results };
  }

  /** Calls `deliver` for every matching revision from `fromRev` on, first those in the past, at once. */
  subscribe(ranges: readonly Range[], fromRev: Rev, deliver: (msg: WatchMsg) => void): () => void {
    for (const range of ranges) checkRange(range);
    this.#leases.expire();
    const watcher: Watcher = { ranges, fromRev, deliver };
    for (let at: bigint = fromRev; at <= this.#shown; at++) {
      this.#offer(watcher, { rev: rev(at), events: this.#history.at(rev(at)).events });
    }
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  compact(at: Rev): void {
    this.pin(at);
    this.#history.forgetBefore(at);
  }

  /** Everything that happened after revision `r`, oldest first. */
  *since(r: Rev): Generator<StoreEvent, void, undefined> {
    for (let at: bigint = r + 1n; at <= this.rev; at++) yield* this.#history.at(rev(at)).events;
  }

  /** Lets readers and watchers see up to revision `r`. */
  show(r: Rev): void {
    while (this.#shown < r) {
      this.#shown = rev(this.#shown + 1n);
      const msg: WatchMsg = { rev: this.#shown, events: this.#history.at(this.#shown).events };
      for (const watcher of this.#watchers) this.#offer(watcher, msg);
    }
    this.#history.trim(this.#shown); // invariant 3
  }

  /** Takes back what was not shown. Leases that were revoked meanwhile stay so; revoking them again deletes their keys. */
  takeBack(): void {
    this.#history.takeBack(this.#shown);
    const { tree, keys, usedBytes } = this.#history.at(this.#shown);
    this.#tree = tree;
    this.#keys = keys;
    this.#usedBytes = usedBytes;
    this.#leases.attach(between(tree, "\0"));
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
  /** Deletes the keys of leases that are not there, because an earlier process had them. */
  revokeOrphans(): void {
    this.#leases.revokeOrphans();
  }
  /** Lets go of the expiry timer. */
  dispose(): void {
    this.#leases.dispose();
    this.#watchers.clear();
  }

  #state(): MapState {
    return { tree: this.#tree, keys: this.#keys, usedBytes: this.#usedBytes };
  }

  #holds(c: Cmp): boolean {
    const kv = find(this.#tree, c.key);
    const seen = c.target === "create" ? (kv?.createRev ?? 0n) : (kv?.modRev ?? 0n);
    return c.op === "=" ? seen === c.operand : seen !== c.operand;
  }

  /** Refuses a branch that cannot be applied, before any of it is. For each put what it replaces. */
  #admit(branch: readonly Op[]): (KV | undefined)[] {
    let growth = 0;
    let creates = false;
    const old = branch.map((op) => {
      if (!("put" in op)) return undefined;
      const { key, value, lease } = op.put;
      if (lease !== undefined) this.#leases.require(lease);
      const kv = find(this.#tree, key);
      growth += key.length + value.length - (kv ? sizeOf(kv) : 0);
      creates ||= kv === undefined && lease === undefined;
      return kv;
    });
    const used = { usedBytes: this.#usedBytes, quotaBytes: this.quotaBytes };
    if (creates && this.closedFor !== undefined) {
      throw new StoreError({ kind: "NoSpace", ...used, disk: this.closedFor });
    }
    const limit = this.quotaBytes - (creates ? this.#reserveBytes : 0); // invariant 6
    if (growth > 0 && this.#usedBytes + growth > limit) throw new StoreError({ kind: "NoSpace", ...used });
    return old;
  }

  #apply(op: Op, old: KV | undefined, at: Rev): KV[] {
    if ("get" in op) {
      if ("key" in op.get) return single(find(this.#tree, op.get.key));
      return [...between(this.#tree, op.get.from, op.get.to)];
    }
    if ("del" in op) {
      const found =
        "key" in op.del
          ? single(find(this.#tree, op.del.key))
          : [...between(this.#tree, op.del.from, op.del.to)];
      for (const kv of found) this.#delete(kv, at);
      return found;
    }
    const { key, value, lease } = op.put;
    const createRev = old ? old.createRev : at;
    const version = old ? old.version + 1n : 1n;
    const kv: KV =
      lease === undefined
        ? { key, value, createRev, modRev: at, version }
        : { key, value, createRev, modRev: at, version, lease };
    this.#leases.move(key, old?.lease, lease);
    this.#tree = insert(this.#tree, key, kv, this.#edit);
    this.#usedBytes += sizeOf(kv) - (old ? sizeOf(old) : 0);
    if (!old) this.#keys++;
    this.#events.push({ type: "put", kv });
    return NOTHING;
  }

  #delete(kv: KV, at: Rev): void {
    this.#leases.move(kv.key, kv.lease, undefined);
    this.#tree = remove(this.#tree, kv.key, this.#edit);
    this.#usedBytes -= sizeOf(kv);
    this.#keys--;
    const gone: KV = { key: kv.key, value: NO_BYTES, createRev: rev(0n), modRev: at, version: 0n };
    this.#events.push({ type: "delete", kv: gone });
  }

  #deleteKeys(dead: Iterable<string>): void {
    const next = rev(this.rev + 1n);
    for (const key of [...dead].sort(compareKeys)) {
      const kv = find(this.#tree, key);
      if (kv) this.#delete(kv, next);
    }
    this.#publish();
  }

  #publish(): void {
    if (this.#events.length === 0) return; // invariant 1
    const events = this.#events;
    this.#events = [];
    this.#edit++;
    let bytes = 0;
    for (const { kv } of events) bytes += sizeOf(kv);
    this.#history.add({ ...this.#state(), events, bytes });
    if (!this.#holdBack) this.show(this.rev);
  }

  #offer(watcher: Watcher, msg: WatchMsg): void {
    if (msg.rev < watcher.fromRev) return;
    const events = msg.events.filter((e) => watcher.ranges.some((r) => inRange(r, e.kv.key)));
    if (events.length > 0) watcher.deliver({ rev: msg.rev, events });
  }
}

const single = (kv: KV | undefined): KV[] => (kv ? [kv] : []);
