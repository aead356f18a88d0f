/** One kind of fault: a world to do it in, and what is done and checked in each repetition. */
import type { Random } from "./random.js";
import type { World, WorldOptions } from "./world.js";

export interface Scenario {
  name: string;
  /** What must hold, in one line. */
  holds: string;
  /** When nothing else is asked for, as in continuous integration. */
  repetitions: number;
  /** Of all that have this, the run's seed picks one that is done once, beside what `repetitions` say. */
  takesTurns?: boolean;
  /** In the long run; as often unless said. */
  long?: number;
  /** Scenarios beside one another that have the same function share a world. */
  world: () => WorldOptions;
  /** It leaves a world in which nothing more can be done. */
  spoils?: boolean;
  /** Does it once and checks it; one line about what was seen. `n` counts from 0; `seed` is that of `random`. */
  run(world: World, n: number, random: Random, seed: number): Promise<string>;
  /** One line about all repetitions. */
  sum?(): string;
}

export const AGENTS = ["a1", "a2", "a3"];

/** Timers that are short enough for a repetition of some seconds; a machine that is busy must not look dead. */
export const SHORT_TIMERS = {
  SAI_COORDINATOR_HEARTBEAT_INTERVAL_MS: "500",
  SAI_COORDINATOR_SUSPECT_AFTER_INTERVALS: "10",
  SAI_COORDINATOR_LOST_AFTER_INTERVALS: "60",
  SAI_COORDINATOR_BRAKE_HOLD_MS: "2000",
  SAI_AGENT_RECONNECT_CAP_MS: "1000",
  // Nothing but the records decides when a journal is synced.
  SAI_AGENT_JOURNAL_SYNC_MS: "200",
};

/** Three agents of four slots. */
export const threeAgents = (settings: { readonly [name: string]: string } = {}): WorldOptions => ({
  agents: AGENTS,
  slots: 4,
  settings: { ...SHORT_TIMERS, ...settings },
});

/** The same, where an agent is lost after 4 s of silence. */
export const soonLost = (): WorldOptions =>
  threeAgents({
    SAI_COORDINATOR_SUSPECT_AFTER_INTERVALS: "4",
    SAI_COORDINATOR_LOST_AFTER_INTERVALS: "8",
  });

/** One of the agents, another each time. */
export const victimOf = (n: number): string => AGENTS[n % AGENTS.length] as string;
