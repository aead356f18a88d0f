/**
 * What every store refuses before it does anything, so that a refusal has no effect and the next call works: too many
 * operations, too many bytes, a key twice in one branch, malformed keys, ranges backwards.
 */
import { compareKeys } from "./persistent-map.js";
import {
  MAX_KEY_CHARS,
  MAX_TXN_BYTES,
  MAX_TXN_OPS,
  type Op,
  type Range,
  StoreError,
  type Txn,
} from "./store.js";

/** Throws StoreError TooManyOps, TooLarge or BadRequest. */
export function checkTxn(t: Txn): void {
  const failure = t.failure ?? [];
  const ops = Math.max(t.compare.length, t.success.length, failure.length);
  if (ops > MAX_TXN_OPS) throw new StoreError({ kind: "TooManyOps", ops, limit: MAX_TXN_OPS });
  let bytes = branchBytes(t.success) + branchBytes(failure);
  for (const c of t.compare) {
    checkKey(c.key);
    bytes += c.key.length;
  }
  if (bytes > MAX_TXN_BYTES) throw new StoreError({ kind: "TooLarge", bytes, limit: MAX_TXN_BYTES });
  checkBranch(t.success);
  checkBranch(failure);
}

/** Throws StoreError BadRequest for a key no store could keep. */
export function checkKey(key: string): void {
  if (key === "") throw bad("an empty key");
  if (key.length > MAX_KEY_CHARS)
    throw bad(`a key of ${key.length} characters, at most ${MAX_KEY_CHARS} are allowed`);
  // A lone surrogate has no UTF-8 form: it would come back as another key.
  if (SURROGATE.test(key)) throw bad(`the key ${JSON.stringify(key)} is not well-formed text`);
}

/** Throws StoreError BadRequest for a range that is empty or backwards. */
export function checkRange(range: Range): void {
  if ("key" in range) {
    checkKey(range.key);
    return;
  }
  checkKey(range.from);
  checkKey(range.to);
  if (compareKeys(range.from, range.to) >= 0) {
    throw bad(`the range from ${JSON.stringify(range.from)} to ${JSON.stringify(range.to)} is empty`);
  }
}

/** A range's first key and the first key after it. */
export const bounds = (range: Range): { from: string; to: string } =>
  "key" in range ? { from: range.key, to: `${range.key}\0` } : range;

export const inRange = (range: Range, key: string): boolean =>
  "key" in range ? range.key === key : compareKeys(range.from, key) <= 0 && compareKeys(key, range.to) < 0;

const SURROGATE = /\p{Surrogate}/u;

const bad = (what: string) => new StoreError({ kind: "BadRequest", what });

const rangeOf = (op: Op): Range => ("put" in op ? op.put : "del" in op ? op.del : op.get);

function branchBytes(ops: readonly Op[]): number {
  let bytes = 0;
  for (const op of ops) {
    const range = rangeOf(op);
    if ("key" in range) bytes += range.key.length;
    else bytes += range.from.length + range.to.length;
    if ("put" in op) bytes += op.put.value.length;
  }
  return bytes;
}

/** A key at most once: single keys are looked up, the few ranges compared with everything. */
function checkBranch(ops: readonly Op[]): void {
  const single = new Set<string>();
  const ranges: { from: string; to: string }[] = [];
  for (const op of ops) {
    const range = rangeOf(op);
    checkRange(range);
    if (!("key" in range)) {
      if (ranges.some((other) => overlap(range, other))) throw twice(range.from);
      ranges.push(range);
    } else if (single.has(range.key)) throw twice(range.key);
    else single.add(range.key);
  }
  for (const range of ranges) for (const key of single) if (inRange(range, key)) throw twice(key);
}

type Span = { from: string; to: string };
const overlap = (a: Span, b: Span): boolean => compareKeys(a.from, b.to) < 0 && compareKeys(b.from, a.to) < 0;

const twice = (key: string) =>
  bad(`the key ${JSON.stringify(key)} stands twice in one branch of a transaction`);
