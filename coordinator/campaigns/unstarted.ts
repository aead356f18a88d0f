/** What agents were given and, as far as is known, have not begun: the attempts that shards name, and second ones beside them. */
import { type Fence, sameFence } from "../../shared/domain/fence.js";
import type { Board, ShardKey } from "./board.js";

type Given = Readonly<{ shard: ShardKey; fence: Fence }>;

/** Whether its agent has not said that it begun; then it may be asked for back. */
export function isUnstarted(board: Board, { shard, fence }: Given): boolean {
  const twin = twinOf(board, shard);
  if (twin && sameFence(twin.fence, fence)) return !twin.started;
  const state = board.shard(shard);
  return (state?.kind === "ASSIGNED" || state?.kind === "ACCEPTED") && sameFence(state.fence, fence);
}

/** Whether its agent has not even said that it has it. */
export function isUnanswered(board: Board, { shard, fence }: Given): boolean {
  const twin = twinOf(board, shard);
  if (twin && sameFence(twin.fence, fence)) return !twin.accepted;
  const state = board.shard(shard);
  return state?.kind === "ASSIGNED" && sameFence(state.fence, fence);
}

const twinOf = (board: Board, { campaign, job, index }: ShardKey) =>
  board.job(campaign, job)?.twins.get(index);
