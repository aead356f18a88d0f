/**
 * A machine that runs coordinators: each start is a process that waits to lead, leads a term with the real core, and
 * waits again when it has lost the lead, as coordinator/coordinator.ts does with servers around it.
 */
import type { Server } from "@grpc/grpc-js";
import { type Core, startCore } from "../../coordinator/core.js";
import { clusterIdOf, lead } from "../../coordinator/leading.js";
import type { Meter } from "../../coordinator/metrics.js";
import { addAgentService } from "../../coordinator/sessions/agent-service.js";
import type { GrpcPeer } from "../../coordinator/sessions/peer.js";
import type { FencedStore } from "../../coordinator/store/fenced-store.js";
import type { SimulatedFleet } from "./fleet.js";
import { logger } from "./logger.js";
import { Process } from "./process.js";
import { CommittedRecords } from "./results.js";
import type { Stream } from "./stream.js";
import { TENANTS } from "./workload.js";

const HEARTBEAT_MS = 2000;
const OPTIONS = {
  heartbeatIntervalMs: HEARTBEAT_MS,
  suspectAfterMs: 4500,
  lostAfterMs: 9000,
  acceptDeadlineMs: 2000,
  commitIntervalMs: 5,
  recoveryHoldMs: 8000,
  quarantine: { window: 4, jobs: 2, share: 0.5, fleetShare: 0.2, termsMs: [2000, 4000, 8000] },
  brake: {
    ...{ lossShare: 0.2, lossMin: 2, lossWindowMs: 9000, loopLagMs: 1000 },
    ...{ holdMs: 4000, giveWayMs: 20_000, shareAMinute: 2 },
  },
  idempotencyTtlMs: 7 * 24 * 3600_000,
  datasetsDir: "/nowhere",
  tenants: TENANTS,
};
const RETRY_MS = 1000;
const LIMITS = { maxMessages: 1000, maxBytes: 4 * 1024 * 1024, drainMs: 8000 };

/** Measures nothing. */
const nothing = () => {};
const METER = new Proxy({}, { get: () => nothing }) as Meter;

export class CoordinatorHost {
  process: Process | undefined;
  /** The term it leads now, as far as it knows. */
  core: Core | undefined;
  private starts = 0;

  constructor(
    private readonly fleet: SimulatedFleet,
    readonly name: string,
  ) {}

  start(): void {
    const { fleet, name } = this;
    const { world } = fleet;
    this.starts += 1;
    const process = new Process(world, name, fleet.random.of(`${name}#${this.starts}`));
    this.process = process;
    this.run(process).catch((error: unknown) => fleet.surprise(`${name} ends with an error`, error));
  }

  /** Ends the process; with `machine` nobody hears of it. */
  crash(machine: boolean): void {
    const { process, fleet } = this;
    if (process === undefined) return;
    process.kill();
    this.process = undefined;
    this.core = undefined;
    fleet.network.listeners.delete(this.name);
    if (machine) fleet.network.vanished(process);
    else fleet.network.died(process);
  }

  private async run(process: Process): Promise<void> {
    const { fleet, name } = this;
    const { clock, random } = process;
    const log = logger(fleet.world.trace, name);
    const state = fleet.store.of(process, name);
    const self = { replica: name, address: name };
    const never = new AbortController().signal;
    for (;;) {
      try {
        await this.term(process, await lead(state, self, { clock, random, log }, never), state);
      } catch (err) {
        log.error({ err }, "the term could not begin");
      }
      await clock.sleep(RETRY_MS);
    }
  }

  private async term(process: Process, store: FencedStore, state: ReturnType<SimulatedFleet["store"]["of"]>) {
    const { fleet, name } = this;
    const { clock, random } = process;
    const log = logger(fleet.world.trace, name);
    try {
      const artifacts = fleet.artifacts.of(process, name);
      const clusterId = await clusterIdOf(state, store, clock, () => random.id(32));
      const core = await startCore({
        ...{ store, state, clusterId, artifacts, metrics: METER, clock, random, log, options: OPTIONS },
        results: (board) => new CommittedRecords(board, artifacts),
      });
      this.core = core;
      fleet.invariants.watchCore(core);
      const open = this.listen(process, core);
      fleet.led(name, core);
      await lost(core);
      fleet.network.listeners.delete(name);
      this.core = undefined;
      // The server's stop gives streams a second and then ends them.
      await clock.sleep(random.next() * 1000);
      for (const peer of open) peer.close();
      await core.stop();
    } finally {
      await store.resign().catch((err: unknown) => log.debug({ err }, "could not resign"));
    }
  }

  /** Takes streams of agents, through the real service. */
  private listen(process: Process, core: Core): Set<GrpcPeer> {
    const { network } = this.fleet;
    const open = new Set<GrpcPeer>();
    let session: (stream: unknown) => void = () => {};
    const server = {
      addService: (_: unknown, service: { session: (stream: unknown) => void }) => {
        session = service.session;
      },
    };
    addAgentService(server as unknown as Server, core, LIMITS, process.clock, open);
    network.listeners.set(this.name, {
      ...{ host: this.name, process },
      accept: (stream: Stream) => session(stream.coordinator),
    });
    return open;
  }
}

const lost = (core: Core): Promise<void> =>
  new Promise((resolve) => {
    if (core.lost.aborted) resolve();
    else core.lost.addEventListener("abort", () => resolve(), { once: true });
  });
