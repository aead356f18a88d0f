/**
 * One schedule: a fleet, what people do with it, what goes wrong, and whether everything that must hold did. The seed
 * decides all of it; a schedule that is written out can be run again with fewer faults.
 */
import { isTerminal } from "../../shared/domain/campaign.js";
import type { AgentMachine } from "./agent-host.js";
import { begin, drawFault, type Fault, type FaultKind, USUAL_KINDS } from "./faults.js";
import { SimulatedFleet } from "./fleet.js";
import { BOUND_MS, HEAL_MS } from "./limits.js";
import { SeededRandom } from "./random.js";
import type { Action } from "./users.js";
import type { Violation } from "./violations.js";
import { BUDGETED_SHAPES, ENDING_SHAPES, EVERY_SHAPE, SHAPES, type Shape, TENANTS } from "./workload.js";

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

/** Shards of a schedule, at least. */
const SHARDS = 20;
/** When the last fault begins, ms. */
const LAST_FAULT_MS = 9_000;

/** The schedule of a seed. */
export function draw(seed: number): Schedule {
  const random = new SeededRandom(seed, "schedule");
  const agents = Array.from({ length: random.chance(0.15) ? 4 : 3 }, () => ({
    cpuSlots: random.int(1, 2),
    testSlots: random.chance(0.5) ? 1 : 0,
  }));
  agents[0] = { cpuSlots: 2, testSlots: 1 };
  const coordinators = random.chance(0.6) ? 2 : 1;
  const hosts = {
    agents: agents.map((_, i) => `a${i}`),
    coordinators: Array.from({ length: coordinators }, (_, i) => `c${i}`),
  };
  const endings = drawEndings(seed);
  const { actions, shapes } = drawActions(random, hosts.agents, endings);
  const kinds = new Set<FaultKind>();
  // What a deposed leader says is heard only when much comes together.
  if (coordinators > 1 && random.chance(0.2)) kinds.add("coordinator_suspended");
  for (const n = random.int(2, 5); kinds.size < n; ) kinds.add(random.pick(USUAL_KINDS));
  const faults = [...kinds].flatMap((kind) =>
    Array.from({ length: random.int(1, 3) }, () => drawFault(kind, random, hosts, LAST_FAULT_MS)),
  );
  const sick = new SeededRandom(seed, "health");
  if (sick.chance(0.2))
    for (let n = sick.int(1, 2); n > 0; n--)
      faults.push(drawFault("machine_sick", sick, hosts, LAST_FAULT_MS / 3));
  if (has(endings, "tail")) {
    const slow = new SeededRandom(seed, "slow");
    for (let n = slow.int(1, 2); n > 0; n--)
      faults.push(drawFault("machine_slow", slow, hosts, LAST_FAULT_MS / 3));
  }
  // Test devices of two classes.
  if (has(endings, "classes"))
    for (const [i, agent] of agents.entries())
      Object.assign(agent, { testSlots: 1, testName: i % 2 ? "x" : "y" });
  shareOut(actions, new SeededRandom(seed, "tenants"));
  const shape = random.pick(shapes);
  const poison = random.chance(0.25) ? [`${shape}-m0/${random.int(0, 9)}`] : [];
  return { seed, agents, coordinators, poison, actions, faults };
}

/** In part of the schedules a job whose end matters, one whose times are compared, and a campaign that is enough alone. */
function drawEndings(seed: number): Action[] {
  const endings: Action[] = [];
  const tails = new SeededRandom(seed, "tails");
  const [, , , , classed = 0, ...many] = ENDING_SHAPES;
  if (tails.chance(0.25)) {
    const shape = tails.pick(ENDING_SHAPES.slice(0, 3));
    endings.push({ kind: "submit", atMs: tails.int(0, 2000), key: "tail", shape, priority: 1, twice: false });
  }
  const classes = new SeededRandom(seed, "classes");
  if (classes.chance(0.15)) {
    const atMs = classes.int(0, 3000);
    endings.push({ kind: "submit", atMs, key: "classes", shape: classed, priority: 0, twice: false });
  }
  const alone = new SeededRandom(seed, "many");
  if (endings.length === 0 && alone.chance(0.75)) {
    const [atMs, twice] = [alone.int(0, 1000), alone.chance(0.3)];
    const shape = alone.pick(many);
    endings.push({ kind: "submit", atMs, key: "many", shape, priority: 0, twice });
    endings.push(...drawChanges(alone, "many", atMs));
  }
  const budgets = new SeededRandom(seed, "budgets");
  if (budgets.chance(0.2)) {
    const [atMs, shape] = [budgets.int(0, 3000), budgets.pick(BUDGETED_SHAPES)];
    endings.push({ kind: "submit", atMs, key: "budget", shape, priority: 0, twice: budgets.chance(0.3) });
    endings.push(...drawChanges(budgets, "budget", atMs));
  }
  return endings;
}

