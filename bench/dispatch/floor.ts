/**
 * The floor: what remains of dispatching when everything that decides or checks is taken away. Two processes and
 * grpc-js streams as between coordinator and agents, messages of the same size for as many shards, and one LMDB
 * transaction on the disk for whatever came while the one before was written. Nothing is encoded, looked up, compared,
 * scheduled or remembered.
 *
 * A message: u8 kind, u32 first shard, u32 shards, and zeros up to the size that the real one would have.
 */
import type { ServiceDefinition } from "@grpc/grpc-js";
import { resultMessage } from "../../agent/session/convert.js";
import { resultOf as attemptResultOf } from "../../coordinator/sessions/convert.js";
import { keys } from "../../coordinator/store/keys.js";
import type { DoneValue } from "../../coordinator/store/values.js";
import { fenceText } from "../../shared/domain/fence.js";
import { Assignment, CommitVerdict, Fence, ShardResult } from "../../shared/gen/sai/agent/v1/session.js";
import { sha256 } from "../../shared/runtime/hash.js";
import { resultOf } from "./noop.js";

const same = (bytes: Buffer): Buffer => bytes;
export const FLOOR_SERVICE = {
  stream: {
    ...{ path: "/bench.Floor/Stream", requestStream: true, responseStream: true },
    ...{
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    },
  },
} satisfies ServiceDefinition;

/** Shards that share a message at saturation, as agents put results together. */
export const TOGETHER = 100;

export const KIND = { assign: 1, started: 2, results: 3, ack: 4 } as const;
export type Kind = keyof typeof KIND;

/** Bytes of one shard in each kind of message, and in the state store, from the real encoders. */
export const SIZES = sizes();

const HEAD = 9;

export function message(kind: Kind, first: number, shards: number): Buffer {
  const bytes = Buffer.alloc(HEAD + shards * SIZES[kind]);
  bytes.writeUInt8(KIND[kind], 0);
  bytes.writeUInt32LE(first, 1);
  bytes.writeUInt32LE(shards, 5);
  return bytes;
}

export const read = (bytes: Buffer) => ({
  kind: bytes.readUInt8(0),
  first: bytes.readUInt32LE(1),
  shards: bytes.readUInt32LE(5),
});

function sizes(): { [kind in Kind | "record"]: number } {
  const fence = { epoch: 1234n, n: 123_456n };
  const shard = {
    campaign: "c-0123456789abcdefghij",
    job: "j0000",
    index: 123_456,
    first: 123_456,
    count: 1,
  };
  const about = {
    fence,
    gate: 12_345n,
    planSha256: sha256("plan"),
    lane: "cpu",
    deadlineMs: 900_000,
    attempt: 0,
  };
  const order = { ...about, shard };
  const result = ShardResult.fromPartial(resultMessage(resultOf({ ...order, suspects: [] } as never)));
  const { agent, uri, sha256: hash, sizeBytes, counts, inline } = attemptResultOf("agent-0", result);
  const of = {
    kind: "result" as const,
    fence: fenceText(fence),
    agent,
    uri,
    sha256: hash,
    sizeBytes,
    counts,
  };
  const done: DoneValue = inline ? { ...of, inline } : of;
  const fenceBytes = Fence.encode(Fence.fromPartial(fence)).finish().length + 2;
  return {
    assign: Assignment.encode(Assignment.fromPartial({ ...order, model: "simulated:m" })).finish().length + 3,
    started: 2 * fenceBytes,
    results: ShardResult.encode(result).finish().length + 3,
    ack: CommitVerdict.encode(CommitVerdict.fromPartial({ fence, verdict: "COMMITTED" })).finish().length + 2,
    record: keys.done(shard.campaign, shard.job, shard.index).codec.encode(done).length,
  };
}
