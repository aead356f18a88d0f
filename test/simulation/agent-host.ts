/** A machine with an agent on it: its disk stays, its processes come and go. A service manager starts it again. */

import { type AgentCore, startAgentCore } from "../../agent/core.js";
import type { Inventory } from "../../shared/gen/sai/v1/node.js";
import { SimulatedDisk } from "./disk.js";
import { DyingEngine } from "./engine.js";
import type { SimulatedFleet } from "./fleet.js";
import { logger } from "./logger.js";
import { Process } from "./process.js";
import type { MachineWatch } from "./run-watch.js";

export const DIR = "/agent";
export const JOURNALS = `${DIR}/journal/`;
const RESTART_MS = 1000;

export interface AgentMachine {
  cpuSlots: number;
  testSlots: number;
  /** What its test device is called; devices of one name are of one class. */
  testName?: string;
}

export class AgentHost {
  readonly disk: SimulatedDisk;
  readonly watch: MachineWatch;
  process: Process | undefined;
  core: AgentCore | undefined;
  engine: DyingEngine | undefined;
  /** Starts so far. */
  starts = 0;

  constructor(
    readonly fleet: SimulatedFleet,
    readonly name: string,
    readonly machine: AgentMachine,
  ) {
    this.disk = new SimulatedDisk(fleet.random.of(`${name}/disk`));
    this.watch = fleet.invariants.machine(name, { cpu: machine.cpuSlots, test: machine.testSlots });
  }

  start(): void {
    const { fleet, name } = this;
    this.starts += 1;
    this.disk.restarted();
    const process = new Process(fleet.world, name, fleet.random.of(`${name}#${this.starts}`));
    this.process = process;
    this.run(process).catch((error: unknown) => {
      // As a program would: it ends with an error, and is started again.
      fleet.world.trace.note("agent.start-failed", () => `${name}: ${String(error)}`);
      process.kill();
      fleet.world.time.in(RESTART_MS, () => {
        if (this.process === process) this.start();
      });
    });
  }

  /** Ends the process; with `machine` what was not synced may be lost, and nobody hears of it. */
  crash(machine: boolean): void {
    const { process, fleet } = this;
    if (process === undefined) return;
    process.kill();
    this.process = undefined;
    this.core = undefined;
    this.engine = undefined;
    if (machine) this.disk.crash();
    this.watch.died();
    fleet.invariants.crashed(this.name);
    if (machine) fleet.network.vanished(process);
    else fleet.network.died(process);
  }

  private async run(process: Process): Promise<void> {
    const { fleet, name, machine } = this;
    const { clock, random } = process;
    const engine = new DyingEngine(process, this.watch);
    const devices = [
      { uuid: "cpu", lane: "cpu", slots: machine.cpuSlots },
      ...(machine.testSlots > 0 ? [{ uuid: "test", lane: "test", slots: machine.testSlots }] : []),
    ];
    const inventory: Inventory = {
      ...{ hostname: name, os: "simulated", cpuModel: "simulated", cpuCores: 4, memoryBytes: 0 },
      devices: devices.map(({ uuid, lane, slots }) => ({
        ...{
          uuid,
          kind: lane,
          name: lane === "test" ? (machine.testName ?? uuid) : uuid,
          slots,
          memoryBytes: 0,
          used: 0,
        },
      })),
      engines: [{ kind: "simulated", version: "1", models: [], unavailable: "" }],
      ...{ gpus: [], gpuLook: "none", gpuFault: undefined },
    };
    const report = {
      hash: `${name}-${machine.cpuSlots}-${machine.testSlots}-${machine.testName ?? ""}`,
      inventory,
    };
    const core = await startAgentCore({
      ...{ id: name, version: "1", dir: DIR, devices, clock, random },
      disk: this.disk.of(process),
      artifacts: fleet.artifacts.of(process, name),
      dial: async (_address, signal) => (await fleet.network.dial(process, name, signal)).agent,
      work: { engines: new Map([["simulated", engine.engine]]) },
      inventory: () => report,
      loopLagMs: () => 0,
      log: logger(fleet.world.trace, name),
      options: {
        coordinatorAddress: "leader",
        reconnect: { baseMs: 200, capMs: 3000 },
        journalSync: { ms: 1000, records: 4 },
        maxLoadedModels: 2,
        spoolQuotaBytes: 256 * 1024 * 1024,
        drainTimeoutMs: 3000,
      },
    });
    if (this.process !== process) return;
    this.core = core;
    this.engine = engine;
  }
}
