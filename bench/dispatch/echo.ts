/**
 * The attempt that gives its item back: plan and items are fetched by hash as the runner fetches them, no engine is
 * asked. The answer is what `answerTo` makes of the item's input, so that whoever submitted the item can tell whose
 * answer it is.
 */
import type { Assignment, ShardResult } from "../../agent/attempt/assignment.js";
import type { Inputs } from "../../agent/attempt/inputs.js";
import { ordinalAt } from "../../shared/benchmark/plan.js";
import { answerTo } from "../peers/loop.js";
import { resultOf } from "./noop.js";

/** The answer to the shard's one sample. Rejects as `Inputs` does, and when there is no such item. */
export async function echo(
  inputs: Pick<Inputs, "job" | "items">,
  assignment: Assignment,
): Promise<ShardResult> {
  const { shard, planSha256 } = assignment;
  const job = await inputs.job(planSha256, shard.job);
  const items = await inputs.items(job);
  const ordinal = ordinalAt(job, shard.first);
  const item = items[ordinal % items.length];
  if (item?.input === undefined) throw new RangeError(`job ${job.id} has no text for sample ${ordinal}`);
  const repetition = Math.floor(ordinal / items.length);
  return resultOf(assignment, { ordinal, repetition, item_id: item.id, output: answerTo(item.input) });
}
