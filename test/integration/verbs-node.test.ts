/** What people do to nodes, through the command, the API, the fleet and back. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { cliOf } from "../support/cli.js";
import { isReady, startFleet, type TestFleet } from "../support/fleet.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
let sai: ReturnType<typeof cliOf>;
beforeAll(async () => {
  fleet = await startFleet({ agents: ["n1"] });
  sai = cliOf(fleet);
});
afterAll(() => fleet?.stop());

const json = async (...args: string[]) => JSON.parse((await sai(...args, "-o", "json")).out);

test("a cordoned node takes nothing, says why, and works again once it is open", async () => {
  const cordoned = await sai("node", "cordon", "n1", "--reason", "new driver");
  expect(cordoned.code).toBe(0);
  expect(cordoned.out).toMatch(/^state +ready, cordoned\nreason +new driver$/m);
  expect((await sai("node", "list")).out).toMatch(/^n1 +ready, cordoned .* new driver$/m);
  expect(await json("node", "cordon", "n1", "--reason", "newer driver")).toMatchObject({
    ...{ id: "n1", state: "ready", cordoned: true, cordonReason: "newer driver" },
  });

  const { id } = await fleet.api.create({ suite: suiteOf({ items: 2 }) });
  const waits = async () => (await fleet.api.get(id)).waiting.length > 0;
  await until("the campaign waits", waits);
  const why = await sai("campaign", "get", id, "--why");
  expect(why.out).toMatch(/waits .*no node can run simulated:m/);
  expect(why.out).toMatch(/cordoned/);
  expect(why.code).toBe(0);

  const open = await sai("node", "uncordon", "n1");
  expect(open.out).toMatch(/^state +ready$/m);
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
  expect(await json("node", "get", "n1")).not.toHaveProperty("cordoned");
});

test("drain: what runs finishes, nothing new comes, --wait ends when nothing is left", async () => {
  const suite = suiteOf({ items: 24, shardSize: 2, options: { latency_ms: 100 } });
  const { id } = await fleet.api.create({ suite });
  await until("n1 works", async () => (await fleet.api.node("n1")).attempts > 0);
  const { code, out, err } = await sai("node", "drain", "n1", "--deadline", "1h", "--wait");
  expect(err).toMatch(/n1 is drained\n$/);
  expect(code).toBe(0);
  expect(out).toMatch(/^state +draining, cordoned$/m);
  expect(out).toMatch(/^attempts +0$/m);
  const { progress } = await fleet.api.get(id);
  expect(progress?.samplesDone).toBeLessThan(24);
  await sai("node", "uncordon", "n1");
  expect((await fleet.api.ended(id)).progress?.samplesDone).toBe(24);
});

test("drain: what runs beyond the deadline is given to others and counts against no shard", async () => {
  const suite = suiteOf({ items: 2, shardSize: 2, options: { latency_ms: 600_000 } });
  const { id } = await fleet.api.create({ suite });
  await until("n1 works", async () => (await fleet.api.node("n1")).attempts === 1);
  const { code, err } = await sai("node", "drain", "n1", "--deadline", "100ms", "--wait", "--reason", "fire");
  expect(err).toMatch(/n1: 1 attempt left\n(.*\n)*n1 is drained\n$/);
  expect(code).toBe(0);
  const [job] = (await fleet.api.get(id)).jobs;
  const { shards } = await fleet.api.job(id, job?.id ?? "");
  expect(shards.map(({ state, attempts }) => ({ state, attempts }))).toEqual([
    { state: "pending", attempts: 0 },
  ]);
  await sai("campaign", "cancel", id);
  await sai("node", "uncordon", "n1");
  await isReady(fleet, "n1");
});

test("labels are set and removed; what is none is refused by name and changes nothing", async () => {
  expect((await sai("node", "label", "n1", "zone=a", "rack=7")).out).toMatch(/^labels +rack=7,zone=a$/m);
  expect((await json("node", "label", "n1", "zone=b", "rack-")).labels).toEqual({ zone: "b" });
  expect((await sai("node", "list")).out).toMatch(/ zone=b /);
  const bad = await sai("node", "label", "n1", "-x=1");
  expect(bad.code).toBe(2);
  const long = await sai("node", "label", "n1", `zone=${"v".repeat(64)}`);
  expect(long.err).toMatch(/^ {2}set\[zone\]: the value has 64 characters/m);
  expect(long.code).toBe(1);
  expect((await json("node", "get", "n1")).labels).toEqual({ zone: "b" });
});

test("a node is forgotten only once it is gone", async () => {
  const live = await sai("node", "remove", "n1");
  expect(live.code).toBe(1);
  expect(live.err).toMatch(/^error: node n1 is ready, not lost\nhint: /);

  await fleet.agent("n2");
  await sai("node", "label", "n2", "zone=c");
  await fleet.stopAgent("n2");
  await until("n2 is lost", async () => (await fleet.api.node("n2")).state === "lost");
  const gone = await sai("node", "remove", "n2");
  expect(gone.out).toBe("node n2 is forgotten\n");
  expect((await sai("node", "list", "-o", "name")).out).toBe("n1\n");
  expect((await sai("node", "get", "n2")).err).toMatch(/^error: no node n2\nhint: `sai node list`/);
  // Whoever comes back is new.
  await fleet.agent("n2");
  expect((await json("node", "get", "n2")).labels ?? {}).toEqual({});
  await fleet.stopAgent("n2");
});

test("nodes nobody knows and reasons that are none are refused", async () => {
  for (const verb of ["cordon", "uncordon", "drain", "remove"])
    expect(await sai("node", verb, "nobody")).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^error: no node nobody/),
    });
  const reason = "x".repeat(501);
  const long = await sai("node", "cordon", "n1", "--reason", reason);
  expect(long.err).toMatch(/^ {2}reason: has 501 characters, at most 500$/m);
  expect(await sai("node", "cordon", "no such/node!")).toMatchObject({ code: 1 });
  expect((await json("node", "get", "n1")).cordoned ?? false).toBe(false);
});
