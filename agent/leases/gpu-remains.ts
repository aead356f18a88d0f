/**
 * What is left on a GPU after an attempt, or by strangers before one. The death of an engine's server and its free port prove
 * nothing: worker processes outlive it. Only the GPU tells.
 *
 * 1. A GPU is free when nobody computes on it who did not before, and its memory is what it was, give or take what a
 *    driver keeps for itself.
 * 2. Where nothing can be seen nothing is known to be free.
 */

/** What is seen of a GPU, or of the GPU that a slice is of. */
export interface GpuUse {
  /** Undefined where the driver does not tell. */
  usedBytes: number | undefined;
  /** Who computes on it. */
  pids: readonly number[];
}

/** Kept by drivers after the last process is gone. */
const SLACK_BYTES = 256 * 1024 ** 2;

/** Why the GPU is not as it was `before`; undefined if it is. `now` is undefined when it could not be seen. */
export function remainsOf(before: GpuUse, now: GpuUse | undefined): string | undefined {
  if (now === undefined) return "it cannot be seen"; // invariant 2
  const strangers = now.pids.filter((pid) => !before.pids.includes(pid));
  if (strangers.length > 0)
    return `${strangers.length === 1 ? "process" : "processes"} ${strangers.slice(0, NAMED).join(", ")}${
      strangers.length > NAMED ? ` and ${strangers.length - NAMED} more` : ""
    } on it`;
  if (now.usedBytes === undefined || before.usedBytes === undefined) return undefined;
  const more = now.usedBytes - before.usedBytes;
  return more > SLACK_BYTES ? `${Math.ceil(more / 1024 ** 2)} MiB more in use than before` : undefined;
}
const NAMED = 5;
