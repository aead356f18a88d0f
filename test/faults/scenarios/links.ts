/**
 * The link of one agent is cut, wholly or in one direction, and nobody is told. Both sides notice within the lost timer;
 * what the agent finished meanwhile counts once, and when the link is back it works with all its slots.
 */
import { recorded, submitSimulated } from "../../kills/campaigns.js";
import type { Line } from "../../kills/journals.js";
import type { Scenario } from "../../kills/scenario.js";
import { seen } from "../../kills/waiting.js";
import type { World, WorldOptions } from "../../kills/world.js";
import type { Direction, Island } from "../../support/island.js";
import { type Allowed, checked, runsOf, spansOf } from "../check.js";
import { slotsOf } from "../fleets.js";

/** Timers of this world: heartbeats each 500 ms, lost after 8 of them; and what a busy machine adds. */
export const LINK_TIMERS = {
  SAI_COORDINATOR_HEARTBEAT_INTERVAL_MS: "500",
  SAI_COORDINATOR_SUSPECT_AFTER_INTERVALS: "4",
  SAI_COORDINATOR_LOST_AFTER_INTERVALS: "8",
  SAI_COORDINATOR_BRAKE_HOLD_MS: "2000",
};
const LOST_MS = 8 * 500;
const SLACK_MS = 2_000;
const LOAD = { jobs: 2, samples: 120, shardSize: 5, latencyMs: 100, onDevices: true };

/** `links.island` is there once the world is. */
export interface Links {
  world: () => WorldOptions;
  island(): Island;
  /** The agent on it. */
  agent: string;
}

export const agentCutOff = ({ world, island, agent }: Links): Scenario => ({
  ...{ name: "agent cut off past LOST", repetitions: 0, takesTurns: true, long: 6, world },
  holds: "both finish; each shard counts once, the late one not at all",
  async run(w, n, random, seed) {
    const campaign = await submitSimulated(w, `cut-off-${n}`, LOAD);
    await recorded(w, campaign, 0.1 + random() * 0.3);
    // What it has only just begun it cannot have told the end of.
    await seen({
      what: `${agent} has just begun a shard`,
      ask: async () => hasJustBegun(w.journals.of(campaign.id), agent),
      fault: () => w.faults(),
    });
    island().cut("both");
    await hasState(w, agent, (state) => state === "lost");
    // Half of the times others have finished everything before it is back.
    if (seed % 2 === 1) await finished(w, campaign.id);
    island().heal();
    const samples = await checked(w, [campaign], lostOf(agent));
    await w.ready();
    const spans = runsOf(w, w.journals.of(campaign.id));
    const mine = new Set(spans.filter((span) => span.agent === agent).map(({ shard }) => shard));
    const twice = spans.filter((span) => span.agent !== agent && mine.has(span.shard)).length;
    if (twice === 0) throw new Error(`${agent} and another never ran the same shard: nothing was tried`);
    return `${samples} samples, ${twice} shards run by both`;
  },
});

export const halfOpen = ({ world, island, agent }: Links): Scenario => ({
  ...{ name: "link half open", repetitions: 1, long: 6, world },
  holds: "each side notices within the lost timer, no credit is leaked",
  async run(w, n, random, seed) {
    const direction: Direction = seed % 2 === 0 ? "in" : "out";
    const campaign = await submitSimulated(w, `half-open-${n}`, LOAD);
    await recorded(w, campaign, 0.1 + random() * 0.3);
    const quiet = (w.log(agent) ?? []).filter(hungUp).length;
    const cutMs = Date.now();
    island().cut(direction);
    const both = await Promise.all([
      hasState(w, agent, (state) => state !== "ready" && state !== "suspect"),
      seen({
        what: `${agent} hangs up`,
        ask: () => w.log(agent).filter(hungUp).length > quiet,
        fault: () => w.faults(),
      }).then(() => Date.now()),
    ]);
    const tookMs = both.map((atMs) => atMs - cutMs);
    island().heal();
    if (Math.max(...tookMs) > LOST_MS + SLACK_MS)
      throw new Error(`noticed only after ${tookMs.join(" and ")} ms, of ${LOST_MS}`);
    await w.ready();
    const after = await submitSimulated(w, `half-open-after-${n}`, LOAD);
    const samples = await checked(w, [campaign, after], lostOf(agent));
    for (const lane of ["cpu", "test"]) {
      const most = atOnce(w, after.id, agent, lane);
      if (most !== slotsOf(lane))
        throw new Error(`${agent} then ran ${most} of ${slotsOf(lane)} at once on ${lane}`);
    }
    const [there, here] = tookMs;
    return `${direction} cut: coordinator after ${there} ms, agent after ${here} ms, ${samples} samples`;
  },
});

/** What an agent had when it was declared lost is stored as failed for that reason, and run by others. */
const lostOf = (agent: string): Allowed => ({
  mayRunAgain: [agent],
  mayFail: (value) => value["agent"] === agent && value["message"] === `${agent} was lost`,
});

const hungUp = ({ msg }: { msg: string }): boolean => msg === "no session" || msg === "hanging up";

/** Resolves, with the wall time, when the coordinator says such a state of an agent. */
async function hasState(world: World, agent: string, is: (state: string) => boolean): Promise<number> {
  await seen({
    what: `${agent} is noticed to be away`,
    ask: async () => is((await world.api.node(agent)).state),
    fault: () => world.faults(),
  });
  return Date.now();
}

/** Whether an attempt of an agent has begun a sample and has recorded none. */
function hasJustBegun(lines: readonly Line[], agent: string): boolean {
  const ours = lines.filter((line) => line.agent === agent);
  const recorded = new Set(ours.filter(({ kind }) => kind === "record").map(({ fence }) => fence));
  return ours.some(({ kind, fence }) => kind === "begin" && !recorded.has(fence));
}

async function finished(world: World, id: string): Promise<void> {
  await seen({
    what: "the others have finished",
    ask: async () => (await world.api.get(id)).progress?.samplesDone === LOAD.jobs * LOAD.samples,
    progress: () => world.journals.of(id).length,
    fault: () => world.faults(),
  });
}

/** Attempts of a campaign that ran at once on an agent's lane, at most. */
function atOnce(world: World, campaign: string, agent: string, lane: string): number {
  const spans = spansOf(world.journals.of(campaign)).filter((s) => s.agent === agent && s.lane === lane);
  return Math.max(
    0,
    ...spans.map(({ fromNs }) => spans.filter((s) => s.fromNs <= fromNs && fromNs < s.toNs).length),
  );
}
