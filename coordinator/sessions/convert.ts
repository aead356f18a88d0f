/**
 * Between the wire's messages and the domain. What the protocol requires and a message lacks is the agent's fault, and
 * ends its session; texts for people are cut to a length that logs, events and records can carry.
 */
import type { Spent } from "../../shared/benchmark/budget.js";
import type { Fence } from "../../shared/domain/fence.js";
import type { FailureClass } from "../../shared/domain/retry.js";
import type {
  Heartbeat,
  HeldAttempt,
  ShardRef,
  Fence as WireFence,
  ShardFailed as WireShardFailed,
  ShardResult as WireShardResult,
  Spent as WireSpent,
} from "../../shared/gen/sai/agent/v1/session.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { ShardKey } from "../campaigns/board.js";
import type { AttemptFailure, AttemptResult } from "../campaigns/complete-attempt.js";
import { gpuEventsOf, gpuStatesOf } from "./gpu-states.js";

const MAX_INLINE_BYTES = 1024;
const MAX_REASON_CHARS = 500;
const MAX_MESSAGE_CHARS = 4_000;
const MAX_NAME_CHARS = 200;
/** Models of one heartbeat. */
const MAX_MODELS = 100;

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
    ...spentOf(wire.spent),
  };
}

/** Nothing, where nothing was spent: most records then have no word of it. */
function spentOf(wire: WireSpent | undefined): { spent?: Spent } {
  const amount = (value: number) => (Number.isFinite(value) && value > 0 ? value : 0);
  const spent = { usd: amount(wire?.usd ?? 0), gpuHours: amount(wire?.gpuSeconds ?? 0) / 3600 };
  return spent.usd > 0 || spent.gpuHours > 0 ? { spent } : {};
}

/** An attempt that an agent says it holds. */
export interface HeldThere {
  fence: Fence;
  shard: ShardKey;
  state: HeldState;
  lane: string;
}

const HELD_STATES = ["accepted", "running", "uploaded", "failed"] as const;
export type HeldState = (typeof HELD_STATES)[number];

export function heldOf(wire: HeldAttempt): HeldThere {
  const state = HELD_STATES.find((known) => known === wire.state);
  if (state === undefined) throw unknown("the state of a held attempt", wire.state);
  return { fence: fenceOf(wire.fence), shard: shardOf(wire.shard), state, lane: laneOf(wire.lane) };
}

/** A lane's name; of what is no lane nothing is remembered. */
export function laneOf(text: string): string {
  if (/^[\x21-\x7e]{1,64}$/.test(text)) return text;
  throw unknown("a lane", text);
}

/** The name of an inventory; it becomes part of a key. Empty in a Hello of an agent that has none yet. */
export function inventoryHashOf(text: string): string {
  if (/^[A-Za-z0-9._-]{0,128}$/.test(text)) return text;
  throw unknown("the hash of an inventory", text);
}

/** Why an agent does something, for people. */
export const reasonOf = (text: string): string => text.slice(0, MAX_REASON_CHARS);

/** An agent's program version, for people. */
export const versionOf = (text: string): string => text.slice(0, MAX_NAME_CHARS);

export const heartbeatOf = (wire: Heartbeat): Heartbeat => ({
  ...wire,
  loopLagMs: Number.isFinite(wire.loopLagMs) ? Math.max(0, wire.loopLagMs) : 0,
  loadedModels: wire.loadedModels.slice(0, MAX_MODELS).map((name) => name.slice(0, MAX_NAME_CHARS)),
  loads: wire.loads
    .filter(({ seconds }) => Number.isFinite(seconds) && seconds >= 0)
    .slice(0, MAX_MODELS)
    .map(({ engine, model, seconds }) => ({
      ...{ engine: engine.slice(0, MAX_NAME_CHARS), model: model.slice(0, MAX_NAME_CHARS), seconds },
    })),
  notOffering: reasonOf(wire.notOffering),
  gpuStates: wire.gpuStates && gpuStatesOf(wire.gpuStates),
  gpuEvents: gpuEventsOf(wire.gpuEvents),
});

export const failureOf = (agent: string, wire: WireShardFailed): AttemptFailure => ({
  agent,
  fence: fenceOf(wire.fence),
  class: failureClassOf(wire.class),
  message: wire.message.slice(0, MAX_MESSAGE_CHARS),
  cause: wire.cause.slice(0, 40),
  items: wire.items,
  ...spentOf(wire.spent),
});

/** The failure classes agents report; anything else counts as infra. */
const failureClassOf = (text: string): FailureClass =>
  text === "resource" || text === "config" || text === "poison" ? text : "infra";

const unknown = (what: string, text: string): SaiError =>
  new SaiError("invalid_argument", `${JSON.stringify(text.slice(0, 80))} is not known as ${what}`, {
    hint: "agent and coordinator may be of incompatible versions",
  });

const missing = (field: string): SaiError =>
  new SaiError("invalid_argument", `the agent sent a message without ${field}`, {
    hint: "agent and coordinator may be of incompatible versions",
  });
