/** The worlds that faults happen in, at the program's own timers unless said. */
import type { WorldOptions } from "../kills/world.js";
import { etcdProgram } from "../services/etcd/programs.js";

export const COORDINATORS = ["c1", "c2", "c3"];
export const AGENTS = Array.from({ length: 10 }, (_, i) => `a${i + 1}`);

export interface Fleets {
  /** Ten agents of two slots and an exclusive device, three coordinators whose writes are recorded. */
  fleet: () => WorldOptions;
}

/** Gets the programs they need; fails where they cannot be had. */
export async function fleets(): Promise<Fleets> {
  const program = await etcdProgram(console.error);
  return {
    fleet: () => ({
      ...{ agents: AGENTS, slots: SLOTS, coordinators: COORDINATORS, settings: {}, testDevice: true },
      ...{ etcd: { program }, tapped: true, lookEveryMs: 20 },
    }),
  };
}

export const SLOTS = 2;
/** Attempts at once on a lane of an agent of these worlds. */
export const slotsOf = (lane: string): number => (lane === "test" ? 1 : SLOTS);
