/**
 * Whether a node's GPUs are those it was registered with. A card that fell off its bus, or half of whose memory is gone, must
 * not go unnoticed as a smaller node: the numbers of yesterday and of today would be of different machines.
 *
 * 1. Not to see GPUs is not to have none: a look that failed contradicts nothing, and what is registered stays.
 * 2. More GPUs than before contradict nothing; neither do MIG slices, other drivers and other names of the same card, which
 *    people change on purpose.
 */
import type { Inventory } from "../../shared/gen/sai/v1/node.js";
import type { RegisteredGpu } from "../store/values.js";

type Seen = Pick<Inventory, "gpus" | "gpuLook">;

/** Switching ECC takes a sixteenth of some cards' memory. */
const MEMORY_SHARE = 0.9;
/** GPUs that are named; a node has hardly more than sixteen. */
const NAMED = 4;

/** What a node is registered with once it has told this; `before` where it could not look. */
export function registeredGpus(before: readonly RegisteredGpu[], now: Seen): readonly RegisteredGpu[] {
  if (!isKnown(now)) return before;
  return now.gpus.map(({ uuid, name, memoryBytes }) => ({ uuid, name, memoryBytes }));
}

/** How what a node tells contradicts what it is registered with; undefined if it does not. */
export function contradiction(before: readonly RegisteredGpu[], now: Seen): string | undefined {
  if (!isKnown(now)) return undefined;
  const known = new Map(now.gpus.map((gpu) => [gpu.uuid, gpu]));
  const gone = before.filter(({ uuid }) => !known.has(uuid));
  const shrunk = before.filter((gpu) => {
    const bytes = known.get(gpu.uuid)?.memoryBytes ?? gpu.memoryBytes;
    return bytes < MEMORY_SHARE * gpu.memoryBytes;
  });
  const problems = [
    ...(gone.length > 0 ? [`${gone.length} of ${before.length} GPUs are gone: ${named(gone)}`] : []),
    ...(shrunk.length > 0 ? [`GPUs have less memory than before: ${named(shrunk)}`] : []),
  ];
  return problems.length > 0 ? problems.join("; ") : undefined;
}

/** Whether it was seen which GPUs there are; `none` is a machine without a driver. */
const isKnown = ({ gpuLook }: Seen): boolean => gpuLook === "seen" || gpuLook === "none";

function named(gpus: readonly RegisteredGpu[]): string {
  const names = gpus.slice(0, NAMED).map(({ name, uuid }) => `${name} ${uuid}`);
  const more = gpus.length - names.length;
  return names.join(", ") + (more > 0 ? ` and ${more} more` : "");
}
