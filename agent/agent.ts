/**
 * The agent: composition root. It looks at the machine, opens the artifact store, takes back what an earlier start left
 * in the journals, and keeps a session with the coordinator until it is stopped.
 */
import { join } from "node:path";
import { openFolderStore } from "../shared/artifacts/folder-store.js";
import type { ArtifactStore } from "../shared/artifacts/store.js";
import type { EngineKind } from "../shared/benchmark/plan.js";
import type { Clock } from "../shared/runtime/clock.js";
import type { Config } from "../shared/runtime/config.js";
import { sha256 } from "../shared/runtime/hash.js";
import type { Logger } from "../shared/runtime/logger.js";
import type { Random } from "../shared/runtime/random.js";
import { version } from "../shared/runtime/version.js";
import { Attempts } from "./attempt/attempts.js";
import { Inputs } from "./attempt/inputs.js";
import { readJournals, removeJournal } from "./attempt/journal.js";
import { LoadedModels } from "./attempt/loaded-models.js";
import { RequestSlots } from "./attempt/request-slots.js";
import { attemptRunner } from "./attempt/run-attempt.js";
import type { Engine } from "./engines/engine.js";
import { closeEngines, createEngines } from "./engines/index.js";
import { type Inventory, inventoryHash, readInventory } from "./hardware/inventory.js";
import { DeviceLedger } from "./leases/device-ledger.js";
import { watchLoopLag } from "./loop-lag.js";
import { Identity } from "./session/identity.js";
import { nextIncarnation } from "./session/incarnation.js";
import { Supervisor } from "./session/supervisor.js";
import { dialGrpc } from "./session/transport.js";

export interface RunningAgent {
  id: string;
  /** Says goodbye, stops attempts and engines; results that no one acknowledged stay in the journals. */
  stop(): Promise<void>;
}

export interface AgentParts {
  logger: Logger;
  clock: Clock;
  random: Random;
}

const BYE_MS = 1000;

/** Starts an agent; it dials by itself and needs no coordinator to be there yet. */
export async function startAgent(config: Config, parts: AgentParts): Promise<RunningAgent> {
  const { clock, random } = parts;
  const { id, dataDir } = config.agent;
  const log = parts.logger.child({ node: id });
  const artifacts = await openFolderStore(config.artifacts.dir, random);
  const incarnation = await nextIncarnation(dataDir);
  const engines = createEngines(enginesConfig(config), { clock });
  const hardware = await readInventory({
    clock,
    logger: log,
    cpuSlots: config.agent.cpuSlots,
    testDevices: config.agent.testDevices,
    remoteSlots: config.engines.openai.maxConcurrentRequests,
  });
  const probes = new EngineProbes(hardware, engines, clock);
  await probes.refresh();

  const journalDir = join(dataDir, "journal");
  const ledger = new DeviceLedger(
    hardware.devices.map(({ uuid, kind, slots }) => ({ uuid, lane: kind, slots })),
  );
  const models = new LoadedModels(engines, config.resourceManager.maxConcurrentModels, log);
  const run = attemptRunner({
    nodeId: id,
    inputs: new Inputs(artifacts),
    artifacts,
    models,
    slots: new RequestSlots(),
    journalDir,
    journalSync: { ms: config.agent.journalSyncMs, records: config.agent.journalSyncSamples },
    ...{ clock, random, log },
  });
  const session = () => supervisor.session();
  const attempts: Attempts = new Attempts(ledger, run, (fence) => removeJournal(journalDir, fence), log, {
    started: (fence) => session()?.started(fence),
    finished: (result) => session()?.finished(result),
    failed: (failure) => session()?.failed(failure),
    freed: (lane) => session()?.freed(lane),
  });
  await takeBack(attempts, journalDir, log);

  const lag = watchLoopLag();
  const identity = new Identity(id, incarnation, (before, now) =>
    log.warn({ before, now }, "this coordinator belongs to another cluster; joining it afresh"),
  );
  const supervisor = new Supervisor({
    dial: dialGrpc(),
    address: config.agent.coordinatorAddress,
    backoff: { baseMs: config.agent.reconnectBaseMs, capMs: config.agent.reconnectCapMs },
    session: {
      ...{ identity, attempts, clock, log, version },
      inventory: () => probes.report(),
      lanes: () => ledger.lanes().map((lane) => ({ lane, slots: ledger.slots(lane) })),
      loadedModels: () => models.names(),
      takeLoads: () => models.takeLoads(),
      loopLagMs: () => lag.maxMs(),
      probe: () => writeProbe(artifacts, id, random),
    },
    ...{ clock, random, log },
  });
  const ending = new AbortController();
  const served = supervisor.run(ending.signal);
  const stopProbing = probes.every(config.engines.ollama.healthCheckIntervalMs, () =>
    session()?.inventoryChanged(),
  );
  log.info(
    { coordinator: config.agent.coordinatorAddress, incarnation: String(incarnation) },
    "agent started",
  );

  return {
    id,
    async stop() {
      stopProbing();
      attempts.drain();
      await attempts.settled(config.agent.drainTimeoutMs, clock);
      session()?.bye("the agent was stopped");
      await attempts.close("the agent was stopped");
      ending.abort(new Error("the agent was stopped"));
      const late = new AbortController();
      await Promise.race([served, clock.sleep(BYE_MS * 2, late.signal).catch(() => {})]);
      late.abort();
      await models.close();
      await closeEngines(engines);
      lag.stop();
      log.info("agent stopped");
    },
  };
}

