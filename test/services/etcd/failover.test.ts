/** Whoever dies, the fleet goes on: coordinators on a real etcd are killed and stopped while a campaign runs. */
import { afterEach, expect, inject, test } from "vitest";
import { CampaignState } from "../../../shared/gen/sai/v1/campaign.js";
import { ask } from "../../support/api.js";
import { type EtcdCluster, startEtcd } from "../../support/etcd.js";
import { suiteOf } from "../../support/suites.js";
import { until } from "../../support/until.js";
import { type Coordinator, type Coordinators, startCoordinators } from "./coordinators.js";

const { current } = inject("etcds");
const ITEMS = 240;
let etcd: EtcdCluster | undefined;
let fleet: Coordinators | undefined;
afterEach(async (context) => {
  if (context.task.result?.state === "fail") console.error(fleet?.logs());
  await fleet?.stop();
  await etcd?.close();
});

async function started(coordinators: number, settings?: { [name: string]: string }): Promise<Coordinators> {
  etcd = await startEtcd({ program: current });
  fleet = await startCoordinators(
    etcd.members.map(({ address }) => `http://${address}`),
    coordinators,
    ["n1", "n2", "n3"],
    undefined,
    settings,
  );
  return fleet;
}

/** The program's own: heartbeats alone would tell only after a minute that a leader says nothing. */
const OWN_TIMERS = {
  SAI_COORDINATOR_HEARTBEAT_INTERVAL_MS: "10000",
  SAI_COORDINATOR_RECOVERY_HOLD_MS: "30000",
};

/** A campaign of about ten seconds on three agents of two slots. */
const suite = () => suiteOf({ items: ITEMS, shardSize: 4, options: { latency_ms: 200 } });

const epochOf = async ({ api }: Coordinator) => (await ask(api.admin.getStatus.bind(api.admin), {})).epoch;

/** It succeeded, every sample is there once, and no attempt was charged or given to another. */
async function isWhole({ api }: Coordinator, id: string, items = ITEMS): Promise<void> {
  expect((await api.ended(id, 60_000)).state).toBe(CampaignState.SUCCEEDED);
  expect((await api.records(id)).map(({ ordinal }) => ordinal)).toEqual(
    Array.from({ length: items }, (_, i) => i),
  );
  const { shards } = await api.job(id, "j0000");
  expect(shards.map(({ attempts }) => attempts)).toEqual(Array(items / 4).fill(0));
}

/** Who has each shard that is in one of these states, by its index. */
const nodesOf = async ({ api }: Coordinator, id: string, states: string[]): Promise<Map<number, string>> => {
  const { shards } = await api.job(id, "j0000");
  return new Map(shards.flatMap(({ index, state, node }) => (states.includes(state) ? [[index, node]] : [])));
};

