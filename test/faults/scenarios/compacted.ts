/**
 * etcd's history is compacted again and again while a new leader reads what the old one left: more done records than a
 * page of its list holds, so that the revision at which it reads is gone before it is through. It begins the list again
 * and nothing is missing. (A compaction under a watch has no scenario, as coordinators keep no watch open.)
 */
import { recorded, submitSimulated } from "../../kills/campaigns.js";
import type { Scenario } from "../../kills/scenario.js";
import { pause, seen } from "../../kills/waiting.js";
import type { World, WorldOptions } from "../../kills/world.js";
import { checked } from "../check.js";

const LOAD = { jobs: 1, samples: 1000, shardSize: 1, latencyMs: 20 };
/** Keys in one page of the store's lists. */
const PAGE = 500;
/** Between two compactions; a list that is begun again gets through in between. */
const EVERY_MS = 50;

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
    const compactions = await compacting(w, () => w.leader());
    const [revs, dones] = [leaders(w), donesOf(w, campaign.id)];
    if (compactions === 0) throw new Error("nothing was compacted before the next one led");
    await w.startCoordinator(leader);
    const samples = await checked(w, [campaign]);
    if (leaders(w) > revs) throw new Error("the next leader did not stay one");
    return `${dones} done records, ${compactions} compactions until another led, ${samples} samples`;
  },
});

const donesOf = (w: World, id: string): number =>
  (w.recording?.eyes.changes ?? []).filter(({ key, kind }) => kind === "put" && key.startsWith(`done/${id}/`))
    .length;

const leaders = (w: World): number =>
  (w.recording?.eyes.changes ?? []).filter(({ key, kind }) => kind === "put" && key === "leader").length;

/** Compacts up to a new revision until `until` resolves; how often. */
async function compacting(w: World, until: () => Promise<unknown>): Promise<number> {
  const eyes = w.recording?.eyes;
  let over = false;
  let times = 0;
  const run = async () => {
    while (!over && eyes !== undefined) {
      const rev = await eyes.tick();
      // What this test itself has not seen yet must not be forgotten.
      await eyes.settled();
      await eyes.compact(rev);
      times += 1;
      await pause(EVERY_MS);
    }
  };
  const running = run();
  try {
    await Promise.race([until(), running]);
  } finally {
    over = true;
    await running;
  }
  return times;
}
