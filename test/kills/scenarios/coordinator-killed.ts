/**
 * kill −9 of the coordinator, alone or together with agents. Whatever agents ran then goes on and counts: no attempt is
 * stopped, no sample begun again but those that were in flight on a killed agent.
 */
import { checkBegins, checkFences, momentOf } from "../begins.js";
import { halfRecorded, submitSimulated, succeeded } from "../campaigns.js";
import { AGENTS, type Scenario, threeAgents, victimOf } from "../scenario.js";
import { verify } from "../verify.js";
import { COORDINATOR, type World } from "../world.js";

export const coordinatorKilled: Scenario = {
  name: "coordinator −9",
  holds: "no attempt is stopped, no sample is begun again",
  repetitions: 3,
  world: threeAgents,
  async run(world, n) {
    const campaign = await submitSimulated(world, `coordinator-killed-${n}`);
    await halfRecorded(world, campaign);
    const stopped = stops(world);
    await world.kill(COORDINATOR);
    const moment = momentOf(world, campaign);
    await world.startCoordinator();
    await succeeded(world, campaign);
    const { samples, strays, fences } = await verify(world, campaign);
    checkFences(moment, fences);
    await checkBegins(world, campaign);
    if (stops(world) > stopped) throw new Error("an attempt was stopped");
    return `${samples} samples, ${moment.held.size} attempts went on, ${strays} stray files`;
  },
};

export const bothKilled: Scenario = {
  name: "agents and coordinator −9",
  holds: "no attempt is lost, no sample with a record is begun again",
  repetitions: 3,
  world: threeAgents,
  async run(world, n) {
    const campaign = await submitSimulated(world, `both-killed-${n}`);
    await halfRecorded(world, campaign);
    // One agent, or all of them.
    const victims = n % 2 === 0 ? [victimOf(n)] : AGENTS;
    await Promise.all([COORDINATOR, ...victims].map((name) => world.kill(name)));
    const moment = momentOf(world, campaign);
    for (const victim of victims) world.startAgent(victim);
    await world.startCoordinator();
    await succeeded(world, campaign);
    const { samples, strays, fences } = await verify(world, campaign);
    checkFences(moment, fences);
    const again = await checkBegins(
      world,
      campaign,
      (sample, begins) => moment.inFlight.has(sample) && begins.every(({ agent }) => victims.includes(agent)),
    );
    const who = `coordinator and ${victims.join(", ")}`;
    return `${who}: ${samples} samples, ${again} run again of those in flight, ${strays} stray files`;
  },
};

/** How many attempts agents have stopped so far. */
const stops = (world: World): number =>
  AGENTS.flatMap((id) => world.log(id)).filter(({ msg }) => msg === "attempt stopped").length;
