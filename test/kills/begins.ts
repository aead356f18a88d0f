/** How often samples were begun, over all journals ever: work that was done again although its result was there. */
import type { Campaign } from "./campaigns.js";
import { type Line, sampleName } from "./journals.js";
import type { World } from "./world.js";

/** What the journals of a campaign said at one moment. */
export interface Moment {
  /** Lines seen until then. */
  lines: Line[];
  /** Samples with a record. */
  recorded: Set<string>;
  /** Samples begun and without a record. */
  inFlight: Set<string>;
  /** Attempts whose journal was there, by `<job>/<shard>`. */
  held: Map<string, string>;
}

export function momentOf(world: World, { id }: Campaign): Moment {
  world.journals.look();
  const lines = world.journals.of(id);
  const recorded = world.journals.recorded(id);
  const begun = lines.filter((line) => line.kind === "begin").map(sampleName);
  const there = new Set(world.journals.left());
  const held = lines.filter((l) => l.kind === "attempt" && there.has(`${l.agent}/${l.fence}.jsonl`));
  return {
    lines,
    recorded,
    inFlight: new Set(begun.filter((sample) => !recorded.has(sample))),
    held: new Map(held.map((line) => [`${line.job}/${line.shard}`, line.fence])),
  };
}

/**
 * Throws unless every sample of a campaign that has succeeded was begun once; `again` says which of those that were
 * begun twice may have been, not counting what a second agent began of stragglers: where the machine is slow, a shard
 * with a few samples left may look like one. How many were.
 */
export async function checkBegins(
  world: World,
  campaign: Campaign,
  again: (sample: string, begins: Line[]) => boolean = () => false,
): Promise<number> {
  const { id, jobs, samples, brief } = campaign;
  const twice = await duplicates(world, campaign);
  const straggles = ({ job, shard, agent }: Line) => twice.has(`${job}/${shard} ${agent}`);
  world.journals.look();
  const begins = new Map<string, Line[]>();
  for (const line of world.journals.of(id)) {
    if (line.kind !== "begin") continue;
    begins.set(sampleName(line), [...(begins.get(sampleName(line)) ?? []), line]);
  }
  const faults: string[] = [];
  if (!brief && begins.size !== jobs * samples)
    faults.push(`${begins.size} samples were begun of ${jobs * samples}`);
  let repeated = 0;
  for (const [sample, lines] of begins) {
    if (lines.length === 1) continue;
    repeated += 1;
    // One that was begun again by right may be of a straggler as well.
    const own = lines.filter((line) => !straggles(line));
    const mayRepeat = own.length <= 1 || (own.length === 2 && again(sample, own));
    if (mayRepeat && lines.length - own.length <= 1) continue;
    const where = lines.map(({ agent, fence }) => `${agent} as ${fence}`).join(", ");
    faults.push(`${sample} was begun ${lines.length} times: ${where}`);
  }
  if (faults.length > 0) throw new Error(faults.slice(0, 20).join("\n"));
  return repeated;
}

/**
 * Shards of a campaign that has succeeded, as `<job>/<shard> <agent>`, that were given to an agent beside the one that ran them, as
 * it took so much longer: the samples left of them may be begun by both, the second time by this agent.
 */
async function duplicates(world: World, { id }: Campaign): Promise<Set<string>> {
  const events = await world.api.eventsOf(id, (all) => all.some(({ kind }) => kind === "campaign.succeeded"));
  return new Set(
    events.flatMap(({ kind, jobId, nodeId, message }) => {
      const shard = kind === "shard.duplicated" && /^shard (\d+) /.exec(message)?.[1];
      return shard ? [`${jobId}/${shard} ${nodeId}`] : [];
    }),
  );
}

/** Throws when an attempt that was held at the moment is not the one whose records count. */
export function checkFences(moment: Moment, fences: ReadonlyMap<string, string>): void {
  const changed = [...moment.held].flatMap(([shard, fence]) =>
    fences.get(shard) === fence
      ? []
      : [`${shard} ran as ${fence}, and the result is of ${fences.get(shard)}`],
  );
  if (changed.length > 0) throw new Error(changed.join("\n"));
}

/** True if one of the begins was under an attempt that an agent held at the moment. */
export const heldBy = (agent: string, { held }: Moment, begins: readonly Line[]): boolean =>
  begins.some((line) => line.agent === agent && held.get(`${line.job}/${line.shard}`) === line.fence);
