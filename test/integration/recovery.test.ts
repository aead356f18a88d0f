/** What a coordinator that begins again does with what was there: nothing stops, nothing runs twice, nothing is lost. */
import { afterEach, expect, test } from "vitest";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { ask } from "../support/api.js";
import { isReady, startFleet, type TestFleet } from "../support/fleet.js";
import { startRelay } from "../support/relay.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
afterEach(() => fleet?.stop());

const durable = (agents: string[]) =>
  startFleet({
    agents,
    config: (config) => {
      config.store.kind = "embedded";
    },
  });

const status = () => ask(fleet.api.admin.getStatus.bind(fleet.api.admin), {});

const fencesOf = async (id: string) =>
  new Set((await fleet.api.records(id)).map(({ shard, attempt }) => `${shard} ${attempt}`));

/** The shards of a campaign with one job; none before it is planned. */
const shardsOf = async (id: string) => {
  const [job] = (await fleet.api.get(id)).jobs;
  return job ? (await fleet.api.job(id, job.id)).shards : [];
};

test("running shards go on over a restart, and count under the fence of before", async () => {
  fleet = await durable(["n1", "n2"]);
  const suite = suiteOf({ items: 24, shardSize: 6, options: { latency_ms: 150 } });
  const { id } = await fleet.api.create({ suite });
  await until(
    "every slot is busy",
    async () => (await shardsOf(id)).filter(({ state }) => state === "running").length === 4,
  );
  const { epoch, clusterId } = await status();
  await fleet.replaceCoordinator();
  const campaign = await fleet.api.ended(id);
  expect(campaign.state).toBe(CampaignState.SUCCEEDED);
  const records = await fleet.api.records(id);
  expect(records.map(({ ordinal }) => ordinal)).toEqual([...Array(24).keys()]);
  // All four ran before the restart: no attempt is of the new epoch, and none was stopped.
  expect([...(await fencesOf(id))].filter((fence) => !fence.includes(` ${epoch}.`))).toEqual([]);
  expect(fleet.logs.filter(({ msg }) => msg.includes("attempt stopped"))).toEqual([]);
  const after = await status();
  expect(after.clusterId).toBe(clusterId);
  expect(BigInt(after.epoch)).toBeGreaterThan(BigInt(epoch));
});

test("an ended campaign is there after a restart, with its records and summary", async () => {
  fleet = await durable(["n1"]);
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 8 }) });
  const before = await fleet.api.ended(id);
  const summary = await fleet.api.summary(id);
  const records = await fleet.api.records(id);
  await fleet.replaceCoordinator();
  expect(await fleet.api.get(id)).toEqual(before);
  expect(await fleet.api.summary(id)).toEqual(summary);
  expect(await fleet.api.records(id)).toEqual(records);
});

test("work of before waits for the nodes that are known, new work does not", async () => {
  fleet = await durable(["n1"]);
  const relay = await startRelay(fleet.coordinator.agentAddress);
  try {
    await fleet.agent("n2", (config) => {
      config.agent.coordinatorAddress = relay.address;
    });
    // Shards long enough that none of n2's ends between the look and the cut.
    const suite = suiteOf({ items: 8, shardSize: 2, options: { latency_ms: 1_500 } });
    const { id } = await fleet.api.create({ suite });
    await until("n2 runs a shard", async () =>
      (await shardsOf(id)).some(({ state, node }) => state === "running" && node === "n2"),
    );
    relay.block(true);
    await fleet.replaceCoordinator();
    await isReady(fleet, "n1");
    const { id: later } = await fleet.api.create({ suite: suiteOf({ items: 2, name: "later" }) });
    expect((await fleet.api.ended(later)).state).toBe(CampaignState.SUCCEEDED);
    expect((await fleet.api.get(id)).state).toBe(CampaignState.RUNNING);
    expect(fleet.logs.some(({ msg }) => msg === "recovery ends")).toBe(false);
    relay.block(false);
    expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
    expect(fleet.logs.some(({ msg }) => msg === "recovery ends")).toBe(true);
    expect(await fleet.api.records(id)).toHaveLength(8);
  } finally {
    await relay.close();
  }
});

test("nodes, their cordon and their labels outlive a restart", async () => {
  fleet = await durable(["n1", "n2"]);
  const { node } = fleet.api;
  await fleet.stopAgent("n2");
  await until("n2 is lost", async () => (await node("n2")).state === "lost");
  await ask(fleet.api.nodes.cordonNode.bind(fleet.api.nodes), { id: "n1", reason: "new fan" });
  await ask(fleet.api.nodes.labelNode.bind(fleet.api.nodes), { id: "n1", set: { rack: "7" }, unset: [] });
  await fleet.replaceCoordinator();
  expect(await fleet.api.node("n2")).toMatchObject({ state: "lost" });
  await isReady(fleet, "n1");
  expect(await fleet.api.node("n1")).toMatchObject({
    cordoned: true,
    cordonReason: "new fan",
    labels: { rack: "7" },
  });
});
