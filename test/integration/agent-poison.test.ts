/** Samples that kill: the engine's process, or the agent itself. The second death names the one, the others count. */
import { cp, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { type Relay, startRelay } from "../support/relay.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
let relay: Relay | undefined;
afterEach(async () => {
  await fleet?.stop();
  await relay?.close();
});

const statuses = async (id: string) =>
  (await fleet.api.records(id)).map(({ ordinal, status }) => `${ordinal} ${status}`);

test("a sample that kills its engine twice is named and failed as poison; all others count", async () => {
  fleet = await startFleet({ agents: ["n1"] });
  const options = { latency_ms: 30, die_on: [5] };
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 8, shardSize: 4, options }) });
  const campaign = await fleet.api.ended(id);
  expect(campaign.state).toBe(CampaignState.PARTIAL);
  expect(await statuses(id)).toEqual(
    [0, 1, 2, 3, 4, 5, 6, 7].map((n) => `${n} ${n === 5 ? "poison" : "ok"}`),
  );
  const deaths = fleet.logs.filter(({ msg, class: c }) => msg === "attempt failed" && c === "poison");
  expect(deaths.filter(({ node }) => node === "n1").length).toBeGreaterThanOrEqual(2);
});

test("samples in flight beside one that kills are suspects once, run alone, and count", async () => {
  fleet = await startFleet({ agents: ["n1"] });
  const options = { latency_ms: 60, die_on: [2] };
  // Two attempts run side by side in one engine process.
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 6, shardSize: 3, options }) });
  await fleet.api.ended(id);
  expect(await statuses(id)).toEqual([0, 1, 2, 3, 4, 5].map((n) => `${n} ${n === 2 ? "poison" : "ok"}`));
});

test("deaths of the agent itself are told in its next Hello, with the start that died", async () => {
  fleet = await startFleet();
  relay = await startRelay(fleet.coordinator.agentAddress);
  const { address } = relay;
  const change = (config: Parameters<NonNullable<Parameters<TestFleet["agent"]>[1]>>[0]) => {
    config.agent.coordinatorAddress = address;
    config.agent.cpuSlots = 1;
    config.agent.drainTimeoutMs = 0;
  };
  const journal = join(fleet.folder, "n1", "journal");
  const text = async () => {
    const names = await readdir(journal).catch((): string[] => []);
    return (await Promise.all(names.map((name) => readFile(join(journal, name), "utf8")))).join("");
  };
  const begun = async (n: number) => (await text()).split('"k":"begin"').length > n;
  await fleet.agent("n1", change);
  // The first sample hangs, as one that will kill the agent's process in a moment.
  const options = { latency_ms: 600_000 };
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 1, shardSize: 1, options }) });
  for (const deaths of [1, 2]) {
    await until("the sample has begun", () => begun(deaths));
    const saved = join(fleet.folder, `saved-${deaths}`);
    relay.block(true);
    await cp(journal, saved, { recursive: true });
    await fleet.stopAgent("n1");
    await rm(journal, { recursive: true });
    await mkdir(journal);
    for (const name of await readdir(saved)) await cp(join(saved, name), join(journal, name));
    relay.block(false);
    await fleet.agent("n1", change);
  }
  await fleet.api.ended(id);
  expect(await statuses(id)).toEqual(["0 poison"]);
  await until("no journal is left", async () => (await readdir(journal)).length === 0);
});
