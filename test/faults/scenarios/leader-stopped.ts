/**
 * The leader stands still (SIGSTOP) until another leads, and goes on with what it believed: results in its sockets, work
 * to give out. Nothing it then writes counts, and nobody runs what it gives out.
 */
import { recorded, submitSimulated } from "../../kills/campaigns.js";
import { between } from "../../kills/random.js";
import type { Scenario } from "../../kills/scenario.js";
import { pause, seen } from "../../kills/waiting.js";
import type { World, WorldOptions } from "../../kills/world.js";
import { checked } from "../check.js";
import { LOAD } from "./leader-killed.js";

export function leaderStopped(
  world: () => WorldOptions,
  o: {
    name: string;
    seconds: number;
    repetitions: number;
    long: number;
    /** Where the lost timer is so short that the next leader may give up an agent before it can be there. */
    mayRunAgain?: boolean;
  },
): Scenario {
  return {
    ...o,
    name: `leader stopped ${o.seconds} s${o.name}`,
    holds: "no write and no assignment of it counts when it goes on",
    world,
    async run(world, n, random) {
      const leader = await world.leader();
      const campaign = await submitSimulated(world, `leader-stopped-${o.seconds}${o.name}-${n}`, LOAD);
      await recorded(world, campaign, between(random, 0.05, 0.3));
      const epoch = epochOf(world);
      const ended = world.log(leader).filter(({ msg }) => msg === "this term has ended").length;
      await world.freeze(leader);
      const endMs = Date.now() + o.seconds * 1000;
      const next = await world.leader();
      // The fault itself takes this long.
      while (Date.now() < endMs) await pause(100);
      const before = new Set(ranUnder(world, campaign.id, epoch));
      world.thaw(leader);
      await seen({
        what: `${leader} follows`,
        ask: async () => (await world.health(leader))?.["leads"] === false,
        fault: () => world.faults(),
        stallMs: 30_000,
      });
      const samples = await checked(world, [campaign], { mayRunAgain: o.mayRunAgain ? world.agents : [] });
      const late = ranUnder(world, campaign.id, epoch).filter((fence) => !before.has(fence));
      if (late.length > 0)
        throw new Error(`work that the stopped leader gave out was run: ${late.join(", ")}`);
      const refused = world.log(leader).filter(({ msg }) => msg === "this term has ended").length - ended;
      if (before.size === 0) throw new Error(`nothing of epoch ${epoch} had begun: nothing was tried`);
      if (refused === 0) throw new Error(`${leader} never said that its term has ended`);
      return `${next} led instead of ${leader}, ${before.size} attempts of its epoch, ${refused} terms ended, ${samples} samples`;
    },
  };
}

/** The epoch of whoever leads. */
export const epochOf = (world: World): number =>
  world.recording?.eyes.changes.findLast(({ key, kind }) => key === "leader" && kind === "put")?.rev ?? 0;

/** Attempts of an epoch that began to run. */
const ranUnder = (world: World, campaign: string, epoch: number): string[] =>
  world.journals
    .of(campaign)
    .flatMap(({ kind, fence }) => (kind === "attempt" && fence.startsWith(`${epoch}.`) ? [fence] : []));
