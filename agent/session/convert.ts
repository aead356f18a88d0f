/** Between the wire's messages and the agent's own types. */

import type { Fence } from "../../shared/domain/fence.js";
import type {
  BegunItem,
  HeldAttempt,
  ShardFailed,
  Assignment as WireAssignment,
  Fence as WireFence,
  ShardRef as WireShardRef,
  ShardResult as WireShardResult,
} from "../../shared/gen/sai/agent/v1/session.js";
import type { Assignment, Death, ShardFailure, ShardResult } from "../attempt/assignment.js";
import type { HeldAttempt as Held } from "../attempt/attempts.js";

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
    model: wire.model,
    suspects: wire.suspects,
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
  spent: result.spent,
});

/** Of a failure's message, characters. */
const MESSAGE_CHARS = 4_000;

export const failureMessage = (failure: ShardFailure): ShardFailed => ({
  fence: failure.fence,
  shard: failure.shard as WireShardRef,
  class: failure.class,
  cause: failure.cause,
  message: failure.message.slice(0, MESSAGE_CHARS),
  items: [...failure.items],
  spent: failure.spent,
});

export const heldMessage = ({ assignment, state }: Held): HeldAttempt => ({
  fence: assignment.fence,
  shard: assignment.shard as WireShardRef,
  state: heldState(state),
  lane: assignment.lane,
});

function heldState(state: Held["state"]): string {
  if (state.kind === "UPLOADED") return "uploaded";
  if (state.kind === "FAILED") return "failed";
  if (state.kind === "ACCEPTED" && !state.resumes) return "accepted";
  // What is being put away or was cut short is still ours to answer for; more of it follows after Welcome.
  return "running";
}

export const begunMessage = ({ fence, shard, ordinal, incarnation }: Death): BegunItem => ({
  ...{ fence, ordinal, incarnation },
  shard: shard as WireShardRef,
});
