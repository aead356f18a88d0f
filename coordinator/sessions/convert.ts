/** Between the wire's messages and the domain. What the protocol requires and a message lacks is the agent's fault. */
import type { Fence } from "../../shared/domain/fence.js";
import type { FailureClass } from "../../shared/domain/retry.js";
import type {
  ShardRef,
  Fence as WireFence,
  ShardResult as WireShardResult,
} from "../../shared/gen/sai/agent/v1/session.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { ShardKey } from "../campaigns/board.js";
import type { AttemptResult } from "../campaigns/complete-attempt.js";

const MAX_INLINE_BYTES = 1024;

export function fenceOf(wire: WireFence | undefined): Fence {
  if (wire === undefined) throw missing("fence");
  return { epoch: wire.epoch, n: wire.n };
}

export function shardOf(wire: ShardRef | undefined): ShardKey {
  if (wire === undefined) throw missing("shard");
  return { campaign: wire.campaign, job: wire.job, index: wire.index };
}

export function resultOf(agent: string, wire: WireShardResult): AttemptResult {
  if (wire.inline.byteLength > MAX_INLINE_BYTES) {
    throw new SaiError(
      "invalid_argument",
      `an inline result has ${wire.inline.byteLength} bytes, at most ${MAX_INLINE_BYTES}`,
    );
  }
  return {
    agent,
    fence: fenceOf(wire.fence),
    shard: shardOf(wire.shard),
    gate: wire.gate,
    uri: wire.uri,
    sha256: wire.sha256,
    sizeBytes: wire.sizeBytes,
    counts: wire.counts,
    ...(wire.uri === "" ? { inline: wire.inline } : {}),
  };
}

/** The failure classes agents report; anything else counts as infra. */
export const failureClassOf = (text: string): FailureClass =>
  text === "resource" || text === "config" || text === "poison" ? text : "infra";

const missing = (field: string): SaiError =>
  new SaiError("invalid_argument", `the agent sent a message without ${field}`, {
    hint: "agent and coordinator may be of incompatible versions",
  });
