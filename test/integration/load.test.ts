/**
 * A server put under load through the whole program: suite, plan, coordinator, agent, a generator process of its own, a
 * scripted server on a real socket, records, summary.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ResultRecord } from "../../shared/benchmark/record.js";
import { CampaignState } from "../../shared/gen/sai/v1/campaign.js";
import { startFleet, type TestFleet } from "../support/fleet.js";
import { type ScriptedServer, startScriptedServer } from "../support/scripted-server.js";

let fleet: TestFleet;
let server: ScriptedServer;

beforeAll(async () => {
  server = await startScriptedServer({ models: [{ name: "m:1" }] });
  fleet = await startFleet({ agents: ["a1", "a2"] });
});
afterAll(async () => {
  await fleet?.stop();
  await server?.close();
});

const suiteOf = (more: object) =>
  JSON.stringify({
    ...{ schema: "sai/v1", name: "load" },
    prompts: [{ id: "ask", template: "{{ input }}", system: "Be brief.", output: "json" }],
    models: [{ id: "m", engine: "openai", model: "m:1", options: { base_url: `${server.url}/v1` } }],
    datasets: [{ id: "made", type: "synthetic", input_tokens: 20, output_tokens: 3, n: 4 }],
    ...more,
  });

const REPLY = { chunks: ["a", "b", "c"], betweenMs: 5, usage: { in: 20, out: 3 } };

async function run(more: object, reply: Parameters<ScriptedServer["setReplies"]>[0] = [REPLY]) {
  server.requests.length = 0;
  server.setReplies(reply);
  const { id } = await fleet.api.create({ suite: suiteOf(more) });
  const campaign = await fleet.api.ended(id, 25_000);
  const records: ResultRecord[] = await fleet.api.records(id);
  return { campaign, records, summary: await fleet.api.summary(id) };
}

test("closed loop: each level is a job of its own, one after the other, and keeps its number of requests on their way", async () => {
  const { campaign, records, summary } = await run({
    run: { mode: "load", warmup: 2 },
    load: { kind: "concurrency", values: [1, 4], duration_s: 0.4, drain_s: 5, slo: { ttft_ms: 1000 } },
  });
  expect(campaign.state).toBe(CampaignState.SUCCEEDED);
  const [one, four] = summary.cells;
  expect([one?.load?.value, four?.load?.value]).toEqual([1, 4]);
  expect([one?.load?.peakInflight, four?.load?.peakInflight]).toEqual([1, 4]);
  expect(one?.load).toMatchObject({ kind: "concurrency", windows: 1, goodputShare: 1, goodputReason: "" });
  expect(one?.load?.keepsUp).toBeUndefined();
  // Warm-up requests were sent, and are in no record.
  expect(server.requests).toHaveLength(records.length + 2 * 2);
  expect(records.length).toBe((one?.load?.requests ?? 0) + (four?.load?.requests ?? 0));
  expect(four?.counts).toMatchObject({ planned: four?.load?.requests, ok: four?.load?.requests, notRun: 0 });
  for (const record of records) {
    const { scheduled, sent, first_byte, first_token, last_token, done } = record.t_ns;
    const inOrder = [scheduled, sent, first_byte, first_token, last_token, done].map(Number);
    expect(inOrder).toEqual([...inOrder].sort((a, b) => a - b));
    expect(record).toMatchObject({ status: "ok", chunks: 3, tokens: { in: 20, out: 3, source: "server" } });
    expect(record.output).toBeUndefined();
  }
  const [first] = records;
  expect(first?.load_window).toMatchObject({ ms: 400, requests: one?.load?.requests });
  // The prompt's system message and the fixed length of the answer went to the server.
  expect(server.requests[0]?.body).toMatchObject({
    messages: [{ role: "system", content: "Be brief." }, { role: "user" }],
    ...{ max_tokens: 3, ignore_eos: true, stream: true },
  });
});

test("open loop: what is due is sent, whatever the server does; at max_inflight it waits, and what has not ended fails", async () => {
  const { records, summary } = await run(
    {
      run: { mode: "load", warmup: 0 },
      load: { kind: "constant", values: [40], duration_s: 0.5, drain_s: 0.2, max_inflight: 2 },
    },
    [{ ...REPLY, betweenMs: 50 }],
  );
  const load = summary.cells[0]?.load;
  expect(records).toHaveLength(20);
  expect(records.map(({ t_ns }) => t_ns.scheduled)).toEqual(
    Array.from({ length: 20 }, (_, i) => i * 25_000_000),
  );
  // Two at once, 100 ms or more each, for 0.7 s: at most 14 are answered.
  expect(load?.answered).toBeLessThanOrEqual(14);
  expect(load?.unfinished).toBe(20 - (load?.answered ?? 0));
  expect(load?.keepsUp).toBe(false);
  expect(load?.flags).toEqual(expect.arrayContaining(["censored", "max_inflight", "sched_lag"]));
  expect(load?.lagMs?.max).toBeGreaterThan(100);
  expect(records.at(-1)).toMatchObject({ status: "timeout", error: { class: "unfinished" } });
  // Never more than two at the server at once, and those that were given up were let go of.
  expect(load?.peakInflight).toBe(2);
  expect(summary.warnings.join("\n")).toMatch(/requests have no end .* censored/);
});

test("busted prompts share no prefix, not even over windows; Poisson arrivals are the same for the same seed", async () => {
  const suite = {
    run: { mode: "load", warmup: 1, repetitions: 2 },
    load: { kind: "poisson", values: [60], duration_s: 0.3, prompt_cache: "bust", seed: 7 },
  };
  const [a, b] = [await run(suite), await run(suite)];
  const times = ({ records }: { records: ResultRecord[] }) => records.map(({ t_ns }) => t_ns.scheduled);
  expect(times(a)).toEqual(times(b));
  expect(a.summary.cells[0]?.load?.windows).toBe(2);
  const begins = server.requests.map(({ body }) => {
    const [system] = body["messages"] as { content: string }[];
    return system?.content.slice(0, 20);
  });
  expect(new Set(begins).size).toBe(begins.length);
});

test("a sweep runs all its levels, and says which one the server keeps up with", async () => {
  // One after the other, 25 ms each: 40 a second.
  let freeMs = 0;
  const { summary } = await run(
    {
      run: { mode: "load", warmup: 0 },
      load: { kind: "sweep", values: [10, 160], duration_s: 0.6, drain_s: 20 },
    },
    () => {
      const nowMs = performance.now();
      const beginsMs = Math.max(nowMs, freeMs);
      freeMs = beginsMs + 25;
      return { ...REPLY, betweenMs: 0, beforeHeadersMs: freeMs - nowMs };
    },
  );
  expect(summary.cells.map(({ load }) => [load?.value, load?.keepsUp])).toEqual([
    [10, true],
    [160, false],
  ]);
  const [level] = summary.saturations;
  expect(level).toMatchObject({ value: 10, text: "10/s: it does not keep up with 160/s" });
  expect(level?.requestsPerS).toBeLessThan(45);
});

test("a trace is sent at its times, in each speed that is asked for, with texts and answers as long as it says", async () => {
  const { records } = await run({
    datasets: [
      {
        id: "recorded",
        items: [
          { at_s: 0, input_tokens: 7, output_tokens: 2 },
          { at_s: 0.05, input_tokens: 30, output_tokens: 9 },
          { at_s: 0.3, input_tokens: 7 },
        ],
      },
    ],
    run: { mode: "load", warmup: 0 },
    load: { kind: "trace", values: [1, 2], duration_s: 0.4 },
  });
  expect(records.map(({ t_ns }) => t_ns.scheduled / 1e6)).toEqual([0, 50, 300, 0, 25, 150]);
  const asked = server.requests.map(({ body }) => {
    const [, user] = body["messages"] as { content: string }[];
    return [user?.content.split(" ").length, body["max_tokens"]];
  });
  const once = [
    [7, 2],
    [30, 9],
    [7, undefined],
  ];
  expect(asked).toEqual([...once, ...once]);
});

test("both: answers are scored first, and the load waits until they are", async () => {
  const { summary, records } = await run({
    run: { mode: "both" },
    metrics: ["latency"],
    load: { kind: "concurrency", values: 2, duration_s: 0.2 },
  });
  expect(summary.cells.map(({ load }) => load?.kind)).toEqual([undefined, "concurrency"]);
  const scored = records.filter(({ job }) => job === "j0000");
  expect(scored).toHaveLength(4);
  // The load's requests, and its warm-up, came after all others.
  const wanted = server.requests.map(({ body }) => body["ignore_eos"] === true);
  expect(wanted.slice(0, 4)).toEqual([false, false, false, false]);
  expect(wanted.slice(4).every(Boolean)).toBe(true);
});

test("a server that refuses everything is a failed window with its reason, and is not asked without end", async () => {
  const { campaign, records } = await run(
    { run: { mode: "load" }, load: { kind: "concurrency", values: [2], duration_s: 0.3 } },
    [{ fault: { kind: "status", status: 503, body: "no capacity" } }],
  );
  expect(campaign.state).toBe(CampaignState.FAILED);
  expect(records.length).toBeLessThanOrEqual(8);
  expect(records[0]).toMatchObject({
    status: "engine_error",
    error: { class: "bad_status", message: expect.stringContaining("no capacity") },
  });
});
