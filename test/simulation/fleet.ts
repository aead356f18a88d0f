/** A whole fleet in one process: coordinators, agents, people, and the world between them. */
import type { Core } from "../../coordinator/core.js";
import { AgentHost, type AgentMachine } from "./agent-host.js";
import { SimulatedArtifacts } from "./artifacts.js";
import { CoordinatorHost } from "./coordinator-host.js";
import { Invariants } from "./invariants.js";
import { Network } from "./network.js";
import { Process, type World } from "./process.js";
import { SeededRandom } from "./random.js";
import { SimulatedStore } from "./store.js";
import { VirtualTime } from "./time.js";
import { Trace } from "./trace.js";
import { Users } from "./users.js";
import { wireOf } from "./wire.js";

export interface FleetOptions {
  seed: number;
  agents: readonly AgentMachine[];
  coordinators: number;
  /** `model/ordinal` of items that kill the engine. */
  poison: readonly string[];
  keepsLines: boolean;
}

const KEEPALIVE_MS = 4000;

export class SimulatedFleet {
  readonly world: World;
  readonly random: SeededRandom;
  readonly network: Network;
  readonly store: SimulatedStore;
  readonly artifacts: SimulatedArtifacts;
  readonly coordinators: CoordinatorHost[];
  readonly agents: AgentHost[];
  readonly users: Users;
  readonly invariants: Invariants;
  readonly poisonous: (model: string, ordinal: number) => boolean;

  constructor(options: FleetOptions) {
    const time = new VirtualTime();
    this.world = { time, trace: new Trace(time, options.keepsLines), running: "" };
    this.random = new SeededRandom(options.seed);
    const wire = wireOf(options.seed);
    this.network = new Network(this.world, this.random.of("network"), KEEPALIVE_MS, wire);
    const storeProcess = new Process(this.world, "store", this.random.of("store"));
    this.store = new SimulatedStore(storeProcess.clock, this.random.of("store/network"));
    this.artifacts = new SimulatedArtifacts(this.random.of("artifacts"));
    const poison = new Set(options.poison);
    this.poisonous = (model, ordinal) => poison.has(`${model}/${ordinal}`);
    this.invariants = new Invariants(this);
    this.agents = options.agents.map((machine, i) => new AgentHost(this, `a${i}`, machine));
    this.coordinators = Array.from(
      { length: options.coordinators },
      (_, i) => new CoordinatorHost(this, `c${i}`),
    );
    this.users = new Users(this);
    this.invariants.watch();
  }

  start(): void {
    for (const host of [...this.coordinators, ...this.agents]) host.start();
  }

  /** Ends every process; nothing of the fleet runs any more. */
  end(): void {
    for (const { process } of [...this.coordinators, ...this.agents]) process?.kill();
    this.store.core.dispose();
  }

  agent(name: string): AgentHost | undefined {
    return this.agents.find((host) => host.name === name);
  }

  host(name: string): AgentHost | CoordinatorHost | undefined {
    return this.agent(name) ?? this.coordinators.find((host) => host.name === name);
  }

  /** The core that the store says leads. */
  get leader(): Core | undefined {
    return this.coordinators.find(({ name }) => name === this.invariants.store.leader?.replica)?.core;
  }

  /** A coordinator leads, and agents may come. */
  led(name: string, core: Core): void {
    this.store.led(name, this.world.time.nowMs);
    this.world.trace.note("leads", () => `${name} in epoch ${core.epoch}`);
  }

  /** Something ended with an error that nobody expected. */
  surprise(where: string, error: unknown): void {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.invariants.fail("no unhandled rejection", `${where}: ${stack}`);
  }
}
