/**
 * A fence names an attempt: the epoch (create revision of the leader key) and a counter within it, so that no two
 * attempts of a cluster ever share one. Fences are ordered only for an agent that looks at coordinator messages; which
 * attempt's result counts is decided by the first commit, not by this order.
 */
export interface Fence {
  readonly epoch: bigint;
  readonly n: bigint;
}

/** `<epoch>.<n>`: the attempt's name in keys, paths, logs and records. */
export const fenceText = (f: Fence): string => `${f.epoch}.${f.n}`;

const FORM = /^(0|[1-9]\d{0,19})\.(0|[1-9]\d{0,19})$/;

/** The fence a text names; undefined unless it is exactly what `fenceText` would write. */
export function parseFence(text: string): Fence | undefined {
  const match = FORM.exec(text);
  if (!match) return undefined;
  return { epoch: BigInt(match[1] ?? ""), n: BigInt(match[2] ?? "") };
}

/** Negative, zero or positive: by epoch, then by counter. */
export function compareFences(a: Fence, b: Fence): number {
  if (a.epoch !== b.epoch) return a.epoch < b.epoch ? -1 : 1;
  return a.n === b.n ? 0 : a.n < b.n ? -1 : 1;
}

export const sameFence = (a: Fence, b: Fence): boolean => a.epoch === b.epoch && a.n === b.n;
