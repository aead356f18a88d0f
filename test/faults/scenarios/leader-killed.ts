/**
 * kill −9 of the leader while ten agents work: at a random moment, or as a result's record has just appeared in
 * etcd. Another leads and gives work out soon, and what ran goes on.
 */
import { recorded, submitSimulated } from "../../kills/campaigns.js";
import { between, type Random } from "../../kills/random.js";
import type { Scenario } from "../../kills/scenario.js";
import { seen } from "../../kills/waiting.js";
import type { World, WorldOptions } from "../../kills/world.js";
import { checked } from "../check.js";

/** From the kill to the first attempt that the next leader gave out and that runs. */
const DISPATCH_MS = 15_000;

/** About 6 s of work for ten agents: longer than until the next leader has its agents. */
export const LOAD = { jobs: 2, samples: 300, shardSize: 5, latencyMs: 200, onDevices: true };

export function leaderKilled(world: () => WorldOptions): Scenario {
  const tookMs: { led: number; gave: number }[] = [];
  return {
    name: "leader −9",
    holds: "another gives work out within 15 s, no running shard is stopped, lost or doubled",
    repetitions: 2,
    long: 50,
    world,
    async run(world, n, random) {
      const leader = await world.leader();
      const campaign = await submitSimulated(world, `leader-killed-${n}`, LOAD);
      await recorded(world, campaign, between(random, 0.05, 0.3));
      const when = await momentOf(world, campaign.id, random);
      const epoch = world.recording?.eyes.changes.findLast(({ key }) => key === "leader")?.rev ?? 0;
      await world.kill(leader);
      const killedMs = Date.now();
      await world.leader();
      const led = Date.now() - killedMs;
      const gave = await nextDispatch(world, campaign.id, epoch, killedMs);
      tookMs.push({ led, gave });
      if (gave > DISPATCH_MS) throw new Error(`the next attempt ran only after ${gave} ms`);
      await world.startCoordinator(leader);
      const samples = await checked(world, [campaign]);
      return `killed ${when}: another led after ${led} ms, next dispatch after ${gave} ms, ${samples} samples`;
    },
    sum() {
      const most = (of: "led" | "gave") => Math.max(...tookMs.map((took) => took[of]));
      return `another led after at most ${most("led")} ms, next dispatch after at most ${most("gave")} ms`;
    },
  };
}

/** Half of the times any moment; else as soon as a done record was seen, when few can have heard of it. */
async function momentOf(world: World, id: string, random: Random): Promise<string> {
  const changes = world.recording?.eyes.changes ?? [];
  if (random() < 0.5) return "at any moment";
  const from = changes.length;
  await seen({
    what: "a done record appears",
    ask: () => changes.slice(from).some(({ key, kind }) => kind === "put" && key.startsWith(`done/${id}/`)),
    fault: () => world.faults(),
  });
  return "as a done record appeared";
}

/** ms from `sinceMs` until an attempt of an epoch after `epoch` was seen to run. */
export async function nextDispatch(
  world: World,
  campaign: string,
  epoch: number,
  sinceMs: number,
): Promise<number> {
  const found = await seen({
    what: "the next leader's first attempt runs",
    ask: () =>
      world.journals
        .of(campaign)
        .find(({ kind, fence }) => kind === "attempt" && Number(fence.split(".")[0]) > epoch),
    progress: () => world.journals.of(campaign).length,
    fault: () => world.faults(),
  });
  return found.seenMs - sinceMs;
}
