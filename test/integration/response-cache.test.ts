/**
 * Answers of before through the whole program: suites, two agents, a folder, and a scripted server that counts what it is
 * asked. A second campaign with the same cells asks nothing and says the same.
 */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Json } from "../../shared/benchmark/json.js";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { type ScriptedServer, startScriptedServer } from "../support/scripted-server.js";

let fleet: TestFleet;
let server: ScriptedServer;

/** What the server is asked is what it answers, so that an answer to another question would be seen. */
const asked = (body: { [key: string]: unknown }) => {
  const messages = body["messages"] as { content: Json }[];
  return JSON.stringify(messages.map(({ content }) => content)).slice(-60);
};

beforeAll(async () => {
  server = await startScriptedServer({ models: [{ name: "m:1" }, { name: "n:1" }] });
  server.setReplies(({ body }) => ({ chunks: [asked(body)], usage: { in: 1000, out: 500 } }));
  fleet = await startFleet({ agents: ["a1", "a2"] });
});
afterAll(async () => {
  await fleet?.stop();
  await server?.close();
});
afterEach(() => rm(join(fleet.folder, "artifacts", "cache"), { recursive: true, force: true }));

const suiteOf = (more: { [key: string]: Json } = {}, model: { [key: string]: Json } = {}) => ({
  ...{ schema: "sai/v1", name: "cached" },
  prompts: [{ id: "ask", template: "{{ input }}", system: "Be brief." }],
  models: [
    {
      ...{ id: "m", engine: "openai", model: "m:1", revision: "r1", price: { in_1m: 1, out_1m: 2 } },
      ...{ options: { base_url: `${server.url}/v1` }, ...model },
    },
  ],
  datasets: [
    { id: "d", items: [1, 2, 3, 4, 5, 6].map((n) => ({ id: `q${n}`, input: `say ${n}`, target: "x" })) },
  ],
  metrics: ["contains", "cost", "latency", "throughput"],
  engine_config: { temperature: 0 },
  run: { cache: "deterministic", shard_size: 3 },
  ...more,
});

async function run(suite: object) {
  const before = server.requests.length;
  const { id } = await fleet.api.create({ suite: JSON.stringify(suite) });
  const { state } = await fleet.api.ended(id);
  expect(state).toBe(CampaignState.SUCCEEDED);
  const records: ResultRecord[] = await fleet.api.records(id);
  const summary = await fleet.api.summary(id);
  const [cell] = summary.cells;
  if (cell === undefined) throw new Error("no cell");
  return { id, records, summary, cell, requests: server.requests.length - before };
}

const metric = (ran: Awaited<ReturnType<typeof run>>, id: string) =>
  ran.cell.metrics.find((m) => m.id === id);

