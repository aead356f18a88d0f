/** A job as the state store knows it, for a leader that has just begun. */
import { type Fence, parseFence } from "../../shared/domain/fence.js";
import type { JobState } from "../../shared/domain/job.js";
import { countFailure, NO_FAILURES } from "../../shared/domain/retry.js";
import type { ShardHistory, ShardState } from "../../shared/domain/shard.js";
import type { DoneValue, FailValue } from "../store/values.js";
import { attemptKey, type JobEntry, setDone, setShard } from "./board-job.js";

export interface JobRecords {
  /** Of its job record, which it has from its sealing on. */
  state?: JobState;
  manifestSha256?: string;
  /** Why the manifest cannot be read back. */
  unreadable?: string;
  /** Create revision of its gate; 0 when it has none. */
  gate: bigint;
  /** Whether its campaign is paused. */
  paused?: string;
  /** In order of their shards. */
  done: Iterable<readonly [index: number, done: DoneValue]>;
  fails: Iterable<{ index: number; fence: Fence; value: FailValue }>;
}

/**
 * Ends the shards that have a record, remembers what failed, and holds the job back until those who may still run its
 * shards are heard. `paused` is the reason why the campaign rests.
 */
export function restoreJob(job: JobEntry, records: JobRecords, nowMs: number): void {
  job.gate = records.gate;
  job.state = records.state ?? stateOf(job, records);
  job.held = job.state.kind === "RUNNING" || job.state.kind === "PAUSED";
  if (records.manifestSha256 !== undefined) job.manifestSha256 = records.manifestSha256;
  if (records.unreadable !== undefined) job.unreadable = records.unreadable;
  for (const [index, value] of records.done) restoreDone(job, index, value, nowMs);
  const histories = new Map<number, ShardHistory>();
  for (const { index, fence, value } of records.fails) {
    if (value.deaths !== undefined) job.deaths.set(attemptKey(index, fence), value.deaths);
    if (value.wentOn) continue;
    job.failed.set(attemptKey(index, fence), value);
    const { failures, failedOn } = histories.get(index) ?? { failures: NO_FAILURES, failedOn: [] };
    histories.set(index, {
      failures: countFailure(failures, value.class),
      failedOn: failedOn.includes(value.agent) ? failedOn : [...failedOn, value.agent],
    });
  }
  for (const [index, history] of histories) {
    if (job.shards[index]?.kind === "PENDING") setShard(job, index, { kind: "PENDING", ...history }, nowMs);
  }
}

/** Takes in a record that is in the state store or the manifest; nothing if the board has it. */
export function restoreDone(job: JobEntry, index: number, value: DoneValue, nowMs: number): void {
  if (job.done.has(index)) return;
  setShard(job, index, endOf(value), nowMs);
  setDone(job, index, value);
}

function stateOf(job: JobEntry, { gate, paused }: JobRecords): JobState {
  const { samples, shardSize } = job.spec;
  if (gate === 0n) return { kind: "PLANNED", samples, shardSize };
  return paused === undefined
    ? { kind: "RUNNING", samples, shardSize, gate }
    : { kind: "PAUSED", samples, shardSize, gate, reason: paused };
}

function endOf(done: DoneValue): ShardState {
  switch (done.kind) {
    case "result":
      return { kind: "DONE", fence: parseFence(done.fence) ?? UNKNOWN };
    case "failed":
      return { kind: "FAILED", status: done.status, reason: done.reason };
    case "split":
      return { kind: "SPLIT", children: done.children.map(({ index }) => index) };
  }
}

const UNKNOWN: Fence = { epoch: 0n, n: 0n };
