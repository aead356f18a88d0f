/**
 * Model servers that fail, over the whole path: whatever they do, the campaign ends, every sample has its status and
 * class, and the summary names the server.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Json } from "../../shared/benchmark/json.js";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import {
  refusedUrl,
  type ScriptedReply,
  type ScriptedServer,
  type ScriptedServerOptions,
  startScriptedServer,
} from "../support/scripted-server.js";
import { suiteOf } from "../support/suites.js";

let fleet: TestFleet;
const servers: ScriptedServer[] = [];
beforeAll(async () => {
  fleet = await startFleet({ agents: ["n1"] });
});
afterAll(() => fleet?.stop());
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serverWith(replies: ScriptedServerOptions["replies"]): Promise<ScriptedServer> {
  const server = await startScriptedServer({ models: [{ name: "m" }], ...(replies ? { replies } : {}) });
  servers.push(server);
  return server;
}

/** A campaign on an OpenAI-compatible server at `url`, to its end. */
async function run(
  url: string,
  more: { engine?: { [key: string]: Json }; run?: { [key: string]: Json }; items?: number } = {},
) {
  const engineConfig = { base_url: `${url}/v1`, max_retries: 0, timeout_seconds: 1, ...more.engine };
  const model = { engine: "openai", model: "m" };
  const { items = 4, run = {} } = more;
  const suite = suiteOf({ model, engineConfig, items, run: { retry: { max: 1 }, ...run } });
  const { id } = await fleet.api.create({ suite });
  const campaign = await fleet.api.ended(id);
  const [cell] = (await fleet.api.summary(id)).cells;
  return { id, campaign, records: await fleet.api.records(id), cell };
}

const cases: { what: string; reply: ScriptedReply; status: string; class: string; more?: object }[] = [
  { what: "hangs", reply: { fault: { kind: "hang_before_headers" } }, status: "timeout", class: "timeout" },
  {
    what: "hangs in the middle",
    reply: { fault: { kind: "hang_mid_stream", after: 1 } },
    status: "timeout",
    class: "timeout",
  },
  {
    what: "never finishes",
    reply: { betweenMs: 5, fault: { kind: "never_finish" } },
    status: "timeout",
    class: "timeout",
  },
  {
    what: "dies in the middle",
    reply: { fault: { kind: "die_mid_stream", after: 1 } },
    status: "engine_error",
    class: "connection_lost",
  },
  {
    what: "answers 200 and then an error",
    reply: { fault: { kind: "error_in_stream", after: 1, message: "the GPU is on fire" } },
    status: "engine_error",
    class: "server_error",
  },
  {
    what: "sends garbage",
    reply: { fault: { kind: "garbage", after: 1 } },
    status: "engine_error",
    class: "garbage",
  },
];

test.each(cases)("a server that $what: every sample says so and the campaign ends", async (given) => {
  const server = await serverWith([given.reply]);
  const { campaign, records, cell } = await run(server.url, {
    items: 2,
    engine: { timeout_seconds: 0.3 },
  });
  expect(records.map(({ status, error }) => [status, error?.class])).toEqual([
    [given.status, given.class],
    [given.status, given.class],
  ]);
  expect(campaign.state).toBe(CampaignState.FAILED);
  expect(campaign.reason).toBe("2 samples could not be run");
  expect(cell?.failures).toMatchObject([{ status: given.status, class: given.class, count: 2 }]);
  if (given.status !== "timeout") expect(cell?.failures[0]?.example).toContain(server.url);
});

test("a server that fails some requests: the campaign is PARTIAL and the others count", async () => {
  const server = await serverWith((request, index) =>
    index % 2 === 0
      ? { chunks: [String(answerTo(request.body))] }
      : { fault: { kind: "status", status: 400 } },
  );
  const { campaign, cell } = await run(server.url, { items: 6 });
  expect(campaign.state).toBe(CampaignState.PARTIAL);
  expect(cell?.counts).toMatchObject({ planned: 6, ok: 3, engineError: 3, notRun: 0 });
  expect(cell?.metrics[0]).toMatchObject({ value: 0.5, n: 6, answeredOnly: { value: 1, n: 3 } });
});

test("a server that is busy for a while is asked again, and nothing fails", async () => {
  const server = await serverWith((request, index) =>
    index < 3 ? { fault: { kind: "status", status: 503 } } : { chunks: [String(answerTo(request.body))] },
  );
  const { campaign, records, cell } = await run(server.url, {
    items: 2,
    engine: { max_retries: 3, retry_delay: 0.01 },
  });
  expect(campaign.state).toBe(CampaignState.SUCCEEDED);
  expect(records.flatMap(({ tries }) => tries)).toHaveLength(5);
  expect(cell?.metrics[0]?.value).toBe(1);
});

