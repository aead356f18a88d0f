/** Mixed campaigns for the scheduler's benchmark: everything follows from a seed. */
import { DEFAULT_TENANT, type JobSnapshot } from "../../coordinator/scheduler/snapshot.js";

export interface Shape {
  agents: number;
  /** About this many in all. */
  shards: number;
  campaigns: number;
  models: number;
  seed: number;
  /** By how much, as a part, a model's shards may take more or less than planned. */
  sizingError: number;
}

/** What a job is, apart from how it stands. */
export interface WorkJob {
  readonly spec: Omit<JobSnapshot, "pending" | "waitingSinceMs">;
  /** When it is there; from the beginning where it is not said. */
  readonly fromMs?: number;
  /** How long each of its shards takes, ms. */
  readonly shardMs: Float64Array;
}

/** How long shards take on average: sizing aims at this; `sizingError` is by how much models may miss it. */
const SHARD_MS = 30_000;
/** Shards of one job differ by up to this. */
const SPREAD = 0.3;

/**
 * Campaigns of one to four models each out of a common stock, each model with three to eight jobs (prompts, datasets),
 * in the order of a matrix, which alternates between models; their sizes differ by up to ten times.
 */
export function mixedCampaigns({ shards, campaigns, models, seed, sizingError }: Shape): WorkJob[] {
  const random = generator(seed);
  const between = (low: number, high: number) => low + random() * (high - low);
  const meanMs = Array.from({ length: models }, () => SHARD_MS * between(1 - sizingError, 1 + sizingError));
  const cells: { campaign: number; model: number; size: number }[] = [];
  for (let campaign = 0; campaign < campaigns; campaign++) {
    const stock = Array.from({ length: models }, (_, i) => i).sort(() => random() - 0.5);
    const used = stock.slice(0, Math.min(models, 1 + Math.floor(random() * 4)));
    const cellsEach = 3 + Math.floor(random() * 6);
    for (let cell = 0; cell < cellsEach; cell++)
      for (const model of used) cells.push({ campaign, model, size: 10 ** random() });
  }
  const total = cells.reduce((sum, { size }) => sum + size, 0);
  const jobsOf = new Map<number, number>();
  return cells.map(({ campaign, model, size }) => {
    const number = jobsOf.get(campaign) ?? 0;
    jobsOf.set(campaign, number + 1);
    const n = Math.max(1, Math.round((shards * size) / total));
    const shardMs = Float64Array.from({ length: n }, () => {
      return Math.round((meanMs[model] ?? SHARD_MS) * between(1 - SPREAD, 1 + SPREAD));
    });
    return {
      spec: {
        tenant: DEFAULT_TENANT,
        campaign: `c-${String(campaign).padStart(4, "0")}`,
        job: `j${String(number).padStart(4, "0")}`,
        priority: 0,
        createdMs: campaign,
        engine: "ollama",
        model: `m${model}`,
        modelLoads: true,
        lanes: ["gpu"],
        gate: 1n,
      },
      shardMs,
    };
  });
}

/** Uniform in [0, 1): mulberry32, public domain, by Tommy Ettinger. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
