/**
 * The summary thread's own side: records come in batches, the summary (or the comparison of two cells) goes back. Drawing the intervals of a large
 * campaign takes seconds, in which the coordinator must go on hearing its agents.
 */
import { parentPort } from "node:worker_threads";
import { type Aggregate, createAggregate } from "../../shared/benchmark/aggregate.js";
import { count } from "../../shared/benchmark/count.js";
import { createRescoring, type Rescoring } from "../../shared/benchmark/rescore.js";
import { errorText } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import { CellComparing } from "./cell-comparing.js";
import type { FromWorker, ToWorker } from "./summary-thread.js";

let aggregate: Aggregate | undefined;
let rescoring: Rescoring | undefined;
let comparing: CellComparing | undefined;
let n = 0;

parentPort?.on("message", (message: ToWorker) => {
  try {
    if (message.kind === "compare") {
      aggregate = undefined;
      n = message.n;
      comparing = new CellComparing(message.task);
    } else if (message.kind === "candidate") comparing?.turn();
    else if (message.kind === "begin") {
      comparing = undefined;
      n = message.n;
      const { plan, rescore } = message;
      rescoring = rescore && createRescoring(plan.jobs, rescore.items, sha256);
      aggregate = createAggregate(plan, message.campaigns);
    } else if (message.kind === "records") {
      if (comparing) for (const record of message.records) comparing.add(record);
      else for (const record of message.records) aggregate?.add(rescoring?.record(record) ?? record);
      answer({ n, kind: "added" });
    } else if (message.kind === "drop") {
      aggregate = undefined;
      comparing = undefined;
    } else if (message.kind === "compared") {
      if (comparing) answer({ n, kind: "cell", cell: comparing.result() });
    } else if (aggregate) {
      const warnings = [...message.meta.warnings, ...(rescoring ? said(rescoring) : [])];
      answer({ n, kind: "summary", summary: aggregate.summary({ ...message.meta, warnings }) });
    }
  } catch (error) {
    answer({ n, kind: "failed", reason: errorText(error) });
  }
});

function said(done: Rescoring): string[] {
  const { samples, changed, kept } = done.counts();
  const all = `rescored without asking again: ${count(samples, "sample")}, ${changed} of them otherwise than before`;
  if (kept === 0) return [all];
  return [all, `${count(kept, "sample")} kept the old scores: the whole answer was not kept`];
}

const answer = (message: FromWorker): void => parentPort?.postMessage(message);
