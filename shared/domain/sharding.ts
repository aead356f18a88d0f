/**
 * Shards are computed, never stored: job samples 0 … samples−1 are cut into ranges of `shardSize`, the last one may be
 * shorter. Shard i holds the ordinals [i × shardSize, min(samples, (i + 1) × shardSize)).
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