test("a follower hands calls on, sends agents to the leader, and says that it is healthy", async () => {
  const { all, leader } = await started(3);
  const leads = await leader();
  const followers = all.filter(({ name }) => name !== leads.name);
  const { id } = await (followers[0] as (typeof all)[number]).api.create({
    suite: suiteOf({ items: 8, shardSize: 2 }),
  });
  for (const { api, httpAddress } of followers) {
    expect((await api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
    expect(await api.records(id)).toHaveLength(8);
    expect((await api.listNodes()).map(({ state }) => state)).toEqual(["ready", "ready", "ready"]);
    const health = await fetch(`http://${httpAddress}/health`);
    expect([health.status, await health.json()]).toMatchObject([
      200,
      { status: "healthy", leads: false, leader: leads.apiAddress },
    ]);
    expect(await (await fetch(`http://${httpAddress}/metrics`)).text()).toContain(
      "process_cpu_seconds_total",
    );
  }
  const kinds = await (followers[1] as (typeof all)[number]).api.eventsOf(id, (seen) =>
    seen.some((e) => e.kind === "campaign.succeeded"),
  );
  expect(kinds.length).toBeGreaterThan(3);
});

test("the leader killed with −9, three times: another leads within 15 s, running shards go on, each counts once", async () => {
  const { leader } = await started(3);
  const epochs: bigint[] = [];
  for (let round = 0; round < 3; round++) {
    const before = await leader();
    const { id } = await before.api.create({ suite: suite() });
    epochs.push(BigInt(await epochOf(before)));
    await until(
      "a third is done",
      async () => ((await before.api.get(id)).progress?.samplesDone ?? 0) > ITEMS / 3,
      30_000,
    );
    const killedAtMs = Date.now();
    await before.kill();
    const next = await leader();
    const leadsMs = Date.now() - killedAtMs;
    const done = (await next.api.get(id)).progress?.shardsDone ?? 0;
    await until(
      "something new is done",
      async () => ((await next.api.get(id)).progress?.shardsDone ?? 0) > done,
      30_000,
    );
    console.info(
      `round ${round}: another led after ${leadsMs} ms, the next shard was done after ${Date.now() - killedAtMs} ms`,
    );
    expect(leadsMs).toBeLessThan(15_000);
    await isWhole(next, id);
    before.start();
    await until(
      "it follows",
      async () => (await fetch(`http://${before.httpAddress}/health`).catch(() => undefined))?.ok === true,
      30_000,
    );
  }
  expect([...epochs].sort()).toEqual(epochs);
  expect(new Set(epochs).size).toBe(3);
});

test("the leadership is transferred while a campaign runs: another leads, and nothing is stopped", async () => {
  const { leader } = await started(2);
  const before = await leader();
  const { id } = await before.api.create({ suite: suite() });
  await until("it runs", async () => ((await before.api.get(id)).progress?.samplesDone ?? 0) > 20, 30_000);
  const { admin } = before.api;
  const { epoch } = await ask(admin.transferLeadership.bind(admin), { reason: "an update" });
  const next = await until(
    "another leads",
    async () => {
      const now = await leader();
      return now.name !== before.name && now;
    },
    15_000,
  );
  expect(BigInt(await epochOf(next))).toBeGreaterThan(BigInt(epoch));
  await isWhole(next, id);
  expect((await before.api.get(id)).state).toBe(CampaignState.SUCCEEDED); // handed on
});

test("the leader stopped and resumed: its agents go over while what they run is held, and it goes on; it comes back as a follower, and nothing it says counts", async () => {
  const { leader } = await started(2, OWN_TIMERS);
  const before = await leader();
  // One shard for each slot, which lasts longer than the agents need: 15 s to notice, and to dial and be reconciled.
  const { id } = await before.api.create({
    suite: suiteOf({ items: 24, shardSize: 4, options: { latency_ms: 7_000 } }),
  });
  const running = await until("all slots are busy", async () => {
    if ((await before.api.get(id)).state !== CampaignState.RUNNING) return undefined;
    const nodes = await nodesOf(before, id, ["running"]);
    return nodes.size === 6 && nodes;
  });
  before.pause();
  const next = await leader();
  expect(next.name).not.toBe(before.name);
  const said = await next.api.eventsOf("", (seen) => seen.some(({ kind }) => kind === "recovery.ended"));
  expect(said.at(-1)?.message).toBe("work of before goes on: all known nodes are reconciled");
  expect(await nodesOf(next, id, ["running"])).toEqual(running);
  await isWhole(next, id, 24);
  expect(await nodesOf(next, id, ["done"])).toEqual(running);
  before.goOn();
  await until(
    "it follows",
    async () => {
      const health = await fetch(`http://${before.httpAddress}/health`).catch(() => undefined);
      return health?.ok && ((await health.json()) as { leads?: boolean }).leads === false;
    },
    30_000,
  );
  expect(await epochOf(before)).toBe(await epochOf(next)); // handed on
  expect((await before.api.get(id)).state).toBe(CampaignState.SUCCEEDED);
});
