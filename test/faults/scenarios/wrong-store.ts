/**
 * The wrong store: that of another region, and our own after somebody emptied it. Coordinators refuse it before they
 * write anything and end; agents refuse who leads there. Both say what happened and what to do.
 */

import { submitSimulated, succeeded } from "../../kills/campaigns.js";
import type { Scenario } from "../../kills/scenario.js";
import { seen } from "../../kills/waiting.js";
import type { World, WorldOptions } from "../../kills/world.js";
import { startEtcd } from "../../support/etcd.js";
import { EtcdEyes } from "../../support/etcd-eyes.js";

/** What a wrong configuration exits with. */
const CONFIG = 78;
const SMALL = { jobs: 1, samples: 8, shardSize: 2, latencyMs: 1 };

export const wrongStore = (world: () => WorldOptions, program: string): Scenario => ({
  ...{ name: "wrong store", repetitions: 1, long: 2, world, spoils: true },
  holds: "coordinators and agents refuse another cluster's store and an emptied one, and say so",
  async run(world, n) {
    const leader = await world.leader();
    const other = world.coordinators.find((name) => name !== leader) as string;
    const agent = world.agents[0] as string;
    await succeeded(world, await submitSimulated(world, `before-wrong-store-${n}`, SMALL));
    const foreign = await startEtcd({ program });
    world.guests.add(foreign.close);
    const eyes = new EtcdEyes(foreign.members.map(({ address }) => address));
    try {
      const there = {
        SAI_STORE_ENDPOINTS: foreign.members.map(({ address }) => `http://${address}`).join(","),
      };
      await world.terminate(other);
      world.launchCoordinator(other, there);
      const empty = await refuses(world, other, /newly initialised.*this coordinator belongs to cluster/);
      await eyes.settled();
      if (eyes.changes.length > 0)
        throw new Error(`${other} wrote ${eyes.changes[0]?.key} to the foreign store`);

      // As one of another region: the store becomes that of another cluster.
      await world.startCoordinator(other, { ...there, SAI_DATA_DIR: `${world.folder}/another-region-${n}` });
      await world.terminate(agent);
      world.startAgent(agent, { SAI_AGENT_COORDINATOR: world.agentsAddressOf(other) });
      await says(world, agent, /this coordinator belongs to cluster \S+, agent a1 to \S+/);
      await world.terminate(agent);
      await world.terminate(other);
      await eyes.settled();
      const written = eyes.changes.length;
      world.launchCoordinator(other, there);
      const foreignSaid = await refuses(world, other, /store belongs to cluster \S+, this coordinator to/);
      await eyes.settled();
      if (eyes.changes.length > written) throw new Error(`${other} wrote to the foreign store`);

      await world.startCoordinator(other);
      world.startAgent(agent);
      await world.ready([agent]);
      await succeeded(world, await submitSimulated(world, `between-wrong-stores-${n}`, SMALL));
      await emptied(world);
      return `"${empty}", "${foreignSaid}", and both ended when theirs was emptied`;
    } finally {
      await eyes.close();
      await foreign.close();
      world.guests.delete(foreign.close);
    }
  },
});

/** Their own store comes back empty under two coordinators that run: both end, and nobody has begun anew there. */
async function emptied(world: World): Promise<void> {
  const [member] = world.etcd?.members ?? [];
  await member?.kill();
  member?.wipe();
  await member?.restart();
  await Promise.all(world.coordinators.map((name) => refuses(world, name, /newly initialised/)));
  const eyes = new EtcdEyes([member?.address ?? ""]);
  try {
    const keys = [...(await eyes.read()).keys()];
    if (keys.length > 0) throw new Error(`somebody wrote to the emptied store: ${keys.join(", ")}`);
  } finally {
    await eyes.close();
  }
}

/** Resolves with what a coordinator says when it ends by itself with 78. */
async function refuses(world: World, name: string, words: RegExp): Promise<string> {
  const from = world.logText(name).length;
  const code = await world.endsByItself(name);
  const text = world.logText(name).slice(Math.max(0, from - 4000));
  const said = words.exec(text)?.[0];
  if (code !== CONFIG || said === undefined)
    throw new Error(`${name} ended with ${code} and did not say ${words}:\n${text.slice(-2000)}`);
  return said;
}

async function says(world: World, name: string, words: RegExp): Promise<void> {
  await seen({
    what: `${name} says ${words}`,
    ask: () => words.test(world.logText(name)),
    fault: () => world.faults(),
    stallMs: 30_000,
  });
}
