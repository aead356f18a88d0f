/** What an agent's disk says after a restart: finished work is sent again and counts once, unfinished work runs anew. */
import { appendFile, cp, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { startRelay } from "../support/relay.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
afterEach(() => fleet?.stop());

test("journals found at a start: unfinished ones are dropped and run anew, torn lines do no harm", async () => {
  fleet = await startFleet({
    agents: ["n1"],
    config: (config) => {
      config.agent.drainTimeoutMs = 0;
    },
  });
  const { id } = await fleet.api.create({
    suite: suiteOf({ items: 8, shardSize: 4, options: { latency_ms: 250 } }),
  });
  const journal = join(fleet.folder, "n1", "journal");
  const saved = join(fleet.folder, "saved");
  await until("samples run", async () => ((await fleet.api.get(id)).progress?.samplesRunning ?? 0) > 1);
  // The disk as a crash would leave it; a stop in order would tidy up.
  await cp(journal, saved, { recursive: true });
  await fleet.stopAgent("n1");
  await cp(saved, journal, { recursive: true });
  const [first = ""] = await readdir(saved);
  await appendFile(join(journal, first), '{"k":"record","rec');
  await appendFile(join(journal, "9.9.jsonl"), '{"k":"atte');
  await fleet.agent("n1");
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
  expect((await fleet.api.records(id)).map(({ ordinal }) => ordinal)).toEqual([...Array(8).keys()]);
  expect(fleet.logs.some((line) => line.msg.includes("cut short"))).toBe(true);
  await until("no journal is left", async () => (await readdir(journal)).length === 0);
});

test("a result that no one has acknowledged is sent again by the next start, and counts once", async () => {
  fleet = await startFleet();
  const relay = await startRelay(fleet.coordinator.agentAddress);
  try {
    await fleet.agent("n1", (config) => {
      config.agent.coordinatorAddress = relay.address;
    });
    const suite = suiteOf({ items: 4, shardSize: 4, options: { latency_ms: 100 } });
    const { id } = await fleet.api.create({ suite });
    const journal = join(fleet.folder, "n1", "journal");
    const names = () => readdir(journal).catch((): string[] => []);
    const text = async () => (await Promise.all((await names()).map(readIn(journal)))).join("");
    await until("a sample has begun", async () => (await text()).includes('"begin"'));
    relay.block(true);
    await until("the result is journaled", async () => (await text()).includes('"uploaded"'));
    await fleet.stopAgent("n1");
    expect((await fleet.api.get(id)).progress?.shardsDone).toBe(0);
    const [before] = await readdir(journal);

    await fleet.agent("n1");
    expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
    const records = await fleet.api.records(id);
    expect(records.map(({ ordinal }) => ordinal)).toEqual([0, 1, 2, 3]);
    // The same attempt, not a second one.
    expect(new Set(records.map(({ attempt }) => `${attempt}.jsonl`))).toEqual(new Set([before]));
    await until("no journal is left", async () => (await readdir(journal)).length === 0);
  } finally {
    await relay.close();
  }
});

const readIn = (folder: string) => (name: string) => readFile(join(folder, name), "utf8");
