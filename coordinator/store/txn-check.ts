/**
 * What every store refuses before it does anything, so that a refusal has no effect and the next call works: too many
 * operations, too many bytes, a key twice in one branch, malformed keys, ranges backwards.
 */
import { compareKeys } from "./persistent-map.js";
import { MAX_TXN_BYTES, MAX_TXN_OPS, type Op, type Range, StoreError, type Txn } from "./store.js";

/** Throws StoreError TooManyOps, TooLarge or BadRequest. */
export function checkTxn(t: Txn): void {
  const failure = t.failure ?? [];
  const ops = Math.max(t.compare.length, t.success.length, failure.length);
  if (ops > MAX_TXN_OPS) throw new StoreError({ kind: "TooManyOps", ops, limit: MAX_TXN_OPS });
  for (const c of t.compare) checkKey(c.key);
  const bytes =
    t.compare.reduce((sum, c) => sum + c.key.length, 0) + branchBytes(t.success) + branchBytes(failure);
  if (bytes > MAX_TXN_BYTES) throw new StoreError({ kind: "TooLarge", bytes, limit: MAX_TXN_BYTES });
  checkBranch(t.success);
  checkBranch(failure);
}

/** Throws StoreError BadRequest for a key no store could keep. */
export function checkKey(key: string): void {
  if (key === "") throw bad("an empty key");
  // A lone surrogate has no UTF-8 form: it would come back as another key.
  if (/\p{Surrogate}/u.test(key)) throw bad(`the key ${JSON.stringify(key)} is not well-formed text`);
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

const bad = (what: string) => new StoreError({ kind: "BadRequest", what });

const rangeOf = (op: Op): Range => ("put" in op ? { key: op.put.key } : "del" in op ? op.del : op.get);

function branchBytes(ops: readonly Op[]): number {
  let bytes = 0;
  for (const op of ops) {
    if ("put" in op) bytes += op.put.key.length + op.put.value.length;
    else {
      const { from, to } = bounds(rangeOf(op));
      bytes += from.length + to.length;
    }
  }
  return bytes;
}

function checkBranch(ops: readonly Op[]): void {
  const spans = ops.map((op) => {
    const range = rangeOf(op);
    checkRange(range);
    return bounds(range);
  });
  spans.sort((a, b) => compareKeys(a.from, b.from));
  let end: string | undefined;
  for (const span of spans) {
    if (end !== undefined && compareKeys(span.from, end) < 0) {
      throw bad(`the key ${JSON.stringify(span.from)} stands twice in one branch of a transaction`);
    }
    end = span.to;
  }
}
