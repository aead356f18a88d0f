/**
 * The coordinator stands still (SIGSTOP) for longer than any timer and goes on. Agents finish what they run and keep it;
 * afterwards nobody is declared lost for a silence that was the coordinator's own.
 */
import { checkBegins, checkFences, momentOf } from "../begins.js";
import { halfRecorded, submitSimulated, succeeded, TINY_SHARDS } from "../campaigns.js";
import { residentBytes } from "../processes.js";
import { AGENTS, type Scenario, soonLost } from "../scenario.js";
import { verify } from "../verify.js";
import { pause } from "../waiting.js";
import { COORDINATOR, type World } from "../world.js";

/** What an agent may grow by while nobody reads what it says, heap that is not collected yet included. */
const GROWTH_BYTES = 64 * 1024 ** 2;

/** `soonLost` says after which silence; even the short stop is several times that. */
const stopped = (
  seconds: number,
  what: string,
  repetitions: number,
  shape: Parameters<typeof submitSimulated>[2],
): Scenario => ({
  name: `coordinator stopped ${seconds} s${what}`,
  holds: "no agent is declared lost, no sample is begun again, agents do not grow",
  repetitions,
  world: soonLost,
  async run(world, n) {
    const campaign = await submitSimulated(world, `coordinator-stopped-${seconds}${what}-${n}`, shape);
    await halfRecorded(world, campaign);
    const lostBefore = losses(world);
    await world.freeze(COORDINATOR);
    const moment = momentOf(world, campaign);
    const before = new Map(AGENTS.map((id) => [id, residentBytes(world.pid(id))]));
    let grown = 0;
    // The fault itself takes this long.
    for (const endMs = Date.now() + seconds * 1000; Date.now() < endMs; await pause(100)) {
      for (const [id, bytes] of before) grown = Math.max(grown, residentBytes(world.pid(id)) - bytes);
    }
    world.thaw(COORDINATOR);
    await succeeded(world, campaign);
    const { samples, strays, fences } = await verify(world, campaign);
    checkFences(moment, fences);
    await checkBegins(world, campaign);
    if (losses(world) > lostBefore) throw new Error("an agent was declared lost");
    if (grown > GROWTH_BYTES)
      throw new Error(`an agent grew by ${grown} bytes while the coordinator stood still`);
    const mebibytes = Math.round(grown / 1024 ** 2);
    return `${samples} samples, ${moment.held.size} attempts went on, agents +${mebibytes} MiB, ${strays} stray files`;
  },
});

export const coordinatorStopped = stopped(15, "", 0, {});
export const coordinatorStoppedLong = stopped(60, "", 1, {});
export const coordinatorStoppedTiny = stopped(15, ", tiny shards", 1, TINY_SHARDS);

const losses = (world: World): number =>
  world.log(COORDINATOR).filter(({ msg, to }) => msg === "node transition" && to === "LOST").length;
