/**
 * The state store: small, strongly consistent, fenced. One interface, several implementations with the same semantics;
 * test/conformance/store-conformance.ts is what "the same" means.
 *
 * 1. Every transaction that changes something is one revision, and revisions rise by one.
 * 2. Compares see the state before the transaction; a key appears at most once per branch.
 * 3. Keys order bytewise (UTF-8).
 * 4. A watch delivers whole revisions, in order, without gap or double, or it ends with an error that says so.
 * 5. A mutation whose reply was lost is OutcomeUnknown, never a plain failure.
 */

/** A revision; a decimal string in JSON. 0 stands for "never". */
export type Rev = bigint & { readonly __brand: "Rev" };
export const rev = (n: bigint): Rev => n as Rev;

export interface KV {
  readonly key: string;
  readonly value: Uint8Array;
  /** Revision that created the key; a new one after delete and recreate. */
  readonly createRev: Rev;
  /** Revision of the last put. */
  readonly modRev: Rev;
  /** Puts since the creation, from 1. */
  readonly version: bigint;
  /** Lease the key dies with. */
  readonly lease?: bigint;
}

/** One key, or all keys with from ≤ key < to. */
export type Range = { key: string } | { from: string; to: string };

/** `create` or `mod` revision of a key; 0 while the key is absent. */
export interface Cmp {
  key: string;
  target: "create" | "mod";
  op: "=" | "!=";
  operand: bigint;
}

/** The store keeps a put's array as it is; it must not change afterwards, nor must a value that was read. */
export type Op =
  | { put: { key: string; value: Uint8Array; lease?: bigint } }
  | { del: Range }
  | { get: Range };

export interface Txn {
  compare: Cmp[];
  success: Op[];
  failure?: Op[];
}

export interface TxnResult {
  /** Whether all compares held, so that `success` ran; `failure` ran otherwise. */
  ok: boolean;
  /** The store's revision after it; a txn that changes nothing leaves it as it was. */
  rev: Rev;
  /** Per operation of the branch that ran: what a get found; for a del what it deleted; for a put nothing. */
  results: KV[][];
}

/** A deleted key's kv has the key and, as modRev, the revision of the deletion; value empty, createRev and version 0. */
export interface StoreEvent {
  readonly type: "put" | "delete";
  readonly kv: KV;
}

/** All events of one revision that fall into the watched ranges; none means: nothing up to `rev`. */
export interface WatchMsg {
  readonly rev: Rev;
  readonly events: readonly StoreEvent[];
}

export interface StateStore {
  get(key: string, o?: { signal?: AbortSignal }): Promise<{ rev: Rev; kv?: KV }>;
  /** Pages of one revision: the one at the first page, or `atRev`. There is always at least one page. */
  list(r: Range, o?: { signal?: AbortSignal; atRev?: Rev }): AsyncIterable<{ rev: Rev; kvs: KV[] }>;
  txn(t: Txn): Promise<TxnResult>;
  /** Events from `fromRev` on; subscribed at the call, not at the first read. Ends when `signal` aborts. */
  watch(ranges: Range[], o: { fromRev: Rev; signal: AbortSignal }): AsyncIterable<WatchMsg>;
  /** Granted and from then on renewed by the store's client until revoked or lost. */
  grantLease(ttlMs: number): Promise<Lease>;
  close(): Promise<void>;
}

export interface Lease {
  readonly id: bigint;
  /** How long the holder may still believe in it, on the monotonic clock; 0 when lost. */
  remainingMs(nowMs: number): number;
  /** Sends a renewal if one is due and no timer has sent it; absent where leases need none. */
  renewIfDue?(nowMs: number): void;
  /** Aborts before the store lets the lease expire. */
  readonly lost: AbortSignal;
  /** Ends it and deletes its keys. Harmless when it is gone. */
  revoke(): Promise<void>;
}

