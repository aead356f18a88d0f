/** What an agent's stop owes others: time it does not wait for, goodbyes only after Hello, work given back. */
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import type { Config } from "../../shared/runtime/config.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { suiteOf } from "../support/suites.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
const servers: Server[] = [];
afterEach(async () => {
  await fleet?.stop();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** An Ollama that answers, and says nothing at all when it is asked to unload a model. */
async function stubbornOllama(): Promise<{ url: string; asked(): boolean }> {
  let asked = false;
  const json = (res: ServerResponse, body: object) => {
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify(body));
  };
  const server = createServer(async (req, res) => {
    let text = "";
    for await (const part of req) text += part;
    if (req.url === "/api/version") return json(res, { version: "0.12.0" });
    if (req.url === "/api/tags") return json(res, { models: [{ name: "m", digest: "d" }] });
    if (req.url === "/api/ps") return json(res, { models: [] });
    const { keep_alive } = JSON.parse(text) as { keep_alive?: unknown };
    if (req.url === "/api/generate" && keep_alive === 0) {
      asked = true;
      return;
    }
    json(res, { model: "m", response: "", message: { role: "assistant", content: "a" }, done: true });
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked };
}

test("a server that never answers the unload of its model does not keep the agent from stopping", async () => {
  const ollama = await stubbornOllama();
  fleet = await startFleet();
  await fleet.agent("n1", (config) => {
    config.engines.ollama.baseUrl = ollama.url;
  });
  const { id } = await fleet.api.create({ suite: suiteOf({ model: { engine: "ollama", model: "m" } }) });
  await fleet.api.ended(id);
  await fleet.stopAgent("n1");
  expect(ollama.asked()).toBe(true);
  const left = fleet.logs.filter(({ msg }) => msg === "left behind at the stop");
  expect(left.map(({ what }) => what)).toContain("models");
  expect(fleet.logs.some(({ msg }) => msg === "agent stopped")).toBe(true);
});

test("an agent that stops gives what it has not started to others at once, while it finishes the rest", async () => {
  fleet = await startFleet();
  await fleet.agent("n1", (config) => {
    config.agent.cpuSlots = 1;
    config.agent.drainTimeoutMs = 600_000;
  });
  const { id } = await fleet.api.create({
    suite: suiteOf({ items: 2, shardSize: 1, options: { latency_ms: 4000 } }),
  });
  const states = async () => (await fleet.api.job(id, "j0000")).shards.map(({ state }) => state).sort();
  await until("it is planned", async () => (await fleet.api.get(id)).jobs.length > 0);
  await until("one runs and one waits behind it", async () => (await states()).join() === "accepted,running");
  const stopped = fleet.stopAgent("n1");
  await until("the waiting one is given back", async () => (await states()).join() === "pending,running");
  await stopped;
  const rejected = fleet.logs.filter(({ reason }) => reason === "draining");
  expect(rejected).toEqual([]);
});

test("what an agent had begun when it was stopped costs no attempt, and its next start goes on with it", async () => {
  fleet = await startFleet();
  const slowly = (config: Config) => {
    config.agent.cpuSlots = 1;
    config.agent.drainTimeoutMs = 0;
  };
  await fleet.agent("n1", slowly);
  // One attempt is all there is: a stop that counted would end the shard.
  const run = { retry: { max: 1 } };
  const { id } = await fleet.api.create({
    suite: suiteOf({ items: 6, shardSize: 6, options: { latency_ms: 150 }, run }),
  });
  for (let stops = 0; stops < 2; stops += 1) {
    const done = async () => (await fleet.api.get(id)).progress?.samplesRunning ?? 0;
    await until("some samples are recorded", async () => (await done()) > stops);
    await fleet.stopAgent("n1");
    const [shard] = (await fleet.api.job(id, "j0000")).shards;
    expect(shard).toMatchObject({ state: "pending", attempts: 0 });
    await fleet.agent("n1", slowly);
  }
  expect((await fleet.api.ended(id)).state).toBe(CampaignState.SUCCEEDED);
  const records = await fleet.api.records(id);
  expect(records.map(({ status }) => status)).toEqual(Array(6).fill("ok"));
  // All under one name: the later starts went on with the attempt of the first.
  expect(new Set(records.map(({ attempt }) => attempt)).size).toBe(1);
});

test("an agent stopped before it could say Hello says no goodbye", async () => {
  fleet = await startFleet();
  for (let n = 0; n < 5; n += 1) {
    await fleet.agent(`n${n}`, undefined, false);
    await new Promise((resolve) => setTimeout(resolve, n));
    await fleet.stopAgent(`n${n}`);
  }
  expect(JSON.stringify(fleet.logs)).not.toContain("the first message must be Hello");
});
