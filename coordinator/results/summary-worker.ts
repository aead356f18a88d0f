/**
 * The summary thread's own side: records come in batches, the summary goes back. Drawing the intervals of a large
 * campaign takes seconds, in which the coordinator must go on hearing its agents.
 */
import { parentPort } from "node:worker_threads";
import { type Aggregate, createAggregate } from "../../shared/benchmark/aggregate.js";
import { errorText } from "../../shared/runtime/errors.js";
import type { FromWorker, ToWorker } from "./summary-thread.js";

let aggregate: Aggregate | undefined;
let n = 0;

parentPort?.on("message", (message: ToWorker) => {
  try {
    if (message.kind === "begin") {
      aggregate = undefined;
      n = message.n;
      aggregate = createAggregate(message.plan, message.campaigns);
    } else if (message.kind === "records") {
      for (const record of message.records) aggregate?.add(record);
      answer({ n, kind: "added" });
    } else if (message.kind === "drop") aggregate = undefined;
    else if (aggregate) answer({ n, kind: "summary", summary: aggregate.summary(message.meta) });
  } catch (error) {
    answer({ n, kind: "failed", reason: errorText(error) });
  }
});

const answer = (message: FromWorker): void => parentPort?.postMessage(message);
