/**
 * A rolling upgrade with real processes: agents that the coordinators take for those of the version before (they speak
 * through its eyes, test/skew/old-eyes.ts), coordinators replaced one by one, then the agents, while a campaign runs.
 */
import { afterEach, expect, inject, test } from "vitest";
import { CampaignState } from "../../../shared/gen/sai/v1/campaign.js";
import { type OldEyes, oldEyes } from "../../skew/old-eyes.js";
import { type EtcdCluster, startEtcd } from "../../support/etcd.js";
import { suiteOf } from "../../support/suites.js";
import { until } from "../../support/until.js";
import { type Coordinators, startCoordinators } from "./coordinators.js";

/** For three agents the work of minutes, so that it outlasts the replacing also where that is slow; more end it quickly. */
const ITEMS = 2400;
const QUICK_SLOTS = 40;
let etcd: EtcdCluster | undefined;
let fleet: Coordinators | undefined;
const eyes: OldEyes[] = [];
afterEach(async (context) => {
  if (context.task.result?.state === "fail") console.error(fleet?.logs());
  await fleet?.stop();
  for (const one of eyes.splice(0)) await one.close();
  await etcd?.close();
});

/** Relays to each coordinator; a Goodbye that names one of them names its relay. */
async function throughOldEyes(addresses: readonly string[]): Promise<readonly string[]> {
  const relays = new Map<string, string>();
  for (const address of addresses) {
    const one = await oldEyes(address, (named) => relays.get(named) ?? named);
    relays.set(address, one.address);
    eyes.push(one);
  }
  return [...relays.values()];
}

test("coordinators and agents are replaced one by one under a campaign: all exit 0, nothing is lost or charged", async () => {
  etcd = await startEtcd({ program: inject("etcds").current });
  const urls = etcd.members.map(({ address }) => `http://${address}`);
  const on = await startCoordinators(urls, 3, ["n1", "n2", "n3"], throughOldEyes);
  fleet = on;
  const before = eyes.map(({ address }) => address);
  const first = await on.leader();
  const suite = suiteOf({ items: ITEMS, shardSize: 4, options: { latency_ms: 300 } });
  const { id } = await first.api.create({ suite });
  const done = async () => {
    const { api } = await on.leader();
    return (await api.get(id).catch(() => undefined))?.progress?.samplesDone ?? 0;
  };
  const goesOn = async () => {
    const now = await done();
    await until("more is done", async () => (await done()) > now, 60_000);
  };
  await goesOn();
  for (const coordinator of on.all) {
    expect(await coordinator.end(), coordinator.name).toBe(0);
    coordinator.start();
    await until(
      `${coordinator.name} is ready`,
      async () => (await fetch(`http://${coordinator.httpAddress}/readyz`).catch(() => undefined))?.ok,
      60_000,
    );
    await goesOn();
  }
  // Agents after the coordinators; the last one is taken back.
  for (const [agent, addresses] of [
    ["n1", on.agentAddresses],
    ["n2", on.agentAddresses],
    ["n3", on.agentAddresses],
    ["n3", before],
  ] as const) {
    expect(await on.endAgent(agent), agent).toBe(0);
    on.startAgent(agent, addresses);
    const isBack = async () => (await (await on.leader()).api.node(agent)).state === "ready";
    await until(`${agent} is back`, isBack, 60_000); // it has said goodbye
    await goesOn();
  }
  const { api } = await on.leader();
  expect((await api.get(id)).state).toBe(CampaignState.RUNNING); // all of that was under the campaign
  on.startAgent("quick", on.agentAddresses, QUICK_SLOTS);
  expect((await api.ended(id, 120_000)).state).toBe(CampaignState.SUCCEEDED);
  expect((await api.records(id)).map(({ ordinal }) => ordinal)).toEqual(
    Array.from({ length: ITEMS }, (_, i) => i),
  );
  const { shards } = await api.job(id, "j0000");
  expect(shards.map(({ attempts }) => attempts)).toEqual(Array(ITEMS / 4).fill(0));
  for (const [sum, what] of [
    [eyes.reduce((n, { lost }) => n + lost.fromAgents, 0), "fields of agents"],
    [eyes.reduce((n, { lost }) => n + lost.fromCoordinator, 0), "fields of coordinators"],
  ] as const)
    expect(sum, what).toBeGreaterThan(0);
}, 300_000);
