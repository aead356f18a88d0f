/**
 * What goes wrong. A fault begins, lasts, and is undone; each one names whom it hits, so that a list of faults is all
 * there is to say about what went wrong in a schedule, and can be cut down to what matters.
 */
import type { SimulatedFleet } from "./fleet.js";
import { HEAL_MS } from "./limits.js";
import type { SeededRandom } from "./random.js";

export interface Fault {
  kind: FaultKind;
  atMs: number;
  ms: number;
  /** A host, or "*". */
  who: string;
  /** A share, a factor or ms, as the kind wants it. */
  size: number;
}

interface Kind {
  /** Whom it may hit. */
  on: "agent" | "coordinator" | "any" | "all" | "all or coordinator";
  /** How long it lasts, ms. */
  ms: readonly [number, number];
  size?: readonly [number, number];
  /** It begins before this time, and is as often long as short, so that it is over before everything is healed. */
  lastMs?: number;
  /** Begins it; the answer undoes it. */
  begin(fleet: SimulatedFleet, fault: Fault): (() => void) | undefined;
}

const SHORT = [20, 2000] as const;
const LONG = [500, 12_000] as const;
/** How long it takes to notice that a connection is dead, ms. */
const RECONNECT_MS = 3000;

const KINDS = {
  agent_killed: {
    on: "agent",
    ms: [200, 8000],
    begin: (fleet, { who }) => down(fleet, who, false),
  },
  machine_down: {
    on: "agent",
    ms: [1000, 16_000],
    begin: (fleet, { who }) => down(fleet, who, true),
  },
  agent_paused: { on: "agent", ms: LONG, begin: (fleet, { who }) => pause(fleet, who, false) },
  agent_suspended: { on: "agent", ms: LONG, begin: (fleet, { who }) => pause(fleet, who, true) },
  coordinator_killed: {
    on: "coordinator",
    ms: [200, 8000],
    begin: (fleet, { who }) => down(fleet, who, false),
  },
  coordinator_paused: { on: "coordinator", ms: LONG, begin: (fleet, { who }) => pause(fleet, who, false) },
  /**
   * With a size of 1 or more the world has moved on when it is back: whatever stands before the coordinators spreads the
   * connections anew, and its own connection to the store is dead until it has noticed that.
   */
  coordinator_suspended: {
    on: "coordinator",
    ms: [3000, 11_000],
    lastMs: 3000,
    size: [0, 2],
    begin: (fleet, { who, size }) => {
      const resume = pause(fleet, who, true);
      return (
        resume &&
        (() => {
          resume();
          if (size < 1 || fleet.world.time.nowMs + RECONNECT_MS > HEAL_MS) return;
          fleet.network.reset("*");
          fleet.store.stalled.add(who);
          fleet.world.time.in(RECONNECT_MS, () => {
            fleet.store.stalled.delete(who);
            fleet.store.moveOn();
          });
        })
      );
    },
  },
  partition: {
    on: "agent",
    ms: LONG,
    begin: (fleet, { who }) => cut(fleet, who, true, true),
  },
  cut_to_leader: { on: "agent", ms: LONG, begin: (fleet, { who }) => cut(fleet, who, true, false) },
  cut_from_leader: { on: "agent", ms: LONG, begin: (fleet, { who }) => cut(fleet, who, false, true) },
  stream_reset: {
    on: "agent",
    ms: [0, 0],
    begin: (fleet, { who }) => {
      fleet.network.reset(who);
      return undefined;
    },
  },
  all_streams_reset: {
    on: "all",
    ms: [0, 0],
    begin: (fleet) => {
      fleet.network.reset("*");
      return undefined;
    },
  },
  slow_network: {
    on: "any",
    ms: LONG,
    size: [5, 300],
    begin: (fleet, { who, size }) => {
      fleet.network.slow(who, size);
      return () => fleet.network.slow(who, 1);
    },
  },
  slow_reader: { on: "agent", ms: LONG, begin: (fleet, { who }) => fleet.network.stopReading(who) },
  store_stalled: {
    on: "all or coordinator",
    ms: LONG,
    begin: ({ store }, { who }) => {
      store.stalled.add(who);
      return () => {
        store.stalled.delete(who);
        store.moveOn();
      };
    },
  },
  store_away: { on: "coordinator", ms: SHORT, begin: ({ store }, { who }) => within(store.away, who) },
  store_lost_replies: {
    on: "all",
    ms: LONG,
    size: [0.05, 0.5],
    begin: ({ store }, { size }) => {
      store.lostReplies = size;
      return () => {
        store.lostReplies = 0;
      };
    },
  },
  store_late_requests: {
    on: "all",
    ms: LONG,
    size: [0.02, 0.3],
    begin: ({ store }, { size }) => {
      store.lateRequests = size;
      return () => {
        store.lateRequests = 0;
      };
    },
  },
  store_full: {
    on: "all",
    ms: LONG,
    begin: ({ store }) => {
      store.full(true);
      return () => store.full(false);
    },
  },
  artifacts_away: {
    on: "any",
    ms: LONG,
    begin: ({ artifacts }, { who }) => within(artifacts.away, who),
  },
  artifacts_lost_replies: {
    on: "all",
    ms: LONG,
    size: [0.1, 0.7],
    begin: ({ artifacts }, { size }) => {
      artifacts.lostReplies = size;
      return () => {
        artifacts.lostReplies = 0;
      };
    },
  },
  disk_full: {
    on: "agent",
    ms: LONG,
    begin: (fleet, { who }) =>
      disk(fleet, who, (d, on) => {
        d.full = on;
      }),
  },
  disk_slow: {
    on: "agent",
    ms: LONG,
    size: [10, 300],
    begin: (fleet, { who, size }) =>
      disk(fleet, who, (d, on) => {
        d.slowness = on ? size : 1;
      }),
  },
  disk_broken: {
    on: "agent",
    ms: SHORT,
    begin: (fleet, { who }) =>
      disk(fleet, who, (d, on) => {
        d.broken = on;
      }),
  },
  clock_jump: {
    on: "any",
    ms: [0, 0],
    size: [-3_600_000, 3_600_000],
    begin: (fleet, { who, size }) => {
      fleet.host(who)?.process?.jump(size);
      return undefined;
    },
  },
  engine_killed: {
    on: "agent",
    ms: [0, 0],
    begin: (fleet, { who }) => {
      fleet.agent(who)?.engine?.die();
      return undefined;
    },
  },
  machine_sick: {
    on: "agent",
    ms: [4000, 14_000],
    begin: (fleet, { who }) => {
      const watch = fleet.agent(who)?.watch;
      if (watch === undefined) return undefined;
      watch.sick = true;
      return () => {
        watch.sick = false;
      };
    },
  },
  machine_slow: {
    on: "agent",
    ms: [3000, 14_000],
    size: [2000, 8000],
    begin: (fleet, { who, size }) => {
      const watch = fleet.agent(who)?.watch;
      if (watch === undefined) return undefined;
      watch.slowMs = size;
      return () => {
        watch.slowMs = 0;
      };
    },
  },
  answers_lost: {
    on: "all",
    ms: LONG,
    size: [0.2, 0.9],
    begin: ({ users }, { size }) => {
      users.lostReplies = size;
      return () => {
        users.lostReplies = 0;
      };
    },
  },
} as const satisfies { [kind: string]: Kind };

