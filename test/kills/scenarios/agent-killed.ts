/**
 * kill −9 of an agent. If it comes back before it is declared lost, it goes on where it was: samples with a record are
 * not run again. If it comes back later, others have its shards, and what it still has counts nothing or once.
 */
import { checkBegins, momentOf } from "../begins.js";
import { halfRecorded, submitSimulated, succeeded } from "../campaigns.js";
import { type Scenario, threeAgents, victimOf } from "../scenario.js";
import { verify } from "../verify.js";
import { seen } from "../waiting.js";

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
    const again = checkBegins(
      world,
      campaign,
      (sample, { agent }) => agent === victim && inFlight.has(sample),
    );
    return `${samples} samples, ${again} run again of those in flight, ${strays} stray files`;
  },
};

export const agentLost: Scenario = {
  name: "agent −9, declared lost, then back",
  holds: "others run its shards; what it brings back is not counted twice",
  repetitions: 2,
  world: () =>
    threeAgents({ SAI_COORDINATOR_LOST_AFTER_INTERVALS: "8", SAI_COORDINATOR_SUSPECT_AFTER_INTERVALS: "4" }),
  async run(world, n) {
    const campaign = await submitSimulated(world, `agent-lost-${n}`);
    await halfRecorded(world, campaign);
    const victim = victimOf(n);
    await world.kill(victim);
    const { held } = momentOf(world, campaign);
    await seen({
      what: `${victim} is lost`,
      ask: async () =>
        (await world.api.listNodes()).some((node) => node.id === victim && node.state === "lost"),
      progress: () => world.journals.of(campaign.id).length,
      fault: () => world.faults(),
    });
    // Half of the times others have finished everything before it comes back.
    if (n % 2 === 0) world.startAgent(victim);
    await succeeded(world, campaign);
    if (n % 2 === 1) world.startAgent(victim);
    await world.ready();
    const { samples, strays } = await verify(world, campaign);
    const again = checkBegins(
      world,
      campaign,
      (_, { agent, job, shard, fence }) => agent === victim && held.get(`${job}/${shard}`) === fence,
    );
    return `${samples} samples, ${again} run again, ${strays} stray files`;
  },
};
