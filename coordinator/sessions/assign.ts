import type { Fence } from "../../shared/domain/fence.js";
import type { ShardRange } from "../../shared/domain/sharding.js";
import type { ShardKey } from "../campaigns/board.js";
import type { NodeEntry } from "./fleet.js";
import { FENCE_BYTES, inParts } from "./in-parts.js";

/** An attempt as it is handed to an agent. */
export interface AttemptOrder {
  fence: Fence;
  shard: ShardKey & ShardRange;
  /** Create revision of the job's gate. */
  gate: bigint;
  planSha256: string;
  lane: string;
  /** ENGINE:MODEL. */
  model: string;
  /** Time it may take from receipt, ms. */
  deadlineMs: number;
  /** Attempts of the shard counted before. */
  attempt: number;
  /** Ordinals that were in flight at a death before. */
  suspects: number[];
}

/** Sends orders, in as few messages as they fit into. */
export function sendOrders({ peer }: Pick<NodeEntry, "peer">, orders: readonly AttemptOrder[]): void {
  for (const part of inParts(orders, mostBytes))
    peer?.send({ $case: "assign", value: { assignments: part.map((order) => ({ ...order })) } });
}

/** Numbers, tags and lengths of an order. */
const FIXED_BYTES = FENCE_BYTES + 100;

/** Of an order on the wire; a character takes at most three bytes, an ordinal five. */
const mostBytes = ({ shard: { campaign, job }, planSha256, lane, model, suspects }: AttemptOrder): number =>
  FIXED_BYTES +
  3 * (campaign.length + job.length + planSha256.length + lane.length + model.length) +
  5 * suspects.length;
