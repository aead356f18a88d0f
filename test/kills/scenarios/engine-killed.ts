/**
 * kill −9 of a recogniser's process below an agent. The agent goes on, says which sample was in flight, and that sample
 * is run again: one death names nobody as poison.
 */
import { checkBegins, heldBy, momentOf } from "../begins.js";
import { type Campaign, halfRecorded, submitPictures, succeeded } from "../campaigns.js";
import { type ProcessName, stillAlive } from "../processes.js";
import { type Scenario, threeAgents, victimOf } from "../scenario.js";
import { verify } from "../verify.js";
import { seen } from "../waiting.js";
import type { World } from "../world.js";

const CHILD = /engines\/ocr\/child\/main/;

export const engineKilled: Scenario = {
  name: "engine's child −9",
  holds: "every text is what an undisturbed process reads, no sample is poison after one death",
  repetitions: 2,
  world: () => ({ ...threeAgents(), slots: 1 }),
  async run(world, n) {
    const campaign = await submitPictures(world, `engine-killed-${n}`, TEXTS);
    await halfRecorded(world, campaign);
    const victim = victimOf(n);
    const child = await busyChild(world, campaign, victim);
    process.kill(child.pid, "SIGKILL");
    const moment = momentOf(world, campaign);
    const agentPid = world.pid(victim);
    await succeeded(world, campaign);
    const { samples, strays } = await verify(world, campaign);
    if ((await stillAlive([child], 0)).length > 0) throw new Error(`the killed child ${child.pid} is alive`);
    if (world.pid(victim) !== agentPid) throw new Error(`${victim} did not outlive its child`);
    const again = await checkBegins(world, campaign, (_, begins) => heldBy(victim, moment, begins));
    return `${samples} samples, ${again} of the shard it worked on, or of a straggler, were run again, ${strays} stray files`;
  },
};

/** The agent's recogniser, just when a sample has begun on it. */
async function busyChild(world: World, { id }: Campaign, victim: string): Promise<ProcessName> {
  const child = await seen({ what: `${victim} has a recogniser`, ask: () => world.below(victim, CHILD)[0] });
  const begun = () =>
    world.journals.of(id).filter(({ kind, agent }) => kind === "begin" && agent === victim).length;
  const before = begun();
  await seen({
    what: `a sample begins on ${victim}`,
    ask: () => begun() > before,
    fault: () => world.faults(),
  });
  return child;
}

/** What the pictures say, as read first. */
const TEXTS = new Map<string, string>();