export type FaultKind = keyof typeof KINDS;
export const FAULT_KINDS = Object.keys(KINDS) as FaultKind[];
/** Those that are drawn alike; the others come by a draw of their own. */
export const USUAL_KINDS = FAULT_KINDS.filter((kind) => !kind.startsWith("machine_s"));

export interface Hosts {
  agents: readonly string[];
  coordinators: readonly string[];
}

/** A fault of this kind within `spanMs`, on one of these hosts. */
export function drawFault(kind: FaultKind, random: SeededRandom, hosts: Hosts, spanMs: number): Fault {
  const { on, ms, size, lastMs }: Kind = KINDS[kind];
  const all = on === "all" || (on === "all or coordinator" && random.chance(0.7));
  const who = all ? "*" : random.pick(hostsOf(on, hosts));
  return {
    kind,
    atMs: Math.round(random.between(100, lastMs ?? spanMs)),
    // Most faults are short, some last.
    ms: Math.round(ms[0] + (ms[1] - ms[0]) * random.next() ** (lastMs === undefined ? 2 : 1)),
    who,
    size: size ? random.between(size[0], size[1]) : 0,
  };
}

function hostsOf(on: Kind["on"], { agents, coordinators }: Hosts): readonly string[] {
  if (on === "agent") return agents;
  return on === "any" ? [...agents, ...coordinators] : coordinators;
}

/** Faults that were begun, by kind. */
export const begun = new Map<string, number>();

/** Begins a fault; the answer undoes it, if there is anything to undo. */
export function begin(fleet: SimulatedFleet, fault: Fault): (() => void) | undefined {
  begun.set(fault.kind, (begun.get(fault.kind) ?? 0) + 1);
  const kind: Kind = KINDS[fault.kind];
  return kind.begin(fleet, fault);
}

function down(fleet: SimulatedFleet, who: string, machine: boolean): (() => void) | undefined {
  const host = fleet.host(who);
  if (host?.process === undefined) return undefined;
  host.crash(machine);
  return () => host.start();
}

function pause(fleet: SimulatedFleet, who: string, suspended: boolean): (() => void) | undefined {
  const process = fleet.host(who)?.process;
  if (process === undefined || process.paused) return undefined;
  process.pause(suspended);
  fleet.network.suspect();
  return () => {
    process.resume();
    fleet.network.moveOn();
  };
}

function cut(fleet: SimulatedFleet, who: string, to: boolean, from: boolean): () => void {
  const heals = fleet.coordinators.flatMap(({ name }) => [
    ...(to ? [fleet.network.cut(who, name)] : []),
    ...(from ? [fleet.network.cut(name, who)] : []),
  ]);
  return () => {
    for (const heal of heals) heal();
  };
}

function within(hosts: Set<string>, who: string): () => void {
  hosts.add(who);
  return () => hosts.delete(who);
}

function disk(
  fleet: SimulatedFleet,
  who: string,
  set: (disk: SimulatedFleet["agents"][number]["disk"], on: boolean) => void,
): (() => void) | undefined {
  const host = fleet.agent(who);
  if (host === undefined) return undefined;
  set(host.disk, true);
  return () => set(host.disk, false);
}
