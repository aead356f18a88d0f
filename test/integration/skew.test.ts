/** Two versions at a time (ADR 0017): agents of this version and of the one before, and the store that one wrote. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import type { Config } from "../../shared/runtime/config.js";
import { type OldEyes, oldEyes } from "../skew/old-eyes.js";
import { putBack, recorded } from "../skew/stores.js";
import { ask } from "../support/api.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet | undefined;
let eyes: OldEyes | undefined;
afterEach(async () => {
  await fleet?.stop();
  await eyes?.close();
  fleet = eyes = undefined;
});

const durable = (config: Config) => {
  config.store.kind = "embedded";
  config.coordinator.idempotencyTtlMs = 1e13;
};
const ordinals = (n: number) => Array.from({ length: n }, (_, i) => i);

test("agents of both versions take turns while a campaign runs and the coordinator is replaced: nothing is lost or charged", async () => {
  const on = await startFleet({ config: durable });
  fleet = on;
  const relay = await oldEyes(on.coordinator.agentAddress);
  eyes = relay;
  const before = (config: Config) => {
    config.agent.coordinatorAddress = relay.address;
  };
  await on.agent("n1", before);
  await on.agent("n2");
  const items = 120;
  const { id } = await on.api.create({ suite: suiteOf({ items, options: { latency_ms: 100 } }) });
  const done = async () => (await on.api.get(id)).progress?.samplesDone ?? 0;
  const moreThan = (n: number) => until(`${n} samples are done`, async () => (await done()) > n, 30_000);
  await moreThan(10);
  // Upgraded, and taken back.
  await on.stopAgent("n1");
  await on.agent("n1");
  await on.stopAgent("n2");
  await on.agent("n2", before);
  await moreThan(40);
  await on.replaceCoordinator();
  await moreThan(60);
  await on.stopAgent("n2");
  await on.agent("n2");
  await on.replaceCoordinator();
  expect((await on.api.ended(id, 60_000)).state).toBe(CampaignState.SUCCEEDED);
  expect((await on.api.records(id)).map(({ ordinal }) => ordinal)).toEqual(ordinals(items));
  const { shards } = await on.api.job(id, "j0000");
  expect(shards.map(({ attempts }) => attempts)).toEqual(Array(items / 2).fill(0));
  // They did not see what they do not know.
  expect(relay.lost.fromAgents).toBeGreaterThan(0);
  expect(relay.lost.fromCoordinator).toBeGreaterThan(0);
});

test("a store of the version before: all is there, what ran goes on to its end, what is done stays done", async () => {
  const store = await recorded("store-1");
  const on = await startFleet({ config: durable, before: (folder) => putBack(store, folder) });
  fleet = on;
  const { api } = on;
  for (const { id, state, records } of Object.values(store.campaigns)) {
    expect((await api.get(id)).state).toBe(state);
    expect((await api.records(id)).length).toBeGreaterThanOrEqual(records);
  }
  const { succeeded, poisoned, oom, paused, running, split } = store.campaigns;
  expect([succeeded, poisoned, oom].map(({ state }) => CampaignState[state])).toEqual([
    "SUCCEEDED",
    "PARTIAL",
    "FAILED",
  ]);
  expect((await api.records(poisoned.id)).map(({ status }) => status)).toEqual(["ok", "ok", "poison", "ok"]);
  expect((await api.summary(succeeded.id)).cells).toHaveLength(2);
  expect(await api.node("n2")).toMatchObject({ cordonReason: "to be recorded", labels: { zone: "a" } });
  expect((await api.create({ suite: running.spec }, running.key)).id).toBe(running.id);

  await on.agent("n1");
  await on.agent("n2", undefined, false);
  expect((await api.ended(running.id, 30_000)).state).toBe(CampaignState.SUCCEEDED);
  expect((await api.records(running.id)).map(({ ordinal }) => ordinal)).toEqual(ordinals(24));
  expect((await api.ended(split.id, 30_000)).state).toBe(CampaignState.PARTIAL);
  expect((await api.records(split.id)).filter(({ status }) => status !== "ok")).toMatchObject([
    { ordinal: 1, status: "poison" },
  ]);
  // Shards that were done have not run again.
  const done = store.kvs.filter(({ key }) => key.startsWith(`/sai/v1/done/${running.id}/`));
  const ranNow = await shardsRun(on, running.id, (fence) => !fence.startsWith("2."));
  const before = done.map(({ key }) => Number(key.slice(-8)));
  expect([...before, ...ranNow].sort((a, b) => a - b)).toEqual(ordinals(12));

  expect((await api.get(paused.id)).state).toBe(CampaignState.PAUSED);
  await ask(api.campaigns.resumeCampaign.bind(api.campaigns), { id: paused.id });
  expect((await api.ended(paused.id, 30_000)).state).toBe(CampaignState.SUCCEEDED);
  expect((await api.records(paused.id)).map(({ ordinal }) => ordinal)).toEqual(ordinals(12));
});

/** Shards of a campaign's only job that have records under such a fence. */
async function shardsRun(on: TestFleet, campaign: string, counts: (fence: string) => boolean) {
  const job = join(on.folder, "artifacts/run", campaign, "j0000");
  const shards = await readdir(job);
  const run = await Promise.all(shards.map(async (shard) => (await readdir(join(job, shard))).some(counts)));
  return shards.filter((_, i) => run[i]).map(Number);
}