export interface StoreUsage {
  /** Of keys and values. */
  usedBytes: number;
  quotaBytes: number;
  /** Why the store takes no new keys although the quota has room: its disk is full. Absent when it does. */
  closedFor?: string;
}

export interface StoreAdmin {
  /** Forgets what revisions before `rev` looked like. */
  compact(rev: Rev): Promise<void>;
  snapshot(): AsyncIterable<Uint8Array>;
  usage(): Promise<StoreUsage>;
}

/** Operations of one txn, counted as the larger of compares, success and failure. */
export const MAX_TXN_OPS = 128;
/** Bytes of keys and values in one txn. */
export const MAX_TXN_BYTES = 1.5 * 1024 * 1024;
/** UTF-16 units of a key: what the embedded store's pages can hold in any script. */
export const MAX_KEY_CHARS = 512;

export type StoreErrorDetail =
  /** What was asked for lies before the compaction. */
  | { kind: "Compacted"; compactRev: Rev }
  /** The watcher read too slowly and was ended; list again. */
  | { kind: "Lagged" }
  | { kind: "TooManyOps"; ops: number; limit: number }
  | { kind: "TooLarge"; bytes: number; limit: number }
  /** A key twice in one branch, an empty or malformed key, a range backwards. */
  | { kind: "BadRequest"; what: string }
  /** `disk`: what is full when it is not the quota. Certainly not done. */
  | { kind: "NoSpace"; usedBytes: number; quotaBytes: number; disk?: string }
  | { kind: "LeaseNotFound"; lease: bigint }
  /** The user may not do it, or is not known. Not done. */
  | { kind: "Denied"; what: string }
  /** Not done, and certainly not done. */
  | { kind: "Unavailable"; what: string }
  /** It may have been done: read again. */
  | { kind: "OutcomeUnknown"; what: string };

const text = (d: StoreErrorDetail): string => {
  switch (d.kind) {
    case "Compacted":
      return `the state store has forgotten this revision; the oldest it knows is ${d.compactRev}`;
    case "Lagged":
      return "a watch of the state store fell too far behind and was ended";
    case "TooManyOps":
      return `a state store transaction has ${d.ops} operations, at most ${d.limit} are allowed`;
    case "TooLarge":
      return `a state store transaction has ${d.bytes} bytes, at most ${d.limit} are allowed`;
    case "BadRequest":
      return `the state store refused a request: ${d.what}`;
    case "NoSpace":
      return d.disk === undefined
        ? `the state store is full: ${d.usedBytes} of ${d.quotaBytes} bytes are used`
        : `the state store takes nothing new: ${d.disk}`;
    case "LeaseNotFound":
      return `the state store has no lease ${d.lease}; it expired or was revoked`;
    case "Denied":
      return `the state store lets this user not do it: ${d.what}`;
    case "Unavailable":
      return `the state store cannot be reached: ${d.what}`;
    case "OutcomeUnknown":
      return `the state store did not answer; the write may have happened: ${d.what}`;
  }
};

/** Everything a store throws, beside the reason of an aborted signal. Look at `detail.kind`. */
export class StoreError extends Error {
  readonly detail: StoreErrorDetail;
  constructor(detail: StoreErrorDetail, cause?: unknown) {
    super(text(detail), cause === undefined ? undefined : { cause });
    this.name = "StoreError";
    this.detail = detail;
  }
}

/** Whether `error` is a StoreError of this kind. */
export const isStoreError = (error: unknown, kind: StoreErrorDetail["kind"]): error is StoreError =>
  error instanceof StoreError && error.detail.kind === kind;

/** All keys that begin with `p`, which must end in '/': its successor is then '0', and 0xff plays no part. */
export function prefix(p: string): { from: string; to: string } {
  if (!p.endsWith("/")) throw new RangeError(`prefix ${JSON.stringify(p)} must end in '/'`);
  return { from: p, to: `${p.slice(0, -1)}0` };
}
