/** An artifact store that is away, and a disk that is full: nothing that was finished is lost, and all goes on alone. */
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type AgentCore, startAgentCore } from "../../agent/core.js";
import { createSimulatedEngine } from "../../agent/engines/simulated.js";
import { dialGrpc } from "../../agent/session/transport.js";
import { openFolderStore } from "../../shared/artifacts/folder-store.js";
import { putCas } from "../../shared/artifacts/store.js";
import { manifestBytes } from "../../shared/datasets/manifest.js";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { systemClock } from "../../shared/runtime/clock.js";
import { lineLogger } from "../../shared/runtime/logger.js";
import { systemRandom } from "../../shared/runtime/random.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { jobSpec, modelSpec } from "../support/inference.js";
import { MemoryDisk } from "../support/memory-disk.js";
import { startStubCoordinator } from "../support/stub-coordinator.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet | undefined;
let core: AgentCore | undefined;
const ends: (() => unknown)[] = [];
afterEach(async () => {
  await fleet?.stop();
  await core?.stop();
  fleet = undefined;
  core = undefined;
  for (const end of ends.splice(0)) await end();
});

test("while the artifact store is away attempts finish one after the other, and all arrive when it is back", async () => {
  fleet = await startFleet();
  await fleet.agent("n1", (config) => {
    config.agent.cpuSlots = 1;
  });
  const artifacts = join(fleet.folder, "artifacts");
  const journal = join(fleet.folder, "n1", "journal");
  const complete = async () => {
    const names = await readdir(journal).catch((): string[] => []);
    const texts = await Promise.all(
      names.map((name) => readFile(join(journal, name), "utf8").catch(() => "")),
    );
    return texts.filter((text) => text.split('"k":"record"').length > 2 && !text.includes('"k":"stored"'))
      .length;
  };
  const suite = suiteOf({ items: 16, shardSize: 2, options: { latency_ms: 40 } });
  const { id } = await fleet.api.create({ suite });
  await until("some are done", async () => ((await fleet?.api.get(id))?.progress?.shardsDone ?? 0) > 0);
  // A file where the folder was: whatever is asked of it fails, as on a share that went away.
  await rename(artifacts, `${artifacts}.away`);
  await writeFile(artifacts, "");
  await until("several wait on the disk", async () => (await complete()) >= 3);
  await rm(artifacts);
  await rename(`${artifacts}.away`, artifacts);
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
  // The coordinator reads them by their hashes.
  expect((await fleet.api.records(id)).map(({ ordinal }) => ordinal)).toEqual([...Array(16).keys()]);
  const job = await fleet.api.job(id, "j0000");
  expect(job.shards.map(({ attempts }) => attempts)).toEqual(Array(8).fill(0));
  await until("no journal is left", async () => (await readdir(journal)).length === 0);
});

/** An agent of two slots on a disk in memory, below a coordinator that is spoken by hand. */
async function onMemoryDisk(latencyMs: number) {
  const folder = await mkdtemp(join(tmpdir(), "sai-full-"));
  const stub = await startStubCoordinator();
  ends.push(stub.close, () => rm(folder, { recursive: true, force: true }));
  const artifacts = await openFolderStore(folder, systemRandom);
  const items = [1, 2, 3, 4].map((n) => ({ id: `q${n}`, input: `${n}`, target: "a", media: [] }));
  const dataset = { id: "d", manifestSha256: await putCas(artifacts, manifestBytes(items)), items: 4 };
  const job = jobSpec(modelSpec("simulated", "m", { latency_ms: latencyMs }), 4, { dataset });
  const planSha256 = await putCas(artifacts, Buffer.from(JSON.stringify({ v: 1, jobs: [job] })));
  const disk = new MemoryDisk();
  const logs: { msg: string; level: string }[] = [];
  core = await startAgentCore({
    ...{ id: "n1", version: "1", disk, dir: "/agent", artifacts, dial: dialGrpc(), clock: systemClock },
    work: { engines: new Map([["simulated", createSimulatedEngine({ clock: systemClock })]]) },
    devices: [{ uuid: "cpu", lane: "cpu", slots: 2 }],
    inventory: () => ({ hash: "h", inventory: undefined }),
    loopLagMs: () => 0,
    random: systemRandom,
    log: lineLogger((line) => logs.push(JSON.parse(line))),
    options: {
      ...{ coordinatorAddress: stub.address, reconnect: { baseMs: 20, capMs: 50 }, maxLoadedModels: 1 },
      ...{ journalSync: { ms: 1000, records: 64 }, spoolQuotaBytes: 256 * 1024 * 1024, drainTimeoutMs: 0 },
    },
  });
  const session = await stub.session(0);
  await session.welcome();
  const assign = (count: number) => session.assign(count, { planSha256, job: job.id, count: 4 });
  return { disk, session, assign, logs };
}
test("a full disk fails what runs, gives back what waits, refuses new work with a reason, and ends by itself", async () => {
  const { disk, session, assign, logs } = await onMemoryDisk(100);
  const credit = () => Number(session.bodies("credit").at(-1)?.total ?? 0n);
  await until("it offers", () => credit() === 3);
  assign(3);
  await until("samples have records", () => [...disk.files.values()].join("").includes('"k":"record"'));
  disk.full = true;
  await until("what ran has failed", () => session.bodies("failed").length === 2);
  for (const failure of session.bodies("failed")) {
    expect(failure).toMatchObject({ class: "infra", cause: "resource_exhausted" });
    expect(failure.message).toContain("no space left");
  }
  expect(session.bodies("retracted").flatMap(({ fences }) => fences.map(({ n }) => n))).toEqual([3n]);
  await until("it says why it offers nothing", () =>
    session
      .bodies("heartbeat")
      .some(({ notOffering }) => notOffering === "the disk of /agent/journal is full"),
  );
  expect(logs.filter(({ level, msg }) => level === "error" && msg.includes("the disk is full"))).toHaveLength(
    1,
  );
  // Journals that cannot say anything any more are gone, so that their space is free.
  expect([...disk.files.keys()].filter((path) => path.startsWith("/agent/journal"))).toEqual([]);

  disk.full = false;
  await until("it offers again", () => credit() > 3);
  assign(1);
  await until("work is done again", () => session.bodies("results").length > 0);
  expect(logs.some(({ msg }) => msg === "the disk has room again")).toBe(true);
});
