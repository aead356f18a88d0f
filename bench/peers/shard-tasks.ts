/**
 * Tasks as shards of one large campaign: shard i is task i. A plan has no room for an item a task, so that 2,000 of them
 * are repeated.
 *
 * 1. A result under another task is seen: its record names the shard and the repetition it was run for, and its answer
 *    is of the item that the agent read.
 */
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { answerTo, payloadOf } from "./loop.js";

export const ITEMS = 2000;

/** A campaign of so many tasks, as JSON. */
export const suiteOfTasks = (tasks: number): string =>
  JSON.stringify({
    schema: "sai/v1",
    name: "tasks",
    prompts: [{ id: "ask", template: "{{ input }}", output: "text" }],
    models: [{ id: "m", engine: "simulated" }],
    datasets: [
      {
        id: "d",
        items: Array.from({ length: ITEMS }, (_, i) => ({ input: payloadOf(i), target: `a${i}` })),
      },
    ],
    metrics: ["exact_match"],
    run: { shard_size: 1, repetitions: Math.ceil(tasks / ITEMS) },
  });

/** What must come back of a task, as `told` has it. */
export const expectedOf = (task: number): string =>
  said(task, Math.floor(task / ITEMS), answerTo(payloadOf(task % ITEMS)));

/** What came back, of the records file of a shard; empty if that is not one record. */
export function told(inline: Uint8Array | undefined): string {
  try {
    const { shard, repetition, output } = JSON.parse(
      Buffer.from(inline ?? []).toString("utf8"),
    ) as ResultRecord;
    return said(shard, repetition, output);
  } catch {
    return "";
  }
}

const said = (shard: number, repetition: number, output: string | undefined): string =>
  `shard ${shard}, repetition ${repetition}: ${output}`;
