/**
 * kill −9 of an agent. If it comes back before it is declared lost, it goes on where it was: samples with a record are
 * not run again. If it comes back later, others have its shards, and what it still has counts nothing or once.
 */
import { checkBegins, heldBy, momentOf } from "../begins.js";
import { type Campaign, halfRecorded, submitSimulated, succeeded } from "../campaigns.js";
import { type Scenario, soonLost, threeAgents, victimOf } from "../scenario.js";
import { verify } from "../verify.js";
import { seen } from "../waiting.js";
import type { World } from "../world.js";

export const agentKilled: Scenario = {
  name: "agent −9",
  holds: "it comes back at once and runs no sample again that has a record",
  repetitions: 3,
  world: threeAgents,
  async run(world, n) {
    const campaign = await submitSimulated(world, `agent-killed-${n}`);
    await halfRecorded(world, campaign);
    const victim = victimOf(n);
    await world.kill(victim);
    const { inFlight } = momentOf(world, campaign);
    world.startAgent(victim);
    await succeeded(world, campaign);
    const { samples, strays } = await verify(world, campaign);
    const again = await checkBegins(
      world,
      campaign,
      (sample, begins) => inFlight.has(sample) && begins.every(({ agent }) => agent === victim),
    );
    return `${samples} samples, ${again} run again of those in flight, ${strays} stray files`;
  },
};

export const agentLost: Scenario = {
  name: "agent −9, declared lost, then back",
  holds: "others run its shards; what it brings back is not counted twice",
  repetitions: 2,
  world: soonLost,
  async run(world, n) {
    const campaign = await submitSimulated(world, `agent-lost-${n}`);
    await halfRecorded(world, campaign);
    const victim = victimOf(n);
    await world.kill(victim);
    const moment = momentOf(world, campaign);
    await isLost(world, campaign, victim);
    // Half of the times others have finished everything before it comes back.
    if (n % 2 === 0) world.startAgent(victim);
    await succeeded(world, campaign);
    if (n % 2 === 1) world.startAgent(victim);
    await world.ready();
    const { samples, strays } = await verify(world, campaign);
    const again = await checkBegins(world, campaign, (_, begins) => heldBy(victim, moment, begins));
    return `${samples} samples, ${again} run again, ${strays} stray files`;
  },
};

/** Resolves when the coordinator has declared an agent lost. */
export async function isLost(world: World, { id }: Campaign, victim: string): Promise<void> {
  await seen({
    what: `${victim} is lost`,
    ask: async () =>
      (await world.api.listNodes()).some((node) => node.id === victim && node.state === "lost"),
    progress: () => world.journals.of(id).length,
    fault: () => world.faults(),
  });
}
