/**
 * The only writer beside the store itself. Every write compares the leader key's create revision with our epoch, so
 * that a leader that was paused and replaced can do no harm, however late it wakes.
 *
 * ```
 * ACQUIRE  IF create(leader) = 0       THEN put(leader, {replica, nonce, address}, lease)  ELSE get(leader)
 * WRITE    IF create(leader) = epoch AND the compares of the write  THEN its operations    ELSE get(leader), get(compared)
 * RESIGN   IF create(leader) = epoch   THEN delete(leader)
 * ```
 *
 * 1. epoch = the create revision of the leader key that we put.
 * 2. After an unknown outcome of ACQUIRE the key is read again: it is ours if the nonce is ours.
 * 3. Once the lease's time is over nothing is sent any more, whether a timer has said so yet or not: a process that was
 *    stopped finds out by looking at the clock.
 */
import type { Clock } from "../../shared/runtime/clock.js";
import { decode, type Key, keys } from "./keys.js";
import {
  type Cmp,
  isStoreError,
  type KV,
  type Lease,
  type Op,
  type Range,
  type Rev,
  rev,
  type StateStore,
  type Txn,
  type TxnResult,
} from "./store.js";
import type { LeaderValue } from "./values.js";

/** What a write wants: all of it in one revision, or nothing. At most 127 compares and 128 operations. */
export interface Write {
  compare?: Cmp[];
  ops: Op[];
}

export type CommitResult =
  /** Done; keys that did not exist before have `rev` as their create revision. */
  | { kind: "committed"; rev: Rev }
  /** Someone else leads, or nobody; stop. */
  | { kind: "deposed"; leader?: LeaderValue }
  /** These compared keys are not as the write expected; nothing was written. */
  | { kind: "conflict"; rev: Rev; conflicts: Conflict[] }
  /** It may have been written: send the same write again until it is answered, and expect a conflict with itself. */
  | { kind: "unknown"; cause: unknown };

export interface Conflict {
  key: string;
  /** As it is now; absent if the key is. */
  kv?: KV;
}

export type AcquireResult =
  | { kind: "acquired"; store: FencedStore }
  /** Another leads; absent value: it left in between, try again. */
  | { kind: "held"; leader?: LeaderValue; rev: Rev };

/** Compare: the key must not exist. */
export const absent = (k: Key<unknown>): Cmp => ({ key: k.key, target: "create", op: "=", operand: 0n });
/** Compare: the key must be the one created at `createRev`, whatever its value. */
export const createdAt = (k: Key<unknown>, createRev: bigint): Cmp => ({
  key: k.key,
  target: "create",
  op: "=",
  operand: createRev,
});
/** Operation: put a typed value. */
export const put = <T>(k: Key<T>, value: T): Op => ({ put: { key: k.key, value: k.codec.encode(value) } });
/** Operation: delete one key. */
export const del = (k: Key<unknown>): Op => ({ del: { key: k.key } });
/** Operation: delete a range. */
export const delRange = (range: Range): Op => ({ del: range });

/** A write that waits for so long means that the store does not answer. */
const STALLED_MS = 5000;

export class FencedStore {
  readonly epoch: Rev;
  /** Aborts when leadership can no longer be believed in. */
  readonly lost: AbortSignal;
  readonly #store: StateStore;
  readonly #lease: Lease;
  readonly #clock: Clock;
  readonly #deposed = new AbortController();
  /** When the transactions were sent that are not answered yet. */
  readonly #unanswered = new Set<{ sentMs: number }>();
  #failedAtMs = Number.NEGATIVE_INFINITY;
  #full = false;

