/** Cancelling: what runs is stopped, what has committed stays, what did not run is counted as such. */
import { afterEach, expect, test } from "vitest";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
afterEach(() => fleet?.stop());

test("a campaign cancelled in the middle keeps what committed and stops what runs", async () => {
  fleet = await startFleet({ agents: ["n1"] });
  const { api } = fleet;
  const { id } = await api.create({
    suite: suiteOf({ items: 200, shardSize: 2, options: { latency_ms: 20 } }),
  });
  await until("some shards are done", async () => ((await api.get(id)).progress?.shardsDone ?? 0) >= 3);
  const [first, second] = await Promise.all([api.cancel(id), api.cancel(id)]);
  expect([first.id, second.id]).toEqual([id, id]);
  const campaign = await api.ended(id);
  expect(campaign).toMatchObject({ state: CampaignState.CANCELLED, reason: "cancelled by the user" });
  expect((await api.cancel(id)).state).toBe(CampaignState.CANCELLED);
  expect(campaign.progress?.samplesRunning).toBe(0);

  const records = await api.records(id);
  const ordinals = records.map(({ ordinal }) => ordinal);
  expect(records.length).toBe(campaign.progress?.samplesDone);
  expect(records.length).toBeGreaterThanOrEqual(6);
  expect(new Set(ordinals).size).toBe(records.length);
  const [cell] = (await api.summary(id)).cells;
  expect(cell?.counts).toMatchObject({ planned: 200, ok: records.length, notRun: 200 - records.length });

  await until("the agent is free", async () => (await api.node("n1")).attempts === 0);
  await until("its attempts are stopped", () => fleet.logs.some((line) => line.msg === "attempt stopped"));
  const states = new Set((await api.job(id, "j0000")).shards.map(({ state }) => state));
  expect(states).toEqual(new Set(["done", "cancelled"]));
  // Nothing arrives later, and the slots are free for others.
  const { id: next } = await api.create({ suite: suiteOf() });
  expect((await api.ended(next)).state).toBe(CampaignState.SUCCEEDED);
  expect(await api.records(id)).toEqual(records);
  const events = await api.eventsOf(id, (seen) => seen.some((e) => e.kind === "campaign.cancelled"));
  expect(events.filter((e) => e.kind === "shard.requeued")).toEqual([]);
});

test("campaigns cancelled while they are planned end cancelled, with all of their samples not run", async () => {
  fleet = await startFleet();
  const { api } = fleet;
  const models = Array.from({ length: 130 }, (_, i) => ({ id: `m${i}`, engine: "simulated" }));
  for (let i = 0; i < 12; i += 1) {
    const suite = JSON.stringify({ ...JSON.parse(suiteOf({ items: 2 })), models });
    const { id } = await api.create({ suite });
    // A little later each time, so that one of them meets each step of planning.
    for (let turn = 0; turn < i; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    await api.cancel(id);
    const campaign = await api.ended(id);
    expect(campaign.state).toBe(CampaignState.CANCELLED);
    for (const job of campaign.jobs) expect(job.state).toBe("cancelled");
  }
  expect(fleet.logs.filter(({ level }) => level === "error")).toEqual([]);
});

test("a campaign no node can run says why it waits, and can be cancelled", async () => {
  fleet = await startFleet();
  const { id } = await fleet.api.create({ suite: suiteOf() });
  await until("it says why", async () =>
    (await fleet.api.get(id)).waiting.some((why) => why.includes("no node is connected")),
  );
  await fleet.api.cancel(id);
  const campaign = await fleet.api.ended(id);
  expect(campaign).toMatchObject({ state: CampaignState.CANCELLED, waiting: [] });
});
