/**
 * The summary thread's own side: records come in batches, the summary goes back. Drawing the intervals of a large
 * campaign takes seconds, in which the coordinator must go on hearing its agents.
 */
import { parentPort } from "node:worker_threads";
import { type Aggregate, createAggregate } from "../../shared/benchmark/aggregate.js";
import { errorText } from "../../shared/runtime/errors.js";
import type { FromWorker, ToWorker } from "./summary-thread.js";

let aggregate: Aggregate | undefined;

parentPort?.on("message", (message: ToWorker) => {
  try {
    if (message.kind === "begin") aggregate = createAggregate(message.plan, message.campaigns);
    else if (message.kind === "records") for (const record of message.records) aggregate?.add(record);
    else if (aggregate) answer({ ok: true, summary: aggregate.summary(message.meta) });
  } catch (error) {
    answer({ ok: false, reason: errorText(error) });
  }
});

const answer = (message: FromWorker): void => parentPort?.postMessage(message);
