/** The embedded index behind a real coordinator: opened by the first question, right about what ended before and after it. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { captureIo, testContext } from "../../cli/cli.test-support.js";
import { requireConfig } from "../../cli/config.js";
import { openClient } from "../../cli/connection.js";
import { type Local, nodeReady, startLocal } from "../../cli/local.js";
import { runCli } from "../../cli/program.js";
import { silentLogger } from "../../shared/runtime/logger.js";

let folder: string;
let local: Local;
let address: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sai-index-cli-"));
  const { io } = captureIo({ cwd: folder });
  const { context } = testContext(io);
  const { config } = requireConfig(context, true, {
    data_dir: join(folder, "data"),
    "coordinator.grpc_port": 0,
    "coordinator.agent_port": 0,
    "coordinator.http_port": 0,
    "agent.cpu_slots": 2,
  });
  local = await startLocal(context, config, silentLogger());
  address = local.coordinator.apiAddress;
  const client = openClient(context, address);
  await nodeReady(context, client, 20_000);
  client.close();
});
afterAll(async () => {
  await local.stop("the test is over");
  rmSync(folder, { recursive: true, force: true });
});

async function sai(...args: string[]) {
  const { io, out, err } = captureIo({ cwd: folder, env: { SAI_ADDRESS: address } });
  const code = await runCli(args, io);
  return { code, out: out(), err: err() };
}

async function json(...args: string[]) {
  const { code, out, err } = await sai(...args, "-o", "json");
  expect(code, err).toBe(0);
  return JSON.parse(out);
}

/** Runs a campaign of two simulated models, 12 questions each, and answers its id. */
async function campaign(name: string, accuracy: number): Promise<string> {
  const items = Array.from({ length: 12 }, (_, i) => `{id: i${i}, input: "say ${i}", target: "${i}"}`).join(
    ", ",
  );
  const model = (id: string, share: number) =>
    `{id: ${id}, engine: simulated, model: scripted, options: {accuracy: ${share}}}`;
  const path = join(folder, `${name}.yaml`);
  writeFileSync(
    path,
    `schema: sai/v1
name: ${name}
description: for a test
prompts: [{id: p, template: "{{ input }}"}]
models: [${model("good", accuracy)}, ${model("bad", 0)}]
datasets: [{id: d, items: [${items}]}]
metrics: [exact_match, error_rate]
engine_config: {max_retries: 0}
run: {shard_size: 4}
`,
  );
  const { out, err } = await sai("apply", "-f", path, "--wait", "-o", "name");
  expect(out, err).toMatch(/^\S+\n$/);
  return out.trim();
}

test("nothing is opened before somebody asks; then the leaderboard says what the tables say", async () => {
  const first = await campaign("first", 1);
  const second = await campaign("second", 1);
  expect(existsSync(join(folder, "data", "index"))).toBe(false);
  expect((await sai("admin", "status")).out).toContain("index      closed; it catches up when");
  const board = await json("result", "leaderboard", "--metric", "exact_match");
  expect(board.places.map((p: Place) => [p.model, p.value, p.campaignId])).toEqual([
    ["good", 1, second],
    ["bad", undefined, second], // proto3 JSON leaves zeros out
  ]);
  const { cells } = await json("result", "table", second);
  const [good] = board.places as Place[];
  const metric = cells[0].metrics.find((m: { id: string }) => m.id === "exact_match");
  expect(good).toMatchObject({ interval: metric.interval, n: metric.n, simulated: true });
  expect(good?.e2eP50Ms).toBe(cells[0].e2eMs.p50);
  const all = await json("result", "leaderboard", "--metric", "exact_match", "--all", "--campaign", first);
  expect(all.places).toHaveLength(2);
  const text = (await sai("result", "leaderboard")).out;
  expect(text).toMatch(/exact_match: p on d \([0-9a-f]{8}\)/);
  expect(text).toMatch(/good \[SIMULATED\]/);
  expect((await sai("admin", "status")).out).toMatch(/index {6}PGlite \(PostgreSQL \d+[.\d]*\), up to date/);
}, 60_000);

test("samples of all campaigns by conditions are the records themselves", async () => {
  const where = ["--where", "model=b*", "score.exact_match<1"];
  const records = await json("result", "samples", ...where);
  expect(records).toHaveLength(24);
  expect(new Set(records.map((r: { campaign: string }) => r.campaign)).size).toBe(2);
  expect(records[0]).toMatchObject({ model: { id: "bad" }, scores: { exact_match: 0 }, item_id: "i0" });
  const limited = await sai("result", "samples", ...where, "--limit", "3");
  expect(limited.out.trim().split("\n")).toHaveLength(4);
  expect(limited.err).toContain("there are more than these 3");
  const wrong = await sai("result", "samples", "--where", "modle=x", "e2e_ms>fast");
  expect(wrong.code).toBe(1);
  expect(wrong.err).toContain('where[0]: "modle=x": there is no field modle, did you mean "model"?');
  expect(wrong.err).toContain("e2e_ms is a number");
});

test("times and pairs of jobs", async () => {
  const times = await json("result", "times", "--where", "model=good");
  expect(times.n).toBe(24);
  expect(times.p50).toBeGreaterThan(0);
  const { places } = await json("result", "leaderboard", "--all");
  const name = (model: string) => {
    const { campaignId, job } = places.find((p: Place) => p.model === model);
    return `${campaignId}/${job}`;
  };
  const pairs = await json("result", "pairs", name("good"), name("bad"), "--limit", "2");
  expect(pairs).toMatchObject({ n: 12, meanA: 1, aHigher: 12 });
  expect(pairs.flips).toHaveLength(2);
  const none = await sai("result", "pairs", name("good"), "c-none/j0000");
  expect(none.err).toContain("the results index has no job j0000 of c-none");
});

test("a campaign that ends while it is open is there at the next question; reindex builds the same again", async () => {
  const third = await campaign("third", 0.5);
  const before = await json("result", "leaderboard", "--metric", "exact_match", "--all");
  expect(before.places.filter((p: Place) => p.campaignId === third)).toHaveLength(2);
  expect(before.behind ?? 0).toBe(0);
  const rebuilt = await sai("admin", "reindex", "--wait");
  expect(rebuilt.out).toBe("generation 2 of the results index answers\n");
  expect(await json("result", "leaderboard", "--metric", "exact_match", "--all")).toEqual(before);
}, 60_000);

interface Place {
  model: string;
  value?: number;
  campaignId: string;
  job: string;
  e2eP50Ms: number;
}