test("a server that refuses connections: the campaign fails and says where it tried", async () => {
  const url = await refusedUrl();
  const { campaign, records, cell } = await run(url);
  expect(campaign.state).toBe(CampaignState.FAILED);
  expect(records.map(({ status }) => status)).toEqual(Array(4).fill("engine_error"));
  expect(cell?.failures).toMatchObject([{ status: "engine_error", class: "connection_refused", count: 4 }]);
  expect(cell?.failures[0]?.example).toContain(url);
  expect(cell?.counts).toMatchObject({ planned: 4, engineError: 4, notRun: 0 });
});

test("a model the server does not have is asked for as often as run.retry.max says, no more", async () => {
  const server = await serverWith([{}]);
  const model = { engine: "openai", model: "absent" };
  const suite = suiteOf({ model, engineConfig: { base_url: `${server.url}/v1` }, items: 4 });
  const { id } = await fleet.api.create({ suite });
  const campaign = await fleet.api.ended(id);
  expect(campaign.state).toBe(CampaignState.FAILED);
  const [cell] = (await fleet.api.summary(id)).cells;
  expect(cell?.failures[0]?.class).toBe("model_missing");
  expect(cell?.failures[0]?.example).toContain("does not serve it");
  const requeued = await fleet.api.eventsOf(id, (seen) => seen.some((e) => e.kind === "campaign.failed"));
  // Two shards, three attempts each, as run.retry.max says by default.
  expect(requeued.filter((e) => e.kind === "shard.requeued")).toHaveLength(4);
});

test("an Ollama that is not there ends the campaign with the reason", async () => {
  const url = await refusedUrl();
  const suite = suiteOf({
    model: { engine: "ollama", model: "m" },
    engineConfig: { base_url: url, max_retries: 0 },
    items: 4,
  });
  const { id } = await fleet.api.create({ suite });
  const campaign = await fleet.api.ended(id);
  expect(campaign.state).toBe(CampaignState.FAILED);
  const [cell] = (await fleet.api.summary(id)).cells;
  expect(cell?.failures[0]?.example).toContain(url);
});

test("max_failures ends a job early and says so", async () => {
  const server = await serverWith([{ fault: { kind: "status", status: 400 } }]);
  const { campaign, cell } = await run(server.url, {
    items: 400,
    run: { max_failures: 3, shard_size: 1 },
  });
  expect(campaign.state).toBe(CampaignState.FAILED);
  expect(campaign.reason).toMatch(/^\d+ samples failed, max_failures allows 3$/);
  expect(cell?.counts?.notRun).toBeGreaterThan(0);
  expect((cell?.counts?.engineError ?? 0) + (cell?.counts?.notRun ?? 0)).toBe(400);
});

test("failure_threshold ends a job early once 20 samples say so", async () => {
  const server = await serverWith([{ fault: { kind: "status", status: 400 } }]);
  const { campaign, cell } = await run(server.url, {
    items: 400,
    run: { failure_threshold: 0.5, shard_size: 1 },
  });
  expect(campaign.reason).toMatch(/^(\d+) of \1 samples failed, failure_threshold allows 0.5$/);
  expect(cell?.counts?.engineError).toBeGreaterThanOrEqual(20);
  expect(cell?.counts?.notRun).toBeGreaterThan(0);
});

test("max_concurrent_requests holds over all attempts of a job", async () => {
  let inFlight = 0;
  let most = 0;
  const server = await serverWith((request) => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    return { beforeHeadersMs: 10, chunks: [String(answerTo(request.body))] };
  });
  // What the server holds is counted at its replies' ends, which it writes down.
  const watch = setInterval(() => {
    inFlight = server.requests.filter((r) => r.writesNs.length === 0).length;
  }, 1);
  const { campaign } = await run(server.url, {
    items: 24,
    engine: { max_concurrent_requests: 2 },
    run: { shard_size: 1 },
  });
  clearInterval(watch);
  expect(campaign.state).toBe(CampaignState.SUCCEEDED);
  expect(most).toBe(2);
});

/** `question 3` is answered by a3. */
function answerTo(body: { [key: string]: unknown }): string {
  const text = JSON.stringify(body["messages"]);
  return `a${/question (\d+)/.exec(text)?.[1]}`;
}