const enginesConfig = ({ engines, agent }: Config) => ({
  ocr: { processes: Math.max(1, agent.cpuSlots) },
  ollama: { baseUrl: engines.ollama.baseUrl },
  openai: { baseUrl: engines.openai.baseUrl, apiKey: engines.openai.apiKey },
});

/** Finished attempts wait for their answer again; unfinished ones are dropped, the coordinator gives them out anew. */
async function takeBack(attempts: Attempts, journalDir: string, log: Logger): Promise<void> {
  const found = await readJournals(journalDir);
  for (const { result, assignment } of found.uploaded) attempts.restore(result, assignment);
  for (const { assignment, begun } of found.unfinished) {
    log.warn(
      { attempt: assignment.fence, begun },
      "an attempt was cut short by the end of this agent; dropped",
    );
    await removeJournal(journalDir, assignment.fence);
  }
}

/** A fresh blob that only somebody with the same artifact store can read back. */
async function writeProbe(artifacts: ArtifactStore, id: string, random: Random) {
  const bytes = Buffer.from(random.id(32));
  const key = `probe/${id}/${random.id(16)}`;
  await artifacts.put(key, bytes);
  return { key, sha256: sha256(bytes) };
}

/** What the engines could serve at the last look, as part of the inventory. */
class EngineProbes {
  private hash = "";

  constructor(
    private readonly inventory: Inventory,
    private readonly engines: ReadonlyMap<EngineKind, Engine>,
    private readonly clock: Clock,
  ) {}

  report() {
    return { hash: this.hash, inventory: this.inventory };
  }

  /** Asks every engine; true if anything changed. */
  async refresh(): Promise<boolean> {
    const signal = new AbortController().signal;
    this.inventory.engines = await Promise.all(
      [...this.engines.values()].map(async (engine) => {
        const { version: found, models, unavailable = "" } = await engine.probe(signal);
        return { kind: engine.kind, version: found, models, unavailable };
      }),
    );
    const before = this.hash;
    this.hash = inventoryHash(this.inventory);
    return before !== this.hash;
  }

  every(ms: number, changed: () => void): () => void {
    let cancel = () => {};
    let stopped = false;
    const again = () => {
      if (stopped) return;
      cancel = this.clock.after(ms, () => {
        void this.refresh().then((different) => {
          if (different && !stopped) changed();
          again();
        });
      });
    };
    again();
    return () => {
      stopped = true;
      cancel();
    };
  }
}
