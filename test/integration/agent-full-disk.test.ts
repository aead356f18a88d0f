/** Agents that start on a full disk: they are there, say why they take nothing, and go on by themselves. */
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type AgentCore, startAgentCore } from "../../agent/core.js";
import { createSimulatedEngine } from "../../agent/engines/simulated.js";
import { dialGrpc } from "../../agent/session/transport.js";
import { openFolderStore } from "../../shared/artifacts/folder-store.js";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { Inventory } from "../../shared/gen/sai/v1/node.js";
import { systemClock as clock } from "../../shared/runtime/clock.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import { systemRandom as random } from "../../shared/runtime/random.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { MemoryDisk } from "../support/memory-disk.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
const cores: AgentCore[] = [];
afterEach(async () => {
  await Promise.all(cores.splice(0).map((core) => core.stop()));
  await fleet?.stop();
});

const device = { uuid: "cpu", kind: "cpu", name: "cpu", slots: 1, memoryBytes: 0, used: 0 };
const engine = { kind: "simulated", version: "1", models: [], unavailable: "" };
const inventory = Inventory.fromPartial({ hostname: "h", devices: [device], engines: [engine] });

/** A start of agent `id` on a disk in memory. */
async function start(id: string, disk: MemoryDisk): Promise<AgentCore> {
  const core = await startAgentCore({
    ...{ id, version: "1", disk, dir: "/agent", dial: dialGrpc(), clock, random },
    artifacts: await openFolderStore(join(fleet.folder, "artifacts"), random),
    work: { engines: new Map([["simulated", createSimulatedEngine({ clock })]]) },
    devices: [{ uuid: "cpu", lane: "cpu", slots: 1 }],
    inventory: () => ({ hash: "h", inventory }),
    loopLagMs: () => 0,
    log: lineLogger((line) => fleet.logs.push(JSON.parse(line))),
    options: {
      ...{ coordinatorAddress: fleet.coordinator.agentAddress, reconnect: { baseMs: 20, capMs: 50 } },
      ...{ maxLoadedModels: 1, journalSync: { ms: 1000, records: 64 } },
      ...{ spoolQuotaBytes: 256 * 1024 * 1024, drainTimeoutMs: 0 },
    },
  });
  cores.push(core);
  return core;
}

const node = async (id: string) => (await fleet.api.listNodes()).find((one) => one.id === id);
const FULL = "the disk of /agent/journal is full";

test("a start on a full disk is seen with its reason, begins nothing, and goes on with what it had when there is room", async () => {
  fleet = await startFleet();
  const disk = new MemoryDisk();
  const first = await start("n1", disk);
  const run = { retry: { max: 1 } };
  const options = { latency_ms: 100 };
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 8, shardSize: 4, options, run }) });
  const recorded = () => [...disk.files.values()].join("").split('"k":"record"').length - 1;
  await until("samples have records", () => recorded() >= 2);
  await first.stop();
  disk.full = true;
  const kept = recorded();

  await start("n1", disk);
  await until("it says why", async () => (await node("n1"))?.notOffering === FULL);
  await until("it is ready otherwise", async () => (await node("n1"))?.state === "ready");
  expect((await node("n1"))?.incarnation).toBe(2);
  // Its start is not counted yet: whatever began now could not be told from what the next start begins.
  expect(disk.text("/agent/incarnation")).toBe("1\n");
  const looked = () => disk.calls.filter((call) => call === "write /agent/journal/room").length;
  await until("it looks for room", () => looked() > 0);
  expect(recorded()).toBe(kept);
  expect((await fleet.api.job(id, "j0000")).shards.map(({ attempts }) => attempts)).toEqual([0, 0]);

  disk.full = false;
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
  expect(disk.text("/agent/incarnation")).toBe("2\n");
  expect((await fleet.api.records(id)).map(({ status }) => status)).toEqual(Array(8).fill("ok"));
});

test("one that cannot even note where it belongs says so in its Hello, again and again, and joins when it can", async () => {
  fleet = await startFleet();
  const disk = new MemoryDisk();
  disk.full = true;
  await start("fresh", disk);
  await until("it says why", async () => (await node("fresh"))?.notOffering === FULL);
  expect((await node("fresh"))?.state).toBe("reconciling");
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 2 }) });
  disk.full = false;
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
  expect(await node("fresh")).toMatchObject({ state: "ready", incarnation: 1 });
});

test("a disk that refuses for another reason still ends the start", async () => {
  fleet = await startFleet();
  const disk = new MemoryDisk();
  disk.writeAtomic = () => Promise.reject(new Error("read-only"));
  await expect(start("n1", disk)).rejects.toThrow("read-only");
});
