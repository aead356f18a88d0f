/** What a scenario checks at its end: every sample by the disks (kills/verify.ts), and the history by its recording. */
import { type Campaign, succeeded } from "../kills/campaigns.js";
import type { Journals, Line } from "../kills/journals.js";
import { verify } from "../kills/verify.js";
import type { World } from "../kills/world.js";
import type { Value } from "../support/etcd-eyes.js";
import { slotsOf } from "./fleets.js";
import { failures, historyFaults, type Run, requeues, type Span } from "./history.js";

export interface Allowed {
  /** Agents whose shards others may run again; that is no failure of the shard. */
  mayRunAgain?: readonly string[];
  /** Records of failed attempts that are no fault; none unless said. */
  mayFail?(value: Value): boolean;
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
  const { mayRunAgain = [], mayFail = () => false } = allowed;
  const runs = runsOf(world, lines).filter(({ agent }) => !mayRunAgain.includes(agent));
  faults.push(...requeues(runs, recording.events, recording.eyes.changes));
  faults.push(...failures(ids, recording.eyes.changes, mayFail));
  if (faults.length > 0) throw new Error(faults.slice(0, 20).join("\n"));
}

/** The attempts that began a sample, each once, also those that no sample was recorded of. */
export function runsOf(
  { journals }: { journals: Pick<Journals, "removedMs"> },
  lines: readonly Line[],
): Run[] {
  const runs = new Map<string, Run>();
  const last = new Map<string, number>();
  for (const { agent, fence, campaign, job, shard, kind, seenMs } of lines) {
    const name = `${agent} ${fence}`;
    last.set(name, seenMs);
    if (runs.has(name) || (kind !== "begin" && kind !== "record")) continue;
    const about = { shard: `${campaign}/${job}/${shard}`, agent, fence };
    runs.set(name, { ...about, beganMs: seenMs, lastMs: seenMs, removedMs: journals.removedMs(about) });
  }
  return [...runs].map(([name, run]) => ({ ...run, lastMs: last.get(name) ?? run.lastMs }));
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
