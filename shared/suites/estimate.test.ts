import { expect, test } from "vitest";
import { estimateRun } from "./estimate.js";
import { planOf, prepareSuite } from "./prepare.js";

async function estimate(models: string, more = "", nodes = 1) {
  const items = Array.from({ length: 40 }, (_, i) => `{input: "${"x".repeat(396)}${1000 + i}"}`).join(", ");
  const text = `schema: sai/v1
name: n
prompts: [{id: p, template: "{{ input }}"}, {id: q, template: "{{ input }}"}]
models: [${models}]
datasets: [{id: d, items: [${items}]}]
metrics: [latency]
run: {shard_size: 16, repetitions: 2}
${more}
`;
  const prepared = await prepareSuite({ text, modelMap: {} });
  expect(prepared.findings).toEqual([]);
  return estimateRun(planOf(prepared, ""), prepared.datasets, nodes);
}

const PRICED = "{id: m, engine: openai, model: own, price: {in_1m: 1, out_1m: 10}}";

test("a bound of cost: every token in, every answer as long as it may be", async () => {
  const { cells, shards, mostUsd, unpriced } = await estimate(PRICED, "engine_config: {max_tokens: 50}");
  expect(cells.map(({ prompt, samples, shards: own }) => [prompt, samples, own])).toEqual([
    ["p", 80, 5],
    ["q", 80, 5],
  ]);
  expect(shards).toBe(10);
  // 160 samples of 100 tokens in at $1, 50 out at $10.
  expect(mostUsd).toBeCloseTo((160 * (100 * 1 + 50 * 10)) / 1e6, 10);
  expect(unpriced).toEqual([]);
});

test("list prices, models of one's own, and those whose price nobody knows", async () => {
  const models =
    "{id: a, engine: openai, model: gpt-4o-mini}, {id: b, engine: ollama}, {id: c, engine: openai}";
  const { cells, unpriced } = await estimate(models, "engine_config: {max_tokens: 100}");
  expect(cells.slice(0, 3).map(({ mostUsd }) => mostUsd)).toEqual([
    expect.closeTo((80 * (100 * 0.15 + 100 * 0.6)) / 1e6, 10),
    0,
    undefined,
  ]);
  expect(unpriced).toEqual(["c"]);
});

test("time: what the simulated engine says, over requests in flight and nodes", async () => {
  const model = "{id: m, engine: simulated, model: s, options: {latency_ms: 500}}";
  expect((await estimate(model)).seconds).toBeCloseTo(80);
  expect((await estimate(model, "engine_config: {max_concurrent_requests: 4}", 2)).seconds).toBeCloseTo(10);
  expect((await estimate(model, "", 0)).seconds).toBeCloseTo(80);
});
