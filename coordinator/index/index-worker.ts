/** The index's own thread: calls come in by name, what they answer goes back by number. */
import { parentPort, workerData } from "node:worker_threads";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import { type IndexOptions, indexCalls } from "./calls.js";
import type { FromWorker, ToWorker } from "./index-thread.js";

const calls = indexCalls(workerData as IndexOptions);

parentPort?.on("message", ({ n, name, args }: ToWorker) => {
  const call = calls[name] as (...args: unknown[]) => Promise<unknown>;
  Promise.resolve()
    .then(() => call(...args))
    .then(
      (value) => answer({ n, value }),
      (error: unknown) => answer({ n, error: plain(error) }),
    );
});

const answer = (message: FromWorker): void => parentPort?.postMessage(message);

function plain(error: unknown): FromWorker["error"] {
  if (!(error instanceof SaiError)) return { code: "internal", message: errorText(error), violations: [] };
  const { code, message, hint, violations } = error;
  return { code, message, violations, ...(hint === undefined ? {} : { hint }) };
}
