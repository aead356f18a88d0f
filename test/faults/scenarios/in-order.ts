/** What operators do to a fleet that works: drain a node, stop each kind of process, restart the coordinators in turn. */
import { recorded, submitSimulated } from "../../kills/campaigns.js";
import { between, type Random } from "../../kills/random.js";
import type { Scenario } from "../../kills/scenario.js";
import { seen } from "../../kills/waiting.js";
import type { World, WorldOptions } from "../../kills/world.js";
import { checked } from "../check.js";
import { LOAD } from "./leader-killed.js";

/** More than twice as much as what lies between a drain and an empty node on a busy machine. */
const DRAIN_LOAD = { ...LOAD, samples: 500 };
/** From the command's end: until its word has come to the agent and to this test's eyes; until what it ran has ended. */
const TOLD_MS = 2_000;
const EMPTY_MS = DRAIN_LOAD.shardSize * DRAIN_LOAD.latencyMs + 5_000;

/** A stop in order may take so long. */
const STOP_MS = 30_000;

const oneOf = <T>(all: readonly T[], random: Random): T => all[Math.floor(random() * all.length)] as T;

export const nodeDrained = (world: () => WorldOptions): Scenario => ({
  ...{ name: "node drained", repetitions: 1, long: 5, world },
  holds: "a busy node is empty soon, no shard failed, none that ran was given to another",
  async run(world, n, random) {
    const campaign = await submitSimulated(world, `node-drained-${n}`, DRAIN_LOAD);
    await recorded(world, campaign, between(random, 0.05, 0.15));
    const victim = oneOf(world.agents, random);
    const { attempts } = await world.api.node(victim);
    if (attempts === 0) throw new Error(`${victim} was not busy`);
    await world.sai(["node", "drain", victim, "--reason", "an update"]);
    const drainedMs = Date.now();
    const begun = () =>
      world.journals
        .of(campaign.id)
        .filter(
          ({ kind, agent, seenMs }) => kind === "attempt" && agent === victim && seenMs > drainedMs + TOLD_MS,
        );
    await seen({
      what: `${victim} is empty`,
      ask: async () => (await world.api.node(victim)).attempts === 0,
      progress: () => world.journals.of(campaign.id).length,
      fault: () => world.faults(),
    });
    const took = Date.now() - drainedMs;
    const left = campaign.jobs * campaign.samples - world.journals.recorded(campaign.id).size;
    if (left === 0) throw new Error(`${victim} was empty because nothing was left to do`);
    if (took > EMPTY_MS) throw new Error(`${victim} was empty only after ${took} ms`);
    const samples = await checked(world, [campaign]);
    const late = begun().map(({ fence }) => fence);
    if (late.length > 0) throw new Error(`${victim} began ${late.join(", ")} after it was drained`);
    await world.sai(["node", "uncordon", victim]);
    await world.ready();
    return `${victim} with ${attempts} attempts was empty after ${took} ms, with ${left} of ${samples} samples left`;
  },
});

export const eachStopped = (world: () => WorldOptions): Scenario => ({
  ...{ name: "SIGTERM on each", repetitions: 1, long: 5, world },
  holds: "follower, agent and leader exit 0 within 30 s, nothing is lost or charged",
  async run(world, n, random) {
    const campaign = await submitSimulated(world, `each-stopped-${n}`, LOAD);
    await recorded(world, campaign, between(random, 0.05, 0.3));
    const leader = await world.leader();
    const follower = oneOf(
      world.coordinators.filter((name) => name !== leader),
      random,
    );
    const agent = oneOf(world.agents, random);
    const said: string[] = [];
    for (const [kind, name] of Object.entries({ follower, agent, leader }))
      said.push(`${kind} ${await stopped(world, name)} ms`);
    await Promise.all([world.startCoordinator(follower), world.startCoordinator(leader)]);
    world.startAgent(agent);
    // What the stopped agent had begun it gives back, which is no failure of its shard.
    const samples = await checked(world, [campaign], { mayRunAgain: [agent] });
    await world.ready();
    return `${said.join(", ")}; ${samples} samples`;
  },
});

export const rollingRestart = (world: () => WorldOptions): Scenario => ({
  ...{ name: "rolling restart", repetitions: 0, takesTurns: true, long: 5, world },
  holds: "each coordinator is restarted under load, no running shard is stopped",
  async run(world, n, random) {
    const campaign = await submitSimulated(world, `rolling-restart-${n}`, LOAD);
    await recorded(world, campaign, between(random, 0.05, 0.2));
    const said: string[] = [];
    for (const name of world.coordinators) {
      said.push(`${name} ${await stopped(world, name)} ms`);
      await world.startCoordinator(name);
      await world.leader();
    }
    const samples = await checked(world, [campaign]);
    return `stopped in ${said.join(", ")}; ${samples} samples`;
  },
});

/** Stops a process in order; how long that took, ms. */
async function stopped(world: World, name: string): Promise<number> {
  const { code, tookMs } = await world.terminate(name);
  if (code !== 0 || tookMs > STOP_MS) throw new Error(`${name} ended with ${code} after ${tookMs} ms`);
  return tookMs;
}
