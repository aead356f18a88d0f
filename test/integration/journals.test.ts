/** What an agent's disk says after a crash: work goes on where it was cut short, and every sample counts once. */
import { appendFile, cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { type Relay, startRelay } from "../support/relay.js";
import { type SuiteOptions, suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
let relay: Relay | undefined;
afterEach(async () => {
  await fleet?.stop();
  await relay?.close();
});

const journal = () => join(fleet.folder, "n1", "journal");
const names = (folder = journal()) => readdir(folder).catch((): string[] => []);
const text = async (folder = journal()) =>
  (await Promise.all((await names(folder)).map((name) => readFile(join(folder, name), "utf8")))).join("");
const count = (all: string, kind: string) => all.split(`"k":"${kind}"`).length - 1;
const ordinals = (all: string, form: RegExp) => [...all.matchAll(form)].map(([, n]) => Number(n));
const noJournalIsLeft = () => until("no journal is left", async () => (await names()).length === 0);

/** A campaign on one agent of one slot, which can be cut off from its coordinator. */
async function start(suite: SuiteOptions, heartbeatIntervalMs = 10_000): Promise<string> {
  fleet = await startFleet({
    config: (config) => {
      config.coordinator.heartbeatIntervalMs = heartbeatIntervalMs;
    },
  });
  relay = await startRelay(fleet.coordinator.agentAddress);
  const { address } = relay;
  await fleet.agent("n1", (config) => {
    config.agent.coordinatorAddress = address;
    config.agent.cpuSlots = 1;
    config.agent.drainTimeoutMs = 0;
  });
  return (await fleet.api.create({ suite: suiteOf(suite) })).id;
}

/** Ends the agent as a crash would: nobody hears of it, and its disk stays as it was in the middle of its work. */
async function crash(): Promise<void> {
  const saved = join(fleet.folder, "saved");
  relay?.block(true);
  await cp(journal(), saved, { recursive: true });
  await fleet.stopAgent("n1");
  await rm(journal(), { recursive: true });
  await mkdir(journal(), { recursive: true });
  for (const name of await names(saved)) await cp(join(saved, name), join(journal(), name));
}

test("an attempt cut short goes on at the next start: records are kept, suspects run first, each sample counts once", async () => {
  const id = await start({ items: 8, shardSize: 8, options: { latency_ms: 150 } });
  await until("the third sample has begun", async () => count(await text(), "begin") >= 3);
  await crash();
  const [file = ""] = await names();
  const before = await text();
  const recorded = ordinals(before, /"k":"record","record":\{[^\n]*?"ordinal":(\d+)/g);
  const suspects = ordinals(before, /"k":"begin","ordinal":(\d+)/g).filter((n) => !recorded.includes(n));
  await appendFile(join(journal(), file), '0badcafe {"k":"rec');
  await writeFile(join(journal(), "9.9.jsonl"), '01234567 {"k":"atte');

  await fleet.agent("n1");
  await until(
    "it is complete",
    async () => count(await text(), "record") === 8 || (await names()).length === 0,
  );
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
  const records = await fleet.api.records(id);
  expect(records.map(({ ordinal }) => ordinal)).toEqual([...Array(8).keys()]);
  // The same attempt, with the very records that were there before.
  expect(new Set(records.map(({ attempt }) => `${attempt}.jsonl`))).toEqual(new Set([file]));
  for (const record of records.slice(0, recorded.length)) expect(before).toContain(JSON.stringify(record));
  expect(fleet.logs.find(({ msg }) => msg.includes("goes on where"))).toMatchObject({
    ...{ records: recorded.length, suspects },
  });
  await noJournalIsLeft();
});

test("an attempt cut short that was given to others meanwhile is dropped with its journal", async () => {
  const id = await start({ items: 2, shardSize: 2, options: { latency_ms: 300 } }, 200);
  await until("a sample has begun", async () => count(await text(), "begin") >= 1);
  await crash();
  await fleet.agent("n2");
  await fleet.api.ended(id);
  await fleet.agent("n1");
  await noJournalIsLeft();
  expect((await fleet.api.records(id)).map(({ ordinal }) => ordinal)).toEqual([0, 1]);
});

test("a result that no one has acknowledged is sent again by the next start, and counts once", async () => {
  const id = await start({ items: 4, shardSize: 4, options: { latency_ms: 100 } });
  await until("a sample has begun", async () => count(await text(), "begin") >= 1);
  relay?.block(true);
  await until("the result is journaled", async () => count(await text(), "stored") === 1);
  await fleet.stopAgent("n1");
  expect((await fleet.api.get(id)).progress?.shardsDone).toBe(0);
  const [before] = await names();

  await fleet.agent("n1");
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
  const records = await fleet.api.records(id);
  expect(records.map(({ ordinal }) => ordinal)).toEqual([0, 1, 2, 3]);
  // The same attempt, not a second one.
  expect(new Set(records.map(({ attempt }) => `${attempt}.jsonl`))).toEqual(new Set([before]));
  await noJournalIsLeft();
});
