/** Between the wire's messages and the agent's own types. */

import type { Fence } from "../../shared/domain/fence.js";
import type {
  HeldAttempt,
  ShardFailed,
  Assignment as WireAssignment,
  Fence as WireFence,
  ShardRef as WireShardRef,
  ShardResult as WireShardResult,
} from "../../shared/gen/sai/agent/v1/session.js";
import type { Assignment, ShardFailure, ShardResult } from "../attempt/assignment.js";
import type { HeldState } from "../attempt/attempts.js";

/** Throws when a message lacks what the protocol requires: the sender is broken, not the input of a user. */
export function fenceOf(wire: WireFence | undefined): Fence {
  if (wire === undefined) throw new Error("the coordinator sent a message without a fence");
  return { epoch: wire.epoch, n: wire.n };
}

export function assignmentOf(wire: WireAssignment): Assignment {
  if (wire.shard === undefined) throw new Error("the coordinator sent an assignment without a shard");
  return {
    fence: fenceOf(wire.fence),
    shard: { ...wire.shard },
    gate: wire.gate,
    planSha256: wire.planSha256,
    lane: wire.lane,
    deadlineMs: wire.deadlineMs,
    attempt: wire.attempt,
  };
}

export const resultMessage = (result: ShardResult): WireShardResult => ({
  fence: result.fence,
  shard: result.shard as WireShardRef,
  gate: result.gate,
  uri: result.uri,
  sha256: result.sha256,
  sizeBytes: result.sizeBytes,
  counts: result.counts,
  inline: Buffer.from(result.inline ?? []),
});

export const failureMessage = (failure: ShardFailure): ShardFailed => ({
  fence: failure.fence,
  shard: failure.shard as WireShardRef,
  class: failure.class,
  cause: failure.cause,
  message: failure.message,
  items: [],
});

export const heldMessage = (held: { assignment: Assignment; state: HeldState }): HeldAttempt => ({
  fence: held.assignment.fence,
  shard: held.assignment.shard as WireShardRef,
  // What failed and could not be told yet is still ours to answer for; `failed` follows after Welcome.
  state: held.state === "failed" ? "running" : held.state,
  lane: held.assignment.lane,
});