  private constructor(store: StateStore, lease: Lease, epoch: Rev, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#lease = lease;
    this.epoch = epoch;
    this.lost = AbortSignal.any([lease.lost, this.#deposed.signal]);
  }

  /** One try to lead. Throws StoreError when the store cannot be asked; the lease is given back then. */
  static async acquire(
    store: StateStore,
    self: LeaderValue,
    o: { ttlMs: number; clock: Clock },
  ): Promise<AcquireResult> {
    const lease = await store.grantLease(o.ttlMs);
    try {
      const found = await tryPut(store, lease, self);
      if (found.kind === "acquired")
        return { kind: "acquired", store: new FencedStore(store, lease, found.epoch, o.clock) };
      await lease.revoke();
      return found;
    } catch (error) {
      // The lease's own end removes a leader key that we may have put without knowing.
      await lease.revoke().catch(() => undefined);
      throw error;
    }
  }

  /** How long leadership is still certain, in ms; dispatch and commits stop at 0. */
  remainingMs(nowMs: number): number {
    return this.#deposed.signal.aborted ? 0 : this.#lease.remainingMs(nowMs);
  }

  /** To be called now and then by whoever keeps the event loop busy (client-lease.ts, invariant 4). */
  renewIfDue(nowMs: number): void {
    this.#lease.renewIfDue?.(nowMs);
  }

  /** Writes under our epoch. Throws StoreError only for what is certainly not done (Unavailable, TooLarge, …). */
  async commit(write: Write): Promise<CommitResult> {
    if (this.remainingMs(this.#clock.nowMs()) <= 0) {
      this.#deposed.abort(new Error("leadership was not renewed in time")); // invariant 3
      return { kind: "deposed" };
    }
    const compares = write.compare ?? [];
    const compared = [...new Set([keys.leader.key, ...compares.map((c) => c.key)])];
    let answer: TxnResult;
    try {
      answer = await this.#send({
        compare: [createdAt(keys.leader, this.epoch), ...compares],
        success: write.ops,
        failure: compared.map((key) => ({ get: { key } })),
      });
    } catch (cause) {
      if (isStoreError(cause, "OutcomeUnknown")) return { kind: "unknown", cause };
      throw cause;
    }
    if (answer.ok) return { kind: "committed", rev: answer.rev };
    const now = new Map(compared.map((key, i) => [key, answer.results[i]?.[0]]));
    const leader = now.get(keys.leader.key);
    if (leader?.createRev !== this.epoch) {
      this.#deposed.abort(new Error("another coordinator leads"));
      return { kind: "deposed", ...(leader ? { leader: decode(keys.leader.codec, leader) } : {}) };
    }
    const failed = new Set(compares.filter((c) => !holds(c, now.get(c.key))).map((c) => c.key));
    const conflicts = [...failed].map((key) => {
      const kv = now.get(key);
      return kv ? { key, kv } : { key };
    });
    return { kind: "conflict", rev: answer.rev, conflicts };
  }

  /** Whether the last write that was answered was refused because the store is full. */
  get full(): boolean {
    return this.#full;
  }

  /** Whether the store has taken our writes lately: none waits for more than 5 s, none failed since the last success. */
  answers(nowMs: number): boolean {
    // Nobody may write again: a failure is news for a while only.
    if (nowMs - this.#failedAtMs < 2 * STALLED_MS) return false;
    for (const { sentMs } of this.#unanswered) if (nowMs - sentMs > STALLED_MS) return false;
    return true;
  }

  async #send(txn: Txn): Promise<TxnResult> {
    const sent = { sentMs: this.#clock.nowMs() };
    this.#unanswered.add(sent);
    try {
      const answer = await this.#store.txn(txn);
      this.#failedAtMs = Number.NEGATIVE_INFINITY;
      this.#full = false;
      return answer;
    } catch (error) {
      this.#full = isStoreError(error, "NoSpace");
      const away = ["Unavailable", "OutcomeUnknown", "NoSpace"] as const;
      if (away.some((kind) => isStoreError(error, kind))) this.#failedAtMs = this.#clock.nowMs();
      throw error;
    } finally {
      this.#unanswered.delete(sent);
    }
  }

  /** Stops leading, so that another may at once. Harmless when we no longer do. */
  async resign(): Promise<void> {
    this.#deposed.abort(new Error("resigned"));
    try {
      await this.#store.txn({
        compare: [createdAt(keys.leader, this.epoch)],
        success: [{ del: { key: keys.leader.key } }],
      });
    } finally {
      await this.#lease.revoke();
    }
  }
}

/** Whether a compare holds for a key as it is now. */
export function holds(c: Cmp, kv: KV | undefined): boolean {
  const seen = c.target === "create" ? (kv?.createRev ?? 0n) : (kv?.modRev ?? 0n);
  return c.op === "=" ? seen === c.operand : seen !== c.operand;
}

async function tryPut(
  store: StateStore,
  lease: Lease,
  self: LeaderValue,
): Promise<{ kind: "acquired"; epoch: Rev } | { kind: "held"; leader?: LeaderValue; rev: Rev }> {
  let kv: KV | undefined;
  let at: Rev;
  try {
    const value = keys.leader.codec.encode(self);
    const answer = await store.txn({
      compare: [absent(keys.leader)],
      success: [{ put: { key: keys.leader.key, value, lease: lease.id } }],
      failure: [{ get: { key: keys.leader.key } }],
    });
    if (answer.ok) return { kind: "acquired", epoch: answer.rev };
    kv = answer.results[0]?.[0];
    at = answer.rev;
  } catch (error) {
    if (!isStoreError(error, "OutcomeUnknown")) throw error;
    const read = await store.get(keys.leader.key); // invariant 2
    kv = read.kv;
    at = read.rev;
  }
  if (!kv) return { kind: "held", rev: at };
  const leader = decode(keys.leader.codec, kv);
  if (leader.nonce === self.nonce && kv.lease === lease.id)
    return { kind: "acquired", epoch: rev(kv.createRev) };
  return { kind: "held", leader, rev: at };
}