const has = (actions: readonly Action[], key: string): boolean =>
  actions.some((one) => "key" in one && one.key === key);

/** What people do; every campaign is of another shape. */
function drawActions(random: SeededRandom, agents: readonly string[], endings: readonly Action[]) {
  const actions: Action[] = [...endings];
  const left = SHAPES.map((_, i) => i);
  const drawn = endings.flatMap((one) => (one.kind === "submit" ? [EVERY_SHAPE[one.shape] as Shape] : []));
  const shapes = drawn.map(({ name }) => name);
  let shards = drawn.reduce((sum, shape) => sum + shape.shards, 0);
  // In part of them the end of a job has other work beside it.
  const beside = random.chance(0.3) && has(endings, "tail") ? 1 : 0;
  for (let n = 0; n < beside || shards < SHARDS; n++) {
    const [index = 0] = left.splice(random.int(0, left.length - 1), 1);
    const shape = SHAPES[index] as Shape;
    shapes.push(shape.name);
    shards += shape.shards;
    const key = `key-${n}`;
    const atMs = random.int(0, 4000);
    const [priority, twice] = [random.int(-1, 1), random.chance(0.3)];
    actions.push({ kind: "submit", atMs, key, shape: index, priority, twice });
    actions.push(...drawChanges(random, key, atMs));
  }
  const node = random.pick(agents);
  const [atMs, ms] = [random.int(500, 9000), random.int(500, 6000)];
  const deadlineMs = random.chance(0.6) ? random.int(20, 2000) : 0;
  const done = random.next();
  if (done < 0.08) actions.push({ kind: "cordon", atMs, node, ms });
  else if (done < 0.22) actions.push({ kind: "drain", atMs, node, ms, deadlineMs });
  return { actions, shapes };
}

/** What is done to a campaign that was submitted at `atMs`. */
function drawChanges(random: SeededRandom, key: string, atMs: number): Action[] {
  const actions: Action[] = [];
  const laterMs = atMs + random.int(100, 9000);
  // Some at once, as soon as they know what they submitted.
  if (random.chance(0.08)) actions.push({ kind: "cancel", atMs: random.chance(0.4) ? atMs : laterMs, key });
  if (random.chance(0.1)) {
    const ms = random.int(200, 5000);
    actions.push({ kind: "pause", atMs: laterMs, key, ms });
    if (random.chance(0.2)) actions.push({ kind: "cancel", atMs: laterMs + random.int(50, ms), key });
  }
  if (random.chance(0.12)) actions.push({ kind: "retry", atMs: laterMs, key });
  return actions;
}

/** In part of the schedules campaigns are of tenants with quotas. */
function shareOut(actions: readonly Action[], random: SeededRandom): void {
  if (!random.chance(0.35)) return;
  for (const action of actions)
    if (action.kind === "submit" && random.chance(0.7)) action.tenant = random.pick([...TENANTS.keys()]);
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
  const overMs = Math.max(0, ...schedule.faults.map(({ atMs, ms }) => Math.min(atMs + ms, HEAL_MS)));
  try {
    await world.time.run(() => {
      if (invariants.afterEvent()) return true;
      // Faults that are still to come are part of the schedule, also when all work is done.
      if (world.time.nowMs < overMs) return false;
      return world.time.nowMs > last || invariants.quiet;
    });
    if (invariants.violation === undefined) {
      if (invariants.quiet) invariants.ended();
      else invariants.fail("everything ends after healing", stuck(fleet));
    }
  } catch (error) {
    fleet.surprise("an event", error);
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
