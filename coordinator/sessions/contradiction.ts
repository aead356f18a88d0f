/**
 * Whether a node's GPUs are those it was registered with. A card that fell off its bus, or half of whose memory is gone, must
 * not go unnoticed as a smaller node: the numbers of yesterday and of today would be of different machines.
 *
 * 1. Not to see GPUs is not to have none: a look that failed contradicts nothing, nor does a machine without a driver (which
 *    is one that was taken away), and what is registered stays.
 * 2. More GPUs than before contradict nothing, nor does another card of the same product, in this machine or in the one
 *    that an agent of the same name was moved to; nor do MIG slices and drivers, which people change on purpose.
 */
import type { Inventory } from "../../shared/gen/sai/v1/node.js";
import type { RegisteredGpu } from "../store/values.js";

type Seen = Pick<Inventory, "gpus" | "gpuLook">;

/** Switching ECC takes a sixteenth of some cards' memory. */
const MEMORY_SHARE = 0.9;
/** Kept in a node's record: more than a machine has, and no names beyond reason. */
const MOST_GPUS = 64;
const MOST_CHARS = 100;
/** GPUs that are named. */
const NAMED = 4;

/** What a node is registered with once it has told this; `before` where it could not look. */
export function registeredGpus(before: readonly RegisteredGpu[], now: Seen): readonly RegisteredGpu[] {
  return now.gpuLook === "seen" ? gpusOf(now).slice(0, MOST_GPUS) : before;
}

/** How what a node tells contradicts what it is registered with; undefined if it does not. */
export function contradiction(before: readonly RegisteredGpu[], now: Seen): string | undefined {
  if (now.gpuLook !== "seen") return undefined; // invariant 1
  const gpus = gpusOf(now);
  const known = new Map(gpus.map((gpu) => [gpu.uuid, gpu]));
  const shrunk = before.filter((gpu) => {
    const same = known.get(gpu.uuid);
    return same && !isEnough(gpu, same);
  });
  // Others of the same product may stand for those that are not there.
  const others = gpus.filter(({ uuid }) => !before.some((gpu) => gpu.uuid === uuid));
  const gone = before.filter((gpu) => {
    if (known.has(gpu.uuid)) return false;
    const at = others.findIndex((other) => other.name === gpu.name && isEnough(gpu, other));
    if (at >= 0) others.splice(at, 1);
    return at < 0;
  });
  const problems = [
    ...(gone.length > 0 ? [`${gone.length} of ${before.length} GPUs are gone: ${named(gone)}`] : []),
    ...(shrunk.length > 0 ? [`GPUs have less memory than before: ${named(shrunk)}`] : []),
  ];
  return problems.length > 0 ? problems.join("; ") : undefined;
}

const isEnough = (before: RegisteredGpu, now: { memoryBytes: number }): boolean =>
  now.memoryBytes >= MEMORY_SHARE * before.memoryBytes;

/** As they are kept: of a length, and without what would break a line. */
function gpusOf({ gpus }: Seen): RegisteredGpu[] {
  const short = (text: string) => text.slice(0, MOST_CHARS).replace(/\p{Cc}/gu, "?");
  return gpus.map(({ uuid, name, memoryBytes }) => ({ uuid: short(uuid), name: short(name), memoryBytes }));
}

function named(gpus: readonly RegisteredGpu[]): string {
  const names = gpus.slice(0, NAMED).map(({ name, uuid }) => `${name} ${uuid}`);
  const more = gpus.length - names.length;
  return names.join(", ") + (more > 0 ? ` and ${more} more` : "");
}
