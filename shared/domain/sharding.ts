/**
 * Shards are computed, never stored: job samples 0 … samples−1 are cut into ranges of `shardSize`, the last one may be
 * shorter. Shard i holds the ordinals [i × shardSize, min(samples, (i + 1) × shardSize)). Only a shard that was split
 * has its children's ranges written down; they are numbered on from the job's last shard.
 */
export interface ShardRange {
  /** First sample ordinal. */
  first: number;
  /** Samples in it, at least 1. */
  count: number;
}

function check(samples: number, shardSize: number): void {
  if (!Number.isSafeInteger(samples) || samples < 0) throw new RangeError(`${samples} samples`);
  if (!Number.isSafeInteger(shardSize) || shardSize < 1) throw new RangeError(`shard size ${shardSize}`);
}

/** How many shards a job has. RangeError unless samples ≥ 0 and shardSize ≥ 1 are integers. */
export function shardCount(samples: number, shardSize: number): number {
  check(samples, shardSize);
  return Math.ceil(samples / shardSize);
}

/** The ordinals of shard `index`. RangeError when the job has no such shard. */
export function shardRange(index: number, samples: number, shardSize: number): ShardRange {
  const count = shardCount(samples, shardSize);
  if (!Number.isSafeInteger(index) || index < 0 || index >= count) {
    throw new RangeError(`shard ${index} of ${count}`);
  }
  const first = index * shardSize;
  return { first, count: Math.min(shardSize, samples - first) };
}

/** A child of a split shard. */
export interface ChildShard extends ShardRange {
  index: number;
}

/**
 * Cuts a range so that each of `alone` (ordinals within it) is a child of its own and what lies between them stays
 * together. Children are numbered from `nextIndex`, in order of their ordinals.
 */
export function splitRange(range: ShardRange, alone: readonly number[], nextIndex: number): ChildShard[] {
  const end = range.first + range.count;
  const cuts = [...new Set(alone)].filter((o) => o >= range.first && o < end).sort((a, b) => a - b);
  const children: ChildShard[] = [];
  const add = (first: number, count: number) => {
    if (count > 0) children.push({ index: nextIndex + children.length, first, count });
  };
  let from = range.first;
  for (const ordinal of cuts) {
    add(from, ordinal - from);
    add(ordinal, 1);
    from = ordinal + 1;
  }
  add(from, end - from);
  return children;
}
