/**
 * An agent stands still (SIGSTOP) until it is declared lost, and goes on with what others have run meanwhile. It cannot
 * know; what it brings is not counted twice, and it takes part again by itself.
 */
import { checkBegins } from "../begins.js";
import { halfRecorded, submitSimulated, succeeded } from "../campaigns.js";
import { type Scenario, soonLost, victimOf } from "../scenario.js";
import { verify } from "../verify.js";
import { isLost } from "./agent-killed.js";

export const agentStopped: Scenario = {
  name: "agent stopped until it is lost",
  holds: "others run its shards; what it goes on with is not counted twice",
  repetitions: 2,
  world: soonLost,
  async run(world, n) {
    const campaign = await submitSimulated(world, `agent-stopped-${n}`);
    await halfRecorded(world, campaign);
    const victim = victimOf(n);
    await world.freeze(victim);
    await isLost(world, campaign, victim);
    // Half of the times others have finished everything before it goes on.
    if (n % 2 === 0) world.thaw(victim);
    await succeeded(world, campaign);
    if (n % 2 === 1) world.thaw(victim);
    await world.ready();
    const { samples, strays } = await verify(world, campaign);
    // Until it is told that they are not its own any more it runs what it has been given.
    const again = await checkBegins(world, campaign, (_, begins) =>
      begins.some(({ agent }) => agent === victim),
    );
    return `${samples} samples, ${again} run again, ${strays} stray files`;
  },
};
