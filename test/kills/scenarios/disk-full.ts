/**
 * A disk without room, below the agents' journals or below the coordinator's store, at half of the records. New work is
 * refused with a message that says why; when there is room again everything goes on by itself, and nothing was lost.
 */
import { join } from "node:path";
import { type Campaign, halfRecorded, submitSimulated, succeeded } from "../campaigns.js";
import { makeRoom, type Room } from "../room.js";
import { AGENTS, type Scenario, threeAgents, victimOf } from "../scenario.js";
import { verify } from "../verify.js";
import { seen } from "../waiting.js";
import { COORDINATOR, type World } from "../world.js";

const MEBIBYTE = 1024 ** 2;

export function agentsDiskFull(mounts: boolean): Scenario {
  let rooms: Map<string, Room>;
  return {
    name: "agents' disks full",
    holds: "agents refuse new work and say why; with room again all goes on by itself",
    repetitions: 2,
    world() {
      rooms = new Map(AGENTS.map((id) => [id, makeRoom(4 * MEBIBYTE, mounts)]));
      const folder = (id: string) => join((rooms.get(id) as Room).folder, "agent");
      const removed = () => {
        for (const room of rooms.values()) room.remove();
      };
      return { ...threeAgents(), agentIn: folder, keepsJournals: false, removed };
    },
    async run(world, n) {
      const campaign = await submitSimulated(world, `agents-disk-full-${n}`);
      await halfRecorded(world, campaign);
      const logged = AGENTS.map((id) => world.log(id).length);
      await seen({
        what: "every agent says that its disk is full",
        ask() {
          // What is acknowledged frees the room of its journal, which would do for the rest of the work.
          const left = AGENTS.filter((id, i) => !saysFull(world, id, logged[i] ?? 0));
          for (const id of left) rooms.get(id)?.fill([world.pid(id)]);
          return left.length === 0;
        },
        fault: () => world.faults(),
        stallMs: 30_000,
      });
      const reasons = await seen({
        what: "people are told why no agent takes work",
        ask: async () => {
          const nodes = await world.api.listNodes();
          return (
            nodes.every((node) => /disk/.test(node.notOffering)) && nodes.map((node) => node.notOffering)
          );
        },
        fault: () => world.faults(),
        stallMs: 30_000,
      });
      // Half of the times one of them dies on its full disk, and is started there again.
      const victim = n % 2 === 1 ? victimOf(n) : undefined;
      const restarted = victim === undefined ? "" : await killOnFullDisk(world, victim, rooms);
      for (const [id, room] of rooms) room.free(world.runs(id) ? [world.pid(id)] : []);
      await succeeded(world, campaign);
      const { samples, strays } = await verify(world, campaign);
      const how = [...rooms.values()][0]?.how;
      return `${how}: "${reasons[0]}"${restarted}, ${samples} samples, ${strays} stray files`;
    },
  };
}

/** kill −9, and a start on a disk without a single page left: it starts, says why it takes nothing, and goes on later. */
async function killOnFullDisk(
  world: World,
  victim: string,
  rooms: ReadonlyMap<string, Room>,
): Promise<string> {
  await world.kill(victim);
  rooms.get(victim)?.fill([]);
  const starts = startsOf(world, victim);
  world.startAgent(victim);
  const pid = world.pid(victim);
  rooms.get(victim)?.fill([pid]);
  await seen({
    what: `${victim} has started on its full disk`,
    ask: () => startsOf(world, victim) > starts,
    fault: () => world.faults(),
  });
  return `, ${victim} killed and started there`;
}

const startsOf = (world: World, id: string): number =>
  world.log(id).filter(({ msg }) => msg === "agent started").length;

const saysFull = (world: World, id: string, from: number): boolean =>
  world
    .log(id)
    .slice(from)
    .some(({ msg }) => /disk is full/.test(msg));

export function storesDiskFull(mounts: boolean): Scenario {
  let room: Room;
  return {
    name: "coordinator's disk full",
    holds: "submits are refused and say why, results wait; with room again all goes on by itself",
    repetitions: 2,
    world() {
      room = makeRoom(16 * MEBIBYTE, mounts);
      return { ...threeAgents(), storeIn: join(room.folder, "state"), removed: room.remove };
    },
    async run(world, n) {
      const campaign = await submitSimulated(world, `stores-disk-full-${n}`);
      await halfRecorded(world, campaign);
      room.fill([world.pid(COORDINATOR)]);
      const { message, accepted } = await submitUntilRefused(world, `${n}`);
      // Half of the times it dies on the full disk, and starts there again.
      if (n % 2 === 1) {
        await world.kill(COORDINATOR);
        await world.startCoordinator();
      }
      room.free([world.pid(COORDINATOR)]);
      accepted.push(await submitSoon(world, `after-disk-full-${n}`));
      let samples = 0;
      for (const one of [campaign, ...accepted]) {
        await succeeded(world, one);
        samples += (await verify(world, one)).samples;
      }
      const died = n % 2 === 1 ? ", killed there" : "";
      return `${room.how}${died}: "${message}", ${accepted.length + 1} campaigns, ${samples} samples`;
    },
  };
}

/** Submits until the disk is given as the reason for a refusal; those that were taken before must end like any other. */
async function submitUntilRefused(
  world: World,
  name: string,
): Promise<{ message: string; accepted: Campaign[] }> {
  const accepted: Campaign[] = [];
  const message = await seen({
    what: "a submit is refused because of the disk",
    async ask() {
      try {
        accepted.push(await submitSimulated(world, `refused-${name}-${accepted.length}`, { latencyMs: 1 }));
        return undefined;
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        return /disk/.test(text) && text;
      }
    },
    progress: () => accepted.length,
    fault: () => (accepted.length > 20 ? "20 submits were taken on a full disk" : world.faults()),
    stallMs: 30_000,
  });
  return { message, accepted };
}

/** A submit is taken again by itself. */
const submitSoon = (world: World, name: string): Promise<Campaign> =>
  seen({
    what: "a submit is taken again",
    ask: () => submitSimulated(world, name, { latencyMs: 1 }),
    fault: () => world.faults(),
    stallMs: 30_000,
  });