test("a second campaign asks nothing, says the same, and has no times, no rates and no cost", async () => {
  const first = await run(suiteOf());
  expect(first.requests).toBe(6);
  expect(first.records.every(({ cached }) => !cached)).toBe(true);
  const second = await run(suiteOf());
  expect(second.requests).toBe(0);
  const said = ({ records }: typeof first) =>
    records.map(({ ordinal, output, scores, status, finish, tokens, pair_key, cache_key }) => ({
      ...{ ordinal, output, scores, status, finish, tokens, pair_key, cache_key },
    }));
  expect(said(second)).toEqual(said(first));
  for (const record of second.records) {
    expect(record).toMatchObject({ cached: true, cost_usd: 0, tries: [], chunks: 0, server: {} });
    expect(record.cost_avoided_usd).toBeCloseTo(0.002, 9);
    expect([record.gpu_window, record.load_ns, record.t_ns.first_token]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  }
  expect(second.cell).toMatchObject({ cached: 6, counts: { ok: 6 } });
  expect([second.cell.e2eMs, second.cell.ttftMs, second.cell.tpotMs]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(metric(second, "contains")?.value).toBe(metric(first, "contains")?.value);
  expect(metric(first, "cost")?.value).toBeCloseTo(0.012, 9);
  expect(metric(second, "cost")?.value).toBe(0);
  expect(second.cell.costAvoidedUsd).toBeCloseTo(0.012, 9);
  expect(metric(second, "latency")?.value).toBeUndefined();
  expect(metric(second, "throughput")?.value).toBeUndefined();
  for (const id of ["latency", "throughput"])
    expect(metric(second, id)?.reason).toBe("all answers came from the cache");
  expect(second.summary.warnings.join("\n")).toContain(
    "6 of 6 samples answered from the cache, $0.0120 not spent",
  );
});

test("what is new is asked and measured, beside what is not", async () => {
  await run(suiteOf());
  const suite = suiteOf();
  suite.datasets[0]?.items.push({ id: "q7", input: "say 7", target: "x" });
  const more = await run(suite);
  expect(more.requests).toBe(1);
  expect(more.cell).toMatchObject({ cached: 6, e2eMs: { n: 1 } });
  expect(metric(more, "cost")?.value).toBeCloseTo(0.002, 9);
  expect(more.records.filter(({ cached }) => !cached).map(({ item_id }) => item_id)).toEqual(["q7"]);
});

const OTHERS: [string, { [key: string]: Json }, { [key: string]: Json }][] = [
  ["another system prompt", { prompts: [{ id: "ask", template: "{{ input }}", system: "Be long." }] }, {}],
  ["another prompt", { prompts: [{ id: "ask", template: "{{ input }}!", system: "Be brief." }] }, {}],
  ["other settings", { engine_config: { temperature: 0, max_tokens: 9 } }, {}],
  ["a seed", { engine_config: { temperature: 0, seed: 1 } }, {}],
  ["another model", {}, { model: "n:1" }],
  ["another revision", {}, { revision: "r2" }],
];
test.each(OTHERS)("%s is another question", async (_, more, model) => {
  await run(suiteOf());
  expect((await run(suiteOf(more, model))).requests).toBe(6);
});

test("patience is none: other timeouts, retries, warm-ups and metrics ask nothing", async () => {
  await run(suiteOf());
  const patient = {
    engine_config: { temperature: 0, timeout: 99, max_retries: 9 },
    run: { cache: "deterministic", warmup: 2, shard_size: 2 },
    metrics: ["exact_match"],
  };
  expect((await run(suiteOf(patient))).requests).toBe(0);
});

test("each repetition is asked once and has its own answer", async () => {
  let n = 0;
  server.setReplies(() => ({ chunks: [`answer ${n++}`] }));
  const twice = { run: { cache: "deterministic", repetitions: 2 }, engine_config: { seed: 7 } };
  const first = await run(suiteOf(twice));
  expect(first.requests).toBe(12);
  const second = await run(suiteOf(twice));
  expect(second.requests).toBe(0);
  expect(second.records.map(({ output }) => output)).toEqual(first.records.map(({ output }) => output));
  expect(new Set(second.records.map(({ output }) => output)).size).toBe(12);
});

test("errors and refusals are asked again, and so is what was given up at a limit", async () => {
  server.setReplies(({ body }) => {
    const text = asked(body);
    if (text.includes("say 1")) return { fault: { kind: "status", status: 400, body: "no" } };
    if (text.includes("say 2")) return { refusal: "I will not" };
    if (text.includes("say 3")) return { fault: { kind: "status", status: 429, body: "later" } };
    return { chunks: ["yes"], finish: text.includes("say 4") ? "length" : "stop" };
  });
  const hasty = { engine_config: { temperature: 0, max_retries: 0 } };
  const { id } = await fleet.api.create({ suite: JSON.stringify(suiteOf(hasty)) });
  await fleet.api.ended(id);
  server.setReplies(() => ({ chunks: ["now"] }));
  const { records } = await run(suiteOf(hasty));
  expect(records.map(({ cached }) => cached)).toEqual([false, false, false, true, true, true]);
});

test("pictures are part of the question", async () => {
  const picture = (grey: number) =>
    sharp({ create: { width: 8, height: 8, channels: 3, background: { r: grey, g: grey, b: grey } } })
      .png()
      .toBuffer();
  const datasets = join(fleet.folder, "datasets", "seen");
  await mkdir(datasets, { recursive: true });
  const suite = suiteOf({
    prompts: [{ id: "look", template: "What is it?" }],
    datasets: [{ id: "seen", type: "images", path: "seen" }],
    metrics: ["latency"],
  });
  await writeFile(join(datasets, "a.png"), await picture(10));
  expect((await run(suite)).requests).toBe(1);
  expect((await run(suite)).requests).toBe(0);
  await writeFile(join(datasets, "a.png"), await picture(200));
  expect((await run(suite)).requests).toBe(1);
});

test("what is not sure to be the same again is asked, and that is said once a job", async () => {
  for (const [more, model, why] of [
    [{}, { revision: null }, "nothing says which version of the model answers"],
    [{ engine_config: { temperature: 0.7 } }, {}, "neither temperature 0 nor a seed"],
  ] as [{ [key: string]: Json }, { [key: string]: Json }, string][]) {
    const suite = suiteOf(more, model);
    for (const spec of suite.models) if (spec.revision === null) Reflect.deleteProperty(spec, "revision");
    await run(suite);
    const again = await run(suite);
    expect(again.requests).toBe(6);
    expect(again.summary.warnings.filter((text) => text.includes(why))).toHaveLength(1);
  }
});

test("off is the default, for suites and for operators", async () => {
  await run(suiteOf({ run: {} }));
  expect((await run(suiteOf({ run: {} }))).requests).toBe(6);
  await fleet.stopAgent("a2");
  await fleet.stopAgent("a1");
  await fleet.agent("a3", (config) => {
    config.performance.resultCache = false;
  });
  try {
    await run(suiteOf());
    const again = await run(suiteOf());
    expect(again.requests).toBe(6);
    expect(again.summary.warnings.join("\n")).toContain("switched off on an agent");
  } finally {
    await fleet.stopAgent("a3");
    await fleet.agent("a1");
  }
});

test("a load is never answered from it", async () => {
  const quality = suiteOf();
  await run(quality);
  const load = await run({
    ...quality,
    run: { mode: "load", cache: "deterministic", warmup: 0 },
    load: { kind: "concurrency", values: 1, duration_s: 0.2 },
  });
  expect(load.requests).toBe(load.records.length);
  expect(load.records.some(({ cached }) => cached)).toBe(false);
});

test("simulated and damaged: what does not prove itself is asked again, and said", async () => {
  const suite = {
    ...suiteOf({ metrics: ["exact_match", "latency"] }),
    models: [{ id: "s", engine: "simulated", model: "s", options: { accuracy: 0.5, seed: 3 } }],
  };
  const first = await run(suite);
  const folder = join(fleet.folder, "artifacts", "cache");
  const entries = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((e) => e.isFile());
  expect(entries).toHaveLength(6);
  const [entry] = entries;
  const path = join(entry?.parentPath ?? "", entry?.name ?? "");
  await writeFile(path, (await readFile(path, "utf8")).replace('"source"', '"Source"'));
  const second = await run(suite);
  expect(second.cell.cached).toBe(5);
  expect(fleet.logs.some(({ msg }) => msg.startsWith("a damaged answer in the response cache"))).toBe(true);
  expect(metric(second, "exact_match")?.value).toBe(metric(first, "exact_match")?.value);
  // It was replaced.
  expect((await run(suite)).cell.cached).toBe(6);
});
