/** The limits as a provider's server and a sample see them: real requests to a scripted server, a real file. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ModelSpec } from "../../../shared/benchmark/plan.js";
import { systemClock } from "../../../shared/runtime/clock.js";
import { nodeDisk } from "../../../shared/runtime/disk.js";
import { sha256 } from "../../../shared/runtime/hash.js";
import { systemRandom } from "../../../shared/runtime/random.js";
import { engineErrorOf, jobSpec, modelSpec, never } from "../../../test/support/inference.js";
import { type ScriptedServer, startScriptedServer } from "../../../test/support/scripted-server.js";
import { runSample } from "../../attempt/run-sample.js";
import { sampleContext } from "../../attempt/sample-context.js";
import { type Engine, NO_GPU } from "../engine.js";
import { createOpenAiEngine } from "../openai.js";
import type { RemoteConfig } from "./remote-limits.js";

const KEY = "sk-operator";
let dir: string;
let server: ScriptedServer;
let engine: Engine;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "sai-limits-"));
  server = await startScriptedServer();
});
afterEach(async () => {
  await engine.close();
  await server.close();
  rmSync(dir, { recursive: true });
});

function engineWith(more: Partial<RemoteConfig>): Engine {
  engine = createOpenAiEngine(
    { baseUrl: `${server.url}/v1`, apiKey: KEY, ...more },
    { clock: systemClock, stallMs: 5000 },
  );
  return engine;
}
const spend = (limitUsd: number) => ({
  spend: { limitUsd, path: join(dir, "spend.json"), key: "engines.openai.max_spend_usd", disk: nodeDisk },
});

/** Runs so many samples at once; `price` is the suite's. */
async function run(samples: number, price?: ModelSpec["price"], options: ModelSpec["options"] = {}) {
  const model = { ...modelSpec("openai", "scripted:1b", options), ...(price && { price }) };
  const items = Array.from({ length: samples }, (_, i) => ({
    id: `i${i}`,
    input: "?",
    target: "4",
    media: [],
  }));
  const job = jobSpec(model, samples, {
    generation: { timeoutS: 5, maxRetries: 0, retryDelayS: 0.001, max_tokens: 100 },
  });
  const ctx = sampleContext({
    ...{
      campaign: "c",
      job,
      items,
      shard: 0,
      attempt: "1.1",
      clock: systemClock,
      random: systemRandom,
      sha256,
    },
    prepared: await engine.prepare(model, options, never(), NO_GPU),
    node: { id: "n", device_class: "remote", gpu_uuids: [] },
    readBlob: () => Promise.reject(new Error("no blobs")),
    waiting: (work) => work(),
  });
  return Promise.all(items.map((_, i) => runSample(ctx, i, never())));
}

test("no more requests at once than allowed, and waiting for a turn is no part of a try", async () => {
  engineWith({ maxConcurrentRequests: 2 });
  let [now, most] = [0, 0];
  server.setReplies((seen) => {
    most = Math.max(most, ++now);
    const timer = setInterval(() => {
      if (seen.writesNs.length < 2) return;
      clearInterval(timer);
      now -= 1;
    }, 1);
    return { chunks: ["4", "."], betweenMs: 30 };
  });
  const records = await run(6);
  expect(records.map((r) => r.status)).toEqual(Array(6).fill("ok"));
  expect(most).toBeLessThanOrEqual(2);
  const times = records.map((r) => r.t_ns.done - r.t_ns.sent);
  expect(Math.max(...times)).toBeLessThan(Math.max(...records.map((r) => r.t_ns.done - r.t_ns.scheduled)));
});

test("when the money is spent nothing is sent any more, over a restart too, and each sample says so", async () => {
  engineWith({ ...spend(0.01), maxConcurrentRequests: 1 });
  server.setReplies([{ chunks: ["4"], usage: { in: 10, out: 20 } }]);
  // At most (101 + 100) tokens of 10 USD a million, 0.00201; in fact 30, 0.0003.
  const price = { in_1m: 10, out_1m: 10 };
  const records = await run(40, price);
  const sent = server.requests.length;
  expect(records.filter((r) => r.status === "ok")).toHaveLength(sent);
  expect(records[0]).toMatchObject({ cost_usd: expect.closeTo(0.0003, 9), price_source: "suite" });
  expect(sent).toBe(27); // 0.0081 are spent, and 0.00201 more could be too much
  expect(records.at(-1)?.error).toMatchObject({ class: "spend_limit" });
  expect(records.at(-1)?.tries).toEqual([]);
  await engine.close();
  engineWith(spend(0.01));
  expect((await run(2, price)).map((r) => r.error?.class)).toEqual(["spend_limit", "spend_limit"]);
  expect(server.requests).toHaveLength(sent);
  expect(
    readdirSync(dir)
      .map((file) => readFileSync(join(dir, file), "utf8"))
      .join(),
  ).not.toContain(KEY);
});

test("what has no usage counts in full, what was refused counts nothing", async () => {
  engineWith({ ...spend(0.005), maxConcurrentRequests: 1 });
  server.setReplies([{ fault: { kind: "status", status: 500 } }]);
  expect((await run(10, { in_1m: 10, out_1m: 10 })).map((r) => r.error?.class)).toEqual(
    Array(10).fill("bad_status"),
  );
  server.setReplies([{ fault: { kind: "silent_end", after: 1 } }]);
  const classes = (await run(4, { in_1m: 10, out_1m: 10 })).map((r) => r.error?.class);
  expect(classes).toEqual(["silent_end", "silent_end", "spend_limit", "spend_limit"]);
});

test("what was refused in mid-answer was made nonetheless, and counts in full", async () => {
  engineWith({ ...spend(0.005), maxConcurrentRequests: 1 });
  const message = "Rate limit reached";
  server.setReplies([
    { chunks: ["4", "."], fault: { kind: "error_in_stream", after: 1, message, type: "rate_limit_error" } },
  ]);
  const classes = (await run(4, { in_1m: 10, out_1m: 10 })).map((r) => r.error?.class);
  expect(classes).toEqual(["rate_limited", "rate_limited", "spend_limit", "spend_limit"]);
});

test("a model without a price is not used where money is limited; another server is nobody's money", async () => {
  engineWith(spend(1));
  const error = await engineErrorOf(run(1));
  expect([error.class, error.message.includes("give it a price in the suite")]).toEqual(["no_price", true]);
  const other = await startScriptedServer();
  const [record] = await run(1, undefined, { base_url: `${other.url}/v1` });
  expect(record?.status).toBe("ok");
  expect(record).not.toHaveProperty("cost_usd");
  expect(other.requests[0]?.headers.authorization).toBeUndefined();
  await other.close();
});

test("while a server asks to be left alone nobody asks it", async () => {
  engineWith({});
  server.setReplies([{ fault: { kind: "status", status: 429, headers: { "retry-after-ms": "300" } } }, {}]);
  await run(1);
  const refusedNs = server.requests[0]?.receivedNs ?? 0;
  await run(2);
  for (const { receivedNs } of server.requests.slice(1)) {
    expect(receivedNs - refusedNs).toBeGreaterThan(290e6);
  }
});
