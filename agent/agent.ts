/**
 * The agent: composition root. It looks at the machine, opens the artifact store, takes back what an earlier start left
 * in the journals, and keeps a session with the coordinator until it is stopped.
 */
import { join } from "node:path";
import { openFolderStore } from "../shared/artifacts/folder-store.js";
import type { ArtifactStore } from "../shared/artifacts/store.js";
import type { Clock } from "../shared/runtime/clock.js";
import type { Config } from "../shared/runtime/config.js";
import { sha256 } from "../shared/runtime/hash.js";
import type { Logger } from "../shared/runtime/logger.js";
import type { Random } from "../shared/runtime/random.js";
import { version } from "../shared/runtime/version.js";
import { attemptText } from "./attempt/assignment.js";
import { Attempts } from "./attempt/attempts.js";
import { Inputs } from "./attempt/inputs.js";
import { readJournals, removeJournal } from "./attempt/journal.js";
import { LoadedModels } from "./attempt/loaded-models.js";
import { RequestSlots } from "./attempt/request-slots.js";
import { attemptRunner } from "./attempt/run-attempt.js";
import { endsWithin } from "./ends-within.js";
import { EngineProbes } from "./engine-probes.js";
import { closeEngines, createEngines } from "./engines/index.js";
import { readInventory } from "./hardware/inventory.js";
import { DeviceLedger } from "./leases/device-ledger.js";
import { watchLoopLag } from "./loop-lag.js";
import { Identity } from "./session/identity.js";
import { nextIncarnation } from "./session/incarnation.js";
import { Supervisor } from "./session/supervisor.js";
import { dialGrpc } from "./session/transport.js";

export interface RunningAgent {
  id: string;
  /**
   * Lets attempts finish within the drain timeout, says goodbye, stops the rest. What does not stop within 4.5 s more is
   * named in the log and left behind. Results that no one acknowledged stay in the journals.
   */
  stop(): Promise<void>;
}

export interface AgentParts {
  logger: Logger;
  clock: Clock;
  random: Random;
}

/** Longest time for each of three things at the stop, after the drain: attempts, session and models, engines; ms. */
const STOP_MS = 1500;

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
  const probes = new EngineProbes(hardware, engines, clock, log);
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
    failed: (failure) => session()?.failed(failure) ?? false,
    retracted: (fences) => session()?.retracted(fences),
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
  const inTime = (what: string, ended: Promise<void>) =>
    endsWithin(STOP_MS, ended, clock, (reason) => log.warn({ what, reason }, "left behind at the stop"));
  const ending = new AbortController();
  const served = supervisor.run(ending.signal);
  void probes.every(config.engines.ollama.healthCheckIntervalMs, ending.signal, () =>
    session()?.inventoryChanged(),
  );
  log.info(
    { coordinator: config.agent.coordinatorAddress, incarnation: String(incarnation) },
    "agent started",
  );

  return {
    id,
    async stop() {
      attempts.drain();
      await attempts.settled(config.agent.drainTimeoutMs, clock);
      session()?.bye("the agent was stopped");
      await inTime("attempts", attempts.close("the agent was stopped"));
      ending.abort(new Error("the agent was stopped"));
      await Promise.all([inTime("session", served), inTime("models", models.close())]);
      await inTime("engines", closeEngines(engines));
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
  for (const name of found.damaged) log.error({ name }, "a journal cannot be read and was moved aside");
  for (const { assignment, begun } of found.unfinished) {
    log.warn(
      { attempt: attemptText(assignment), begun },
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
