/** Samples that kill their engine, over the whole path: agents that report deaths, and a real one that runs the rest. */
import { afterEach, expect, test } from "vitest";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { RawAgent } from "../support/raw-agent.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
const raw: RawAgent[] = [];
afterEach(async () => {
  for (const agent of raw.splice(0)) agent.close();
  await fleet?.stop();
});

async function rawAgent(id: string, incarnation = 1n, hello: object = {}): Promise<RawAgent> {
  const agent = new RawAgent(fleet, id, incarnation);
  raw.push(agent);
  await agent.join(hello);
  return agent;
}

type Taken = Awaited<ReturnType<RawAgent["take"]>>;

/** The engine of an attempt dies; resolves when that is written down. */
async function engineDies(agent: RawAgent, { fence, shard }: Taken, items: number[]): Promise<void> {
  agent.send({ $case: "started", value: { fences: [fence] } });
  const failure = {
    fence,
    shard,
    class: "poison",
    message: "the engine's process died",
    cause: "died",
    items,
    spent: undefined,
  };
  const from = agent.seen.length;
  agent.send({ $case: "failed", value: failure });
  const { verdicts } = await agent.answer("commitAck", from);
  expect(verdicts).toMatchObject([{ verdict: "NOTED" }]);
}

const statuses = async (id: string) => (await fleet.api.records(id)).map(({ status }) => status);

test("the second reported death names the sample, whoever reports; a real agent runs what is left", async () => {
  fleet = await startFleet({
    config: (config) => {
      config.store.kind = "embedded";
    },
  });
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 6, shardSize: 6 }) });
  const one = await rawAgent("r1");
  const first = await one.take();
  expect(first.suspects).toEqual([]);
  await engineDies(one, first, [4]);
  one.close();
  await fleet.replaceCoordinator();
  await rawAgent("r1", 2n); // known from before: it is waited for
  const two = await rawAgent("r2");
  const second = await two.take();
  expect(second.suspects).toEqual([4]);
  await engineDies(two, second, [4]);
  const { shards } = await fleet.api.job(id, "j0000");
  expect(shards.map(({ state, first: at, count }) => [state, at, count])).toEqual([
    ["split", 0, 6],
    ["pending", 0, 4],
    ["failed", 4, 1],
    ["pending", 5, 1],
  ]);
  await fleet.agent("n1");
  const campaign = await fleet.api.ended(id);
  expect(campaign).toMatchObject({ state: CampaignState.PARTIAL, reason: "1 sample could not be run" });
  expect(await statuses(id)).toEqual(["ok", "ok", "ok", "ok", "poison", "ok"]);
  const events = await fleet.api.eventsOf(id, (seen) => seen.some((e) => e.kind === "campaign.partial"));
  expect(events.find(({ kind }) => kind === "sample.poison")?.message).toContain("sample 4");
});

test("an agent that dies itself tells it in its next Hello; the attempt goes on, until a sample is named", async () => {
  fleet = await startFleet();
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 3, shardSize: 3 }) });
  let agent = await rawAgent("r1");
  const { fence, shard } = await agent.take();
  agent.send({ $case: "started", value: { fences: [fence] } });
  const verdictOf = async (incarnation: bigint, died: bigint) => {
    agent.close();
    const held = [{ fence, shard, state: "running", lane: "cpu" }];
    agent = await rawAgent("r1", incarnation, {
      held,
      begun: [{ fence, shard, ordinal: 1, incarnation: died }],
    });
    return (await agent.answer("welcome")).verdicts[0]?.verdict;
  };
  expect(await verdictOf(2n, 1n)).toBe("KEEP");
  // A stream that broke: the same death is told again.
  expect(await verdictOf(2n, 1n)).toBe("KEEP");
  expect(await verdictOf(3n, 2n)).toBe("STOP");
  agent.close();
  await fleet.agent("n1");
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.PARTIAL);
  expect(await statuses(id)).toEqual(["ok", "poison", "ok"]);
});

test("an agent that is lost with its attempt is no evidence against a sample", async () => {
  fleet = await startFleet({
    config: (config) => {
      config.coordinator.heartbeatIntervalMs = 100;
    },
  });
  const { id } = await fleet.api.create({ suite: suiteOf({ items: 2, shardSize: 2 }) });
  for (const name of ["r1", "r2"]) {
    const agent = await rawAgent(name);
    const { fence } = await agent.take();
    agent.send({ $case: "started", value: { fences: [fence] } });
    agent.close();
    await until(`${name} is lost`, async () => (await fleet.api.node(name)).state === "lost");
  }
  await fleet.agent("n1");
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
  expect(await statuses(id)).toEqual(["ok", "ok"]);
});
