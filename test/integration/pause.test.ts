/** Pausing over the whole path: what runs is kept, what waits comes back, and a restart changes nothing. */
import { afterEach, expect, test } from "vitest";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { ask } from "../support/api.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
afterEach(() => fleet?.stop());

const pause = (id: string) =>
  ask(fleet.api.campaigns.pauseCampaign.bind(fleet.api.campaigns), { id, reason: "hot" });
const resume = (id: string) => ask(fleet.api.campaigns.resumeCampaign.bind(fleet.api.campaigns), { id });
const shardsOf = async (id: string) => (await fleet.api.job(id, "j0000")).shards;
const states = async (id: string) => (await shardsOf(id)).map(({ state }) => state);

test("nothing that ran is run again, and nothing starts while it is paused, over a restart, too", async () => {
  fleet = await startFleet({
    agents: ["n1", "n2"],
    config: (config) => {
      config.store.kind = "embedded";
    },
  });
  const suite = suiteOf({ items: 36, shardSize: 3, options: { latency_ms: 100 } });
  const { id } = await fleet.api.create({ suite });
  await until("it is planned", async () => (await fleet.api.get(id)).jobs.length === 1);
  await until(
    "every slot is busy",
    async () => (await states(id)).filter((s) => s === "running").length === 4,
  );
  const ran = (await shardsOf(id)).filter(({ state }) => state === "running").map(({ index }) => index);
  await pause(id);
  await fleet.replaceCoordinator();
  expect((await fleet.api.get(id)).state).toBe(CampaignState.PAUSED);
  await until("what ran is committed and the rest waits", async () => {
    const now = await states(id);
    const over = now.every((state) => state === "done" || state === "pending");
    return over && ran.every((index) => now[index] === "done");
  });
  const done = (await states(id)).filter((state) => state === "done");
  expect(done.length).toBeLessThan(12);
  expect((await fleet.api.node("n1")).attempts + (await fleet.api.node("n2")).attempts).toBe(0);
  const before = await fleet.api.records(id);
  await resume(id);
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
  const records = await fleet.api.records(id);
  expect(records.map(({ ordinal }) => ordinal)).toEqual([...Array(36).keys()]);
  const fences = new Map(records.map(({ ordinal, attempt }) => [ordinal, attempt]));
  for (const { ordinal, attempt } of before) expect(fences.get(ordinal)).toBe(attempt);
  // Asked back, not stopped: nobody lost work over it, and no attempt was charged.
  expect(fleet.logs.filter(({ msg }) => msg === "attempt stopped")).toEqual([]);
  expect((await shardsOf(id)).map(({ attempts }) => attempts)).toEqual(Array(12).fill(0));
});

test("a paused campaign is cancelled like any other; one that has ended cannot be paused", async () => {
  fleet = await startFleet({ agents: ["n1"] });
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 40, options: { latency_ms: 50 } }) });
  await until("it works", async () => ((await fleet.api.get(id)).progress?.shardsDone ?? 0) > 0);
  await pause(id);
  await fleet.api.cancel(id);
  const campaign = await fleet.api.ended(id);
  expect(campaign).toMatchObject({ state: CampaignState.CANCELLED, reason: "cancelled by the user" });
  expect((await fleet.api.records(id)).length).toBe(campaign.progress?.samplesDone);
  await expect(pause(id)).rejects.toMatchObject({ code: "failed_precondition" });
});
