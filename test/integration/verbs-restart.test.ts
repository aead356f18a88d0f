/** What people did holds over a restart of the coordinator, and they see what is held back after it. */
import { afterEach, expect, test } from "vitest";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { cliOf } from "../support/cli.js";
import { isReady, startFleet, type TestFleet } from "../support/fleet.js";
import { startRelay } from "../support/relay.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
afterEach(() => fleet?.stop());

const start = async () => {
  fleet = await startFleet({
    agents: ["n1"],
    config: (config) => {
      config.store.kind = "embedded";
    },
  });
  return cliOf(fleet);
};

test("a cordon with its reason, labels and a pause are there after a restart", async () => {
  const sai = await start();
  const { id } = await fleet.api.create({
    suite: suiteOf({ items: 20, shardSize: 1, options: { latency_ms: 50 } }),
  });
  await until("it works", async () => ((await fleet.api.get(id)).progress?.shardsDone ?? 0) > 0);
  await sai("campaign", "pause", id, "--reason", "hot room", "--wait");
  await sai("node", "label", "n1", "zone=a");
  await sai("node", "cordon", "n1", "--reason", "new driver");
  await fleet.replaceCoordinator();
  await isReady(fleet, "n1");

  const { out } = await sai("node", "get", "n1");
  expect(out).toMatch(/^state +ready, cordoned\nreason +new driver\nlabels +zone=a$/m);
  expect((await sai("campaign", "get", id)).out).toMatch(/^state +paused\nreason +hot room$/m);
  await sai("node", "uncordon", "n1");
  const resumed = await sai("campaign", "resume", id, "--wait");
  expect(resumed.code).toBe(0);
  expect((await fleet.api.get(id)).progress?.samplesDone).toBe(20);
});

test("work held back for a node that has not come back is shown, with why, and goes on when it is", async () => {
  const sai = await start();
  const relay = await startRelay(fleet.coordinator.agentAddress);
  try {
    await fleet.agent("n2", (config) => {
      config.agent.coordinatorAddress = relay.address;
    });
    const suite = suiteOf({ items: 40, shardSize: 1, options: { latency_ms: 100 } });
    const { id } = await fleet.api.create({ suite });
    await until("it works", async () => ((await fleet.api.get(id)).progress?.shardsDone ?? 0) > 0);
    relay.block(true);
    await fleet.replaceCoordinator();
    await isReady(fleet, "n1");

    expect((await sai("admin", "status")).out).toMatch(
      /^campaigns +1 active, 1 held back until the nodes known/m,
    );
    const why = await sai("campaign", "get", id, "--why");
    expect(why.out).toMatch(/^why: 1 job held back until the nodes known before the start have reported$/m);
    expect(why.out).toMatch(/ running, held /);
    const { jobs } = JSON.parse((await sai("campaign", "get", id, "--why", "-o", "json")).out);
    expect(jobs[0].reasons).toEqual([{ code: "held_back", message: expect.any(String) }]);

    relay.block(false);
    expect((await fleet.api.ended(id, 30_000)).state).toBe(CampaignState.SUCCEEDED);
    expect((await sai("admin", "status")).out).toMatch(/^campaigns +0 active$/m);
  } finally {
    await relay.close();
  }
});
