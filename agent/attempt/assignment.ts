import { type Fence, fenceText } from "../../shared/domain/fence.js";

/** One contiguous range of a job's samples, as assignments and results name it. */
export interface ShardRef {
  campaign: string;
  job: string;
  index: number;
  /** First position among the samples of the job. */
  first: number;
  /** Samples in it. */
  count: number;
}

/** An attempt an agent was given. */
export interface Assignment {
  fence: Fence;
  shard: ShardRef;
  /** Create revision of the job's gate; goes back with the result. */
  gate: bigint;
  planSha256: string;
  /** Where it runs: a lane of the device ledger. */
  lane: string;
  /** ENGINE:MODEL; empty where an older coordinator, or journal, does not say. */
  model: string;
  /** Time the attempt may take from receipt, in ms. */
  deadlineMs: number;
  /** Attempts of this shard counted before. */
  attempt: number;
  /** Ordinals that were in flight at a death before: each runs while no other sample runs on this agent. */
  suspects: readonly number[];
}

/** What an attempt took, for budgets. */
export interface Spent {
  /** Of its records, where their price is known. */
  usd: number;
  /** Seconds × GPUs, or the share of one; loading included. */
  gpuSeconds: number;
}

/** A finished attempt: where its records are, or the records themselves. */
export interface ShardResult {
  fence: Fence;
  shard: ShardRef;
  gate: bigint;
  /** Key in the artifact store; empty when inline. */
  uri: string;
  /** SHA-256 of the records file. */
  sha256: string;
  sizeBytes: number;
  /** Records by status. */
  counts: { [status: string]: number };
  /** The records file itself when it is at most 1 KiB. */
  inline: Uint8Array | undefined;
  /** Absent in journals of before it was counted. */
  spent?: Spent;
}

/** Why an attempt gave up; the class decides about retries (see shared/domain/retry.ts). */
export interface ShardFailure {
  fence: Fence;
  shard: ShardRef;
  class: "infra" | "resource" | "config" | "poison";
  /** A short class for tables, such as model_missing; may be empty. */
  cause: string;
  message: string;
  /** For poison: ordinals that were in flight when the engine's process died. */
  items: readonly number[];
  spent?: Spent;
}

/** A sample in flight when this agent's process ended without warning. */
export interface Death {
  fence: Fence;
  shard: ShardRef;
  ordinal: number;
  /** The start of the agent that ended with it. */
  incarnation: bigint;
}

/** `<campaign>/<job>/<index> as <fence>`, for logs and errors. */
export const attemptText = (a: { fence: Fence; shard: ShardRef }): string =>
  `${a.shard.campaign}/${a.shard.job}/${a.shard.index} as ${fenceText(a.fence)}`;
