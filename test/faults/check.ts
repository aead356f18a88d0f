/** What a scenario checks at its end: every sample by the disks (kills/verify.ts), and the history by its recording. */
import { type Campaign, succeeded } from "../kills/campaigns.js";
import type { Line } from "../kills/journals.js";
import { verify } from "../kills/verify.js";
import type { World } from "../kills/world.js";
import { slotsOf } from "./fleets.js";
import { historyFaults, requeues, type Span } from "./history.js";

export interface Allowed {
  /** Agents whose shards others may run again. */
  gaveBack?: readonly string[];
}

/** Waits for the end of the campaigns and throws with everything that was wrong. How many samples there are. */
export async function checked(
  world: World,
  campaigns: readonly Campaign[],
  allowed: Allowed = {},
): Promise<number> {
  const counted = new Map<string, string>();
  let samples = 0;
  for (const campaign of campaigns) {
    await succeeded(world, campaign);
    const found = await verify(world, campaign);
    for (const [shard, fence] of found.fences) counted.set(`${campaign.id}/${shard}`, fence);
    samples += found.samples;
  }
  const ids = campaigns.map(({ id }) => id);
  await checkHistory(world, ids, counted, allowed);
  return samples;
}

/** Throws with what the recording says that should not have happened; `counted` as in `History`. */
export async function checkHistory(
  world: World,
  ids: readonly string[],
  counted: ReadonlyMap<string, string>,
  allowed: Allowed = {},
): Promise<void> {
  const recording = world.recording;
  if (recording === undefined) throw new Error("this world is not recorded");
  await recording.eyes.settled();
  const lines = ids.flatMap((id) => world.journals.of(id));
  const spans = spansOf(lines);
  const faults = historyFaults({
    ...{ changes: recording.eyes.changes, writes: recording.writes, events: recording.events },
    ...{ acknowledged: world.acknowledged, counted, spans, slots: slotsOf },
  });
  const { gaveBack = [] } = allowed;
  faults.push(
    ...requeues(
      spans.filter(({ agent }) => !gaveBack.includes(agent)),
      recording.events,
    ),
  );
  for (const { key, kind, rev, value } of recording.eyes.changes) {
    if (gaveBack.includes(String(value?.["agent"]))) continue;
    if (kind === "put" && ids.some((id) => key.startsWith(`fail/${id}/`)))
      faults.push(`an attempt failed: ${key} at ${rev}`);
  }
  if (faults.length > 0) throw new Error(faults.slice(0, 20).join("\n"));
}

/** From when to when each attempt ran samples, once for each start of its agent. */
export function spansOf(lines: readonly Line[]): Span[] {
  const spans = new Map<string, Span>();
  for (const line of lines) {
    if (line.kind !== "record") continue;
    const { agent, incarnation, fence, lane, campaign, job, shard, fromNs, toNs } = line;
    const name = `${agent} ${incarnation} ${fence}`;
    const known = spans.get(name);
    spans.set(name, {
      ...{ agent, incarnation, lane, fence, shard: `${campaign}/${job}/${shard}` },
      fromNs: Math.min(known?.fromNs ?? fromNs, fromNs),
      toNs: Math.max(known?.toNs ?? toNs, toNs),
    });
  }
  return [...spans.values()];
}
