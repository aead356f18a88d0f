import type { Fence } from "../../shared/domain/fence.js";
import type { ShardRange } from "../../shared/domain/sharding.js";
import type { ShardKey } from "../campaigns/board.js";
import type { NodeEntry } from "./fleet.js";

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

/** Sends orders as one batch. */
export function sendOrders(node: NodeEntry, orders: readonly AttemptOrder[]): void {
  node.peer?.send({ $case: "assign", value: { assignments: orders.map((order) => ({ ...order })) } });
}
