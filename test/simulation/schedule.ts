/**
 * One schedule: a fleet, what people do with it, what goes wrong, and whether everything that must hold did. The seed
 * decides all of it; a schedule that is written out can be run again with fewer faults.
 */
import { isTerminal } from "../../shared/domain/campaign.js";
import type { AgentMachine } from "./agent-host.js";
import { begin, drawFault, FAULT_KINDS, type Fault } from "./faults.js";
import { SimulatedFleet } from "./fleet.js";
import { SeededRandom } from "./random.js";
import type { Action } from "./users.js";
import type { Violation } from "./violations.js";
import { SHAPES } from "./workload.js";

export interface Schedule {
  seed: number;
  agents: AgentMachine[];
  coordinators: number;
  poison: string[];
  actions: Action[];
  faults: Fault[];
}

export interface Outcome {
  seed: number;
  violation: Violation | undefined;
  hash: string;
  events: number;
  virtualMs: number;
  /** Failures that were counted, plus attempts that were given back. */
  requeued: boolean;
  lines: string[] | undefined;
}

/** When everything that is wrong is put right, ms. */
export const HEAL_MS = 25_000;
/** How long after that everything must have ended, ms. */
const BOUND_MS = 180_000;

/** The schedule of a seed. */
export function draw(seed: number): Schedule {
  const random = new SeededRandom(seed, "schedule");
  const agents = Array.from({ length: random.int(3, 5) }, () => ({
    cpuSlots: random.int(1, 3),
    testSlots: random.chance(0.6) ? 1 : 0,
  }));
  agents[0] = { cpuSlots: 2, testSlots: 1 };
  const coordinators = random.chance(0.6) ? 2 : 1;
  const actions: Action[] = [];
  for (let shards = 0, n = 0; shards < 24; n++) {
    const shape = random.int(0, SHAPES.length - 1);
    shards += SHAPES[shape]?.shards ?? 0;
    const key = `key-${n}`;
    const atMs = random.int(0, 8000);
    actions.push({
      kind: "submit",
      atMs,
      key,
      shape,
      priority: random.int(-1, 1),
      twice: random.chance(0.3),
    });
    if (random.chance(0.1)) actions.push({ kind: "cancel", atMs: atMs + random.int(100, 9000), key });
  }
  const hosts = {
    agents: agents.map((_, i) => `a${i}`),
    coordinators: Array.from({ length: coordinators }, (_, i) => `c${i}`),
  };
  const kinds = new Set<(typeof FAULT_KINDS)[number]>();
  while (kinds.size < random.int(2, 5)) kinds.add(random.pick(FAULT_KINDS));
  const faults = [...kinds].flatMap((kind) =>
    Array.from({ length: random.int(1, 3) }, () => drawFault(kind, random, hosts, HEAL_MS * 0.8)),
  );
  return { seed, agents, coordinators, poison: [], actions, faults };
}

/** Runs a schedule to its end. */
export async function run(schedule: Schedule, keepsLines = false): Promise<Outcome> {
  const fleet = new SimulatedFleet({ ...schedule, keepsLines });
  const { world, invariants } = fleet;
  current = fleet;
  fleet.start();
  fleet.users.begin(schedule.actions);
  for (const fault of schedule.faults) plan(fleet, fault);
  const last = HEAL_MS + BOUND_MS;
  await world.time.run(() => {
    if (invariants.afterEvent()) return true;
    if (world.time.nowMs < HEAL_MS) return false;
    return world.time.nowMs > last || invariants.quiet;
  });
  if (invariants.violation === undefined) {
    if (invariants.quiet) invariants.ended();
    else invariants.fail("everything ends after healing", stuck(fleet));
  }
  fleet.end();
  current = undefined;
  return {
    seed: schedule.seed,
    violation: invariants.violation,
    hash: world.trace.hash,
    events: world.time.events,
    virtualMs: world.time.nowMs,
    requeued: invariants.requeues > 0,
    lines: world.trace.lines,
  };
}

/** The fleet that runs now, for whoever hears of errors that nobody caught. */
export let current: SimulatedFleet | undefined;

function plan(fleet: SimulatedFleet, fault: Fault): void {
  const { time, trace } = fleet.world;
  time.in(fault.atMs, () => {
    trace.note(`fault.${fault.kind}`, () => `${fault.who} for ${fault.ms} ms ${fault.size}`);
    const undo = begin(fleet, fault);
    if (undo === undefined) return;
    time.in(Math.min(fault.ms, HEAL_MS - fault.atMs), () => {
      trace.note(`healed.${fault.kind}`, () => fault.who);
      undo();
    });
  });
}

/** What keeps a schedule from ending. */
function stuck(fleet: SimulatedFleet): string {
  const open = [...fleet.invariants.store.campaigns.values()]
    .filter(({ state }) => !isTerminal(state))
    .map(({ id, state }) => `${id} ${state.kind} ${shardsOf(fleet, id)}`)
    .join(", ");
  const held = fleet.agents.map(
    ({ name, core }) =>
      `${name}: ${
        core
          ? core.attempts
              .list()
              .map(({ state }) => state)
              .join(" ")
          : "down"
      }`,
  );
  return `users ${fleet.users.open}; leader ${fleet.leader?.epoch}; ${open}; ${held.join("; ")}`;
}

/** The shards of a campaign by state, as the leader sees them. */
function shardsOf(fleet: SimulatedFleet, id: string): string {
  const jobs = fleet.leader?.board.campaign(id)?.jobs ?? [];
  const kinds = jobs.map(({ state, held, counters }) => {
    const some = Object.entries(counters.kinds).filter(([, n]) => n > 0);
    return `${state.kind}${held ? " (held)" : ""} ${some.map(([kind, n]) => `${n} ${kind}`).join(" ")}`;
  });
  return `[${kinds.join("; ")}]`;
}
