/** Judged answers scored anew, run again, and compared: what was judged stays judged. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Json } from "../../shared/benchmark/json.js";
import { CompareRequest } from "../../shared/gen/sai/v1/compare.js";
import type { Summary } from "../../shared/gen/sai/v1/result.js";
import { ask } from "../support/api.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { type ScriptedServer, startScriptedServer } from "../support/scripted-server.js";

let fleet: TestFleet;
let server: ScriptedServer;
beforeAll(async () => {
  server = await startScriptedServer({ models: [{ name: "m:1" }, { name: "j:1" }] });
  fleet = await startFleet({ agents: ["a1"] });
});
afterAll(async () => {
  await fleet?.stop();
  await server?.close();
});

const suiteOf = (scale: Json) => {
  const at = { engine: "openai", options: { base_url: `${server.url}/v1` } };
  return JSON.stringify({
    ...{ schema: "sai/v1", name: "judged" },
    prompts: [{ id: "ask", template: "say {{ input }}" }],
    models: [{ id: "m", model: "m:1", ...at }],
    judges: [{ id: "referee", model: "j:1", ...at }],
    datasets: [{ id: "d", items: [1, 2, 3, 4].map((n) => ({ id: `q${n}`, input: `${n}`, target: "t" })) }],
    metrics: [{ id: "helpful", judge: { model: "referee", template: "judge {{ answer }}", scale } }],
    engine_config: { max_retries: 0 },
    run: { shard_size: 3 },
  });
};

const userOf = (body: { [key: string]: unknown }) =>
  String(
    (body["messages"] as { role: string; content: string }[]).find(({ role }) => role === "user")?.content,
  );

test("another scale is another reading of the same verdicts; a retry has verdicts on what it answered", async () => {
  let isWell = false;
  server.setReplies(({ body }) => {
    const user = userOf(body);
    if (user.startsWith("judge")) return { chunks: [`verdict: ${user.at(-1)}`] };
    if (user === "say 2" && !isWell) return { fault: { kind: "status", status: 400, body: "no" } };
    return { chunks: [`answer ${user.at(-1)}`] };
  });
  const { id } = await fleet.api.create({ suite: suiteOf([1, 5]) });
  await fleet.api.ended(id);
  const helpful = async (of: ReturnType<TestFleet["api"]["summary"]>) =>
    (await of).cells[0]?.metrics.find((metric) => metric.id === "helpful");
  expect(await helpful(fleet.api.summary(id))).toMatchObject({ value: (1 + 1 + 3 + 4) / 4, n: 4 });
  // By a scale that ends at 3 the verdict 4 is none; nobody is asked.
  const asked = server.requests.length;
  const spec = { suite: suiteOf([1, 3]), inputs: [], modelMap: {}, priority: 0, tenant: "" };
  const rescore = fleet.api.results.rescore.bind(fleet.api.results);
  const rescored = ask(rescore, { campaignId: id, spec });
  expect(await helpful(rescored.then(({ summary }) => summary as Summary))).toMatchObject({
    value: (1 + 1 + 3) / 3,
    n: 3,
  });
  expect(server.requests).toHaveLength(asked);

  isWell = true;
  const request = { id, idempotencyKey: "", budget: undefined };
  const { campaign } = await ask(fleet.api.campaigns.retryCampaign.bind(fleet.api.campaigns), request);
  const again = campaign?.id ?? "";
  await fleet.api.ended(again);
  expect(await helpful(fleet.api.summary(again))).toMatchObject({ value: 2.5, n: 4 });
  expect(server.requests.slice(asked).map(({ body }) => userOf(body))).toEqual(["say 2", "judge answer 2"]);

  // The first campaign against its retry: what failed there has a verdict here.
  const compare = fleet.api.results.compare.bind(fleet.api.results);
  const of = CompareRequest.fromPartial({ base: id, candidate: again, metrics: ["helpful"] });
  const { comparing: comparison } = await ask(compare, of);
  expect(comparison?.unmatched).toEqual([]);
  expect(comparison?.cells.map(({ candidate }) => candidate?.model)).toEqual(["m"]);
  const [metric] = comparison?.cells[0]?.metrics ?? [];
  expect(metric).toMatchObject({ id: "helpful", n: 4 });
  expect(metric?.difference).toBeCloseTo(0.25, 12);
});
