/**
 * etcd's history is compacted again and again while a new leader reads what the old one left: more done records than a
 * page of its list holds, so that the revision at which it reads is gone before it is through. It begins the list again
 * and nothing is missing. (A compaction under a watch has no scenario, as coordinators keep no watch open.)
 */
import { recorded, submitSimulated } from "../../kills/campaigns.js";
import type { Scenario } from "../../kills/scenario.js";
import { seen } from "../../kills/waiting.js";
import type { World, WorldOptions } from "../../kills/world.js";
import { checked } from "../check.js";

const LOAD = { jobs: 1, samples: 1000, shardSize: 1, latencyMs: 20 };
/** Keys in one page of the store's lists. */
const PAGE = 500;
/** From when a coordinator leads: it reads meanwhile; a list that is begun again gets through afterwards. */
const READING_MS = 1_000;

export const compactedUnderNext = (world: () => WorldOptions): Scenario => ({
  ...{ name: "leader −9, etcd compacted", repetitions: 0, takesTurns: true, long: 3, world },
  holds: "the next leader reads everything although the revision that it reads at is compacted",
  async run(w, n) {
    const leader = await w.leader();
    const campaign = await submitSimulated(w, `compacted-${n}`, LOAD);
    await recorded(w, campaign, PAGE / LOAD.samples);
    await seen({
      what: `more than ${PAGE} done records are stored`,
      ask: () => donesOf(w, campaign.id) > PAGE,
      progress: () => donesOf(w, campaign.id),
      fault: () => w.faults(),
    });
    await w.kill(leader);
    const compactions = await compacting(w);
    await w.leader();
    const dones = donesOf(w, campaign.id);
    await w.startCoordinator(leader);
    const samples = await checked(w, [campaign]);
    return `${dones} done records, ${compactions} compactions until another led, ${samples} samples`;
  },
});

const donesOf = (w: World, id: string): number =>
  (w.recording?.eyes.changes ?? []).filter(({ key, kind }) => kind === "put" && key.startsWith(`done/${id}/`))
    .length;

const leaders = (w: World): number =>
  (w.recording?.eyes.changes ?? []).filter(({ key, kind }) => kind === "put" && key === "leader").length;

/** Compacts up to a new revision, as fast as etcd does it, until a while after another has become the leader; how often. */
async function compacting(w: World): Promise<number> {
  const eyes = w.recording?.eyes;
  const before = leaders(w);
  let times = 0;
  for (let endMs = Number.POSITIVE_INFINITY; eyes !== undefined && Date.now() < endMs; times += 1) {
    await eyes.compact(await eyes.tick());
    if (endMs === Number.POSITIVE_INFINITY && leaders(w) > before) endMs = Date.now() + READING_MS;
    const fault = w.faults();
    if (fault !== undefined) throw new Error(fault);
  }
  return times;
}
