/**
 * Judge models through the whole program: answers of one model, verdicts of another, each at a scripted server that keeps what
 * it was asked.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Json } from "../../shared/benchmark/json.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { type ScriptedServer, startScriptedServer } from "../support/scripted-server.js";
import { until } from "../support/until.js";

let fleet: TestFleet;
let server: ScriptedServer;
beforeAll(async () => {
  server = await startScriptedServer({ models: [{ name: "m:1" }, { name: "j:1" }] });
  fleet = await startFleet({ agents: ["a1", "a2"] });
});
afterAll(async () => {
  await fleet?.stop();
  await server?.close();
});

const at = () => ({
  engine: "openai",
  options: { base_url: `${server.url}/v1` },
  price: { in_1m: 1, out_1m: 1 },
});
const suiteOf = (more: { [key: string]: Json } = {}) => ({
  ...{ schema: "sai/v1", name: "judged" },
  prompts: [{ id: "ask", template: "say {{ input }}" }],
  models: [{ id: "m", model: "m:1", ...at() }],
  judges: [{ id: "referee", model: "j:1", ...at() }],
  datasets: [
    { id: "d", items: [1, 2, 3, 4, 5].map((n) => ({ id: `q${n}`, input: `${n}`, target: `t${n}` })) },
  ],
  metrics: [
    "cost",
    {
      id: "helpful",
      judge: { model: "referee", template: "[{{ input }}|{{ answer }}|{{ target }}]", scale: [1, 5] },
    },
  ],
  engine_config: { max_retries: 0 },
  run: { shard_size: 2 },
  ...more,
});

const userOf = (body: { [key: string]: unknown }) =>
  String(
    (body["messages"] as { role: string; content: string }[]).find(({ role }) => role === "user")?.content,
  );

async function run(suite: object) {
  server.requests.length = 0;
  const { id } = await fleet.api.create({ suite: JSON.stringify(suite) });
  const campaign = await fleet.api.ended(id);
  const records: ResultRecord[] = await fleet.api.records(id);
  return { id, campaign, records, summary: await fleet.api.summary(id) };
}

const USAGE = { in: 1_000_000, out: 0 };

test("each answer is judged once all are there; what it costs is the judge's", async () => {
  server.setReplies(({ body }) =>
    body["model"] === "m:1"
      ? { chunks: [`answer to ${userOf(body)}`], usage: USAGE }
      : { chunks: [`Verdict: ${userOf(body).slice(1, 2)}`], usage: { in: 2_000_000, out: 0 } },
  );
  const { campaign, summary, records } = await run(suiteOf());
  expect(campaign.state).toBe(CampaignState.SUCCEEDED);
  const order = server.requests.map(({ body }) => body["model"]);
  expect(order).toEqual([...Array(5).fill("m:1"), ...Array(5).fill("j:1")]);
  const asked = server.requests.slice(5).map(({ body }) => userOf(body));
  expect(asked.sort()).toEqual([1, 2, 3, 4, 5].map((n) => `[${n}|answer to say ${n}|t${n}]`));
  const [cell, judge] = summary.cells;
  const value = (of: typeof cell, metric: string) => of?.metrics.find(({ id }) => id === metric);
  expect(value(cell, "helpful")).toMatchObject({ value: 3, n: 5 });
  expect([value(cell, "cost")?.value, value(judge, "cost")?.value]).toEqual([5, 10]);
  expect(judge).toMatchObject({ model: "referee", prompt: "helpful.judge/m/ask", counts: { ok: 5 } });
  const verdicts = records.filter(({ job }) => job === "j0001");
  expect(verdicts.map(({ scores }) => scores["judge.helpful"])).toEqual([1, 2, 3, 4, 5]);
  expect(verdicts[0]).toMatchObject({ model: { id: "referee" }, gen: { temperature: 0 } });
});

test("failures are the worst and nobody is asked about them; verdicts that cannot be read are counted", async () => {
  server.setReplies(({ body }) => {
    const user = userOf(body);
    if (body["model"] === "j:1") return { chunks: [user.includes("[2|") ? "fine" : "verdict: 5"] };
    return user === "say 1" ? { fault: { kind: "status", status: 400, body: "no" } } : { chunks: ["a"] };
  });
  const { summary, records } = await run(suiteOf());
  const helpful = summary.cells[0]?.metrics.find(({ id }) => id === "helpful");
  expect(helpful).toMatchObject({ value: (1 + 5 + 5 + 5) / 4, n: 4, answeredOnly: { value: 5, n: 3 } });
  expect(summary.warnings.join("\n")).toContain("helpful: 1 of 4 answers have no verdict");
  expect(server.requests.filter(({ body }) => body["model"] === "j:1")).toHaveLength(4);
  expect(records.filter(({ job }) => job === "j0001").map(({ status }) => status)).toEqual([
    ...["cancelled", "parse_error", "ok", "ok", "ok"],
  ]);
});

test("a new coordinator gives out the verdicts that are not there yet, once the answers are", async () => {
  const durable = await startFleet({
    agents: ["b1"],
    config: (config) => {
      config.store.kind = "embedded";
    },
  });
  try {
    let isOpen = false;
    server.requests.length = 0;
    server.setReplies(({ body }) =>
      body["model"] === "j:1" && !isOpen
        ? { fault: { kind: "hang_before_headers" } }
        : { chunks: [body["model"] === "j:1" ? "verdict: 4" : "a"] },
    );
    const spec = suiteOf({ run: { shard_size: 1, repetitions: 2 } });
    const { id } = await durable.api.create({ suite: JSON.stringify(spec) });
    await until("a judge is asked", () => server.requests.some(({ body }) => body["model"] === "j:1"));
    await durable.replaceCoordinator();
    isOpen = true;
    await durable.stopAgent("b1");
    await durable.agent("b1");
    await durable.api.ended(id);
    const { cells } = await durable.api.summary(id);
    expect(cells[0]?.metrics.find((metric) => metric.id === "helpful")).toMatchObject({ value: 4, n: 5 });
    expect(server.requests.filter(({ body }) => body["model"] === "m:1")).toHaveLength(10);
  } finally {
    await durable.stop();
  }
}, 60_000);
