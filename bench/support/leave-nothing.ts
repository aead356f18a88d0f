/**
 * A benchmark leaves nothing behind, whether it comes to its end, fails or is interrupted.
 *
 * 1. Temporary files of this process and of all it starts lie in one folder, which goes when this process ends; so do
 *    the folders it names.
 * 2. However this process ends, what still runs of all that it started is ended before that: none of them writes into a
 *    folder that is being removed. Only a kill that cannot be caught is left out.
 * 3. Who starts it must not kill it meanwhile: a wrapper that does when it hears nothing for some milliseconds (tsx's
 *    command) is no way to start a benchmark of servers.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { endAllBelow } from "./process-tree.js";

/** To be called once, before anything is started; with it go `folders`. */
export function leaveNothing(...folders: readonly string[]): void {
  const temporary = mkdtempSync(join(tmpdir(), "sai-bench-"));
  // A server that runs as another user finds its own below it.
  chmodSync(temporary, 0o711);
  process.env["TMPDIR"] = temporary;
  // Also after an error that nobody caught.
  process.once("exit", () => {
    endAllBelow(process.pid);
    for (const folder of [temporary, ...folders]) remove(folder);
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.on(signal, () => process.exit(128 + constants.signals[signal]));
}

function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  } catch (error) {
    process.stderr.write(`${folder} is left behind: ${error}\n`);
  }
}
