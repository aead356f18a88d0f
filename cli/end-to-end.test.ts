/** Commands against a real coordinator and agent: what people see, and the exit codes scripts rely on. */
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLogger } from "../shared/runtime/logger.js";
import { captureIo, testContext } from "./cli.test-support.js";
import { requireConfig } from "./config.js";
import { openClient } from "./connection.js";
import { type Local, nodeReady, startLocal } from "./local.js";
import { runCli } from "./program.js";

let folder: string;
let local: Local;
let address: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sai-e2e-"));
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

async function sai(args: string[], more: Parameters<typeof captureIo>[0] = {}) {
  const { io, out, err } = captureIo({ cwd: folder, env: { SAI_ADDRESS: address }, ...more });
  const code = await runCli(args, io);
  return { code, out: out(), err: err() };
}

/** A suite of one simulated model over n items. */
function suite(name: string, n: number, options: string): string {
  const items = Array.from({ length: n }, (_, i) => `{id: i${i}, input: "say ${i}", target: "${i}"}`).join(
    ", ",
  );
  const path = join(folder, `${name}.yaml`);
  writeFileSync(
    path,
    `schema: sai/v1
name: ${name}
description: for a test
prompts: [{id: p, template: "{{ input }}"}]
models: [{id: m, engine: simulated, model: scripted, options: ${options}}]
datasets: [{id: d, items: [${items}]}]
metrics: [{id: exact_match, target: ">= 0.90"}, error_rate]
engine_config: {max_retries: 0}
run: {shard_size: 4}
`,
  );
  return path;
}

test("apply --wait: the table on stdout, messages on stderr, results in a folder, exit 0", async () => {
  const path = suite("good", 12, "{accuracy: 1}");
  const { code, out, err } = await sai(["apply", "-f", path, "--wait", "--gate", "--output", "results"]);
  expect({ code, err: err.match(/^error.*/m)?.[0] }).toEqual({ code: 0, err: undefined });
  expect(out).toMatch(/exact_match +m \[SIMULATED\] +1\.000 +\[\d\.\d+, 1\.000\] +12/);
  expect(out).toContain("target >= 0.90: met");
  expect(err).toMatch(/campaign \S+ succeeded \(12\/12 samples\)/);
  expect(readdirSync(join(folder, "results")).sort()).toEqual([
    "cells.csv",
    "records.jsonl",
    "report.html",
    "summary.json",
  ]);
  const records = readFileSync(join(folder, "results", "records.jsonl"), "utf8")
    .trimEnd()
    .split("\n");
  expect(records).toHaveLength(12);
});

test("a gate that is missed is exit 5 although the campaign succeeded", async () => {
  const { code } = await sai(["apply", "-f", suite("gate", 12, "{accuracy: 0}"), "--wait", "--gate"]);
  expect(code).toBe(5);
  const without = await sai(["apply", "-f", suite("nogate", 12, "{accuracy: 0}"), "--wait"]);
  expect(without.code).toBe(0);
});

test("a budget that is reached: exit 6 and why; a retry with a higher one runs the rest", async () => {
  const path = suite("costly", 12, "{accuracy: 1}");
  // "say 0" has two tokens, at 1 USD each: a shard of four samples costs 8 USD.
  const costly = readFileSync(path, "utf8").replace("options:", "price: {in_1m: 1000000}, options:");
  writeFileSync(path, `${costly}budget: {usd: 10}\n`);
  const dry = await sai(["apply", "-f", path, "--dry-run"]);
  expect(dry.out).toMatch(
    /^budget: 10.00 USD\nwarning: it may cost 24.00 USD at most, the budget is 10.00 USD/m,
  );
  const { code, out, err } = await sai(["apply", "-f", path, "--wait"]);
  const why = "incomplete: budget of 10.00 USD reached after 8.00 USD: another shard takes about 8.00 USD";
  expect(err).toContain(`partial: ${why} (4/12 samples)`);
  expect(out).toContain(`warning: ${why}`);
  expect(code).toBe(6);
  const id = /campaign (c-\S+) partial/.exec(err)?.[1] ?? "";
  expect((await sai(["campaign", "get", id])).out).toMatch(/^budget +10.00 USD\nspent +8.00 USD$/m);
  expect((await sai(["campaign", "retry", id, "--budget-usd", "-1"])).err).toContain(
    "--budget-usd: -1 is not",
  );
  const again = await sai(["campaign", "retry", id, "--budget-usd", "16", "--wait"]);
  expect(again.code).toBe(0);
});

test("failed samples: exit 5, the failure by class below the table", async () => {
  const path = suite("faulty", 12, "{faults: {error_rate: 1}}");
  const { code, out } = await sai(["apply", "-f", path, "--wait"]);
  expect(code).toBe(5);
  expect(out).toMatch(/engine_error +\S+ +12 +m \[SIMULATED\] · p · d/);
});

test("list, get, samples and exports agree on one campaign", async () => {
  const id = (await sai(["apply", "-f", suite("read", 6, "{accuracy: 1}"), "-o", "name"])).out.trim();
  expect((await sai(["campaign", "wait", id])).code).toBe(0);
  expect((await sai(["campaign", "list", "-o", "name"])).out.split("\n")).toContain(id);
  const got = JSON.parse((await sai(["campaign", "get", id, "-o", "json"])).out);
  expect(got).toMatchObject({
    id,
    state: "CAMPAIGN_STATE_SUCCEEDED",
    progress: { samples: 6, samplesDone: 6 },
  });
  const lines = (await sai(["result", "samples", id, "-o", "jsonl"])).out.trimEnd().split("\n");
  const exported = (await sai(["result", "export", id, "--as", "jsonl"])).out.trimEnd().split("\n");
  expect(exported.map((l) => JSON.parse(l))).toEqual(lines.map((l) => JSON.parse(l)));
  const limited = await sai(["result", "samples", id, "--limit", "2", "-o", "jsonl"]);
  expect(limited.out.trimEnd().split("\n")).toHaveLength(2);
  expect(limited.err).toContain("there are more: these are 2 of 6; --limit 6 shows all");
  const whole = await sai(["result", "samples", id, "--limit", "6", "-o", "jsonl"]);
  expect(whole.err).not.toContain("there are more");
  const astray = await sai(["result", "export", id, "--output", "nowhere/cells.csv"]);
  expect(astray.code).toBe(1);
  expect(astray.err).toContain(`--output: the folder ${join(folder, "nowhere")} is not there`);
  expect(existsSync(join(folder, "nowhere"))).toBe(false);
  const watched = await sai(["campaign", "watch", id, "-o", "jsonl"]);
  expect(JSON.parse(watched.out.trimEnd().split("\n").at(-1) ?? "")).toMatchObject({ id });
  const report = await sai(["result", "report", id, "--output", "report.html"]);
  expect(report.out).toBe("report.html\n");
  expect(readFileSync(join(folder, "report.html"), "utf8")).toContain("SIMULATED");
  expect(existsSync(join(folder, "report.html.partial"))).toBe(false);
});

test("the same idempotency key and suite is the same campaign; another suite under it is refused", async () => {
  const args = ["--idempotency-key", "once", "-o", "name"];
  const path = suite("once", 2, "{accuracy: 1}");
  const first = await sai(["apply", "-f", path, ...args]);
  const again = await sai(["apply", "-f", path, ...args]);
  expect(again.out).toBe(first.out);
  const other = await sai(["apply", "-f", suite("other", 2, "{accuracy: 1}"), ...args]);
  expect(other.code).toBe(1);
  expect(other.err).toMatch(/^error: /m);
});

test("cancelling stops a long campaign, and waiting for it is exit 6", async () => {
  const path = suite("slow", 40, "{latency_ms: 2000}");
  const id = (await sai(["apply", "-f", path, "-o", "name"])).out.trim();
  const timed = await sai(["campaign", "wait", id, "--timeout", "300ms"]);
  expect(timed.code).toBe(3);
  expect((await sai(["campaign", "cancel", id])).code).toBe(0);
  expect((await sai(["campaign", "wait", id])).code).toBe(6);
  const again = await sai(["campaign", "cancel", id]);
  expect(again.err).toBe(`campaign ${id} had ended already (cancelled); nothing was cancelled\n`);
  expect(again.code).toBe(0);
});

test("an unknown campaign is exit 1 with a hint", async () => {
  const { code, err } = await sai(["result", "table", "c-nope"]);
  expect(code).toBe(1);
  expect(err).toMatch(/^error: .*c-nope/);
  expect(err).toMatch(/^hint: /m);
});

test("pictures and prompt files travel by hash: the second apply uploads nothing", async () => {
  const place = join(folder, "pictures");
  mkdirSync(place);
  const { drawLine, LEVELS } = await import("./demo/images.js");
  const [clean] = LEVELS;
  if (!clean) throw new Error("no level");
  writeFileSync(join(place, "a.png"), await drawLine("amber 42", clean, () => 0));
  writeFileSync(join(place, "prompt.txt"), "Read it.");
  writeFileSync(
    join(place, "data.json"),
    JSON.stringify([{ id: "a", images: ["a.png"], target: "amber 42" }]),
  );
  const path = join(place, "suite.yaml");
  writeFileSync(
    path,
    `schema: sai/v1
name: pictures
description: for a test
prompts: [{id: read, file: prompt.txt}]
models: [{id: m, engine: ocr, model: 4.0.0_best_int}]
datasets: [{id: d, path: data.json}]
metrics: [exact_match]
`,
  );
  const dry = async () =>
    JSON.parse((await sai(["apply", "-f", path, "--dry-run", "-o", "json"])).out).uploads;
  expect(await dry()).toBe(3);
  const { code, out } = await sai(["apply", "-f", path, "--wait"]);
  expect(out).toMatch(/exact_match +m +1\.000/);
  expect(code).toBe(0);
  expect(await dry()).toBe(0);
});

test("run makes a suite of its flags and chooses metrics by the data", async () => {
  writeFileSync(join(folder, "qa.jsonl"), '{"input":"2+2?","target":"4"}\n{"input":"3+3?","target":"6"}\n');
  const args = ["--model", "simulated:scripted?accuracy=1", "--dataset", "qa.jsonl", "--prompt", "Answer:"];
  const { code, out } = await sai(["run", ...args]);
  expect(out).toMatch(/exact_match +scripted@accuracy-1 \[SIMULATED\] +1\.000/);
  expect(out).not.toContain("bbox_iou");
  expect(code).toBe(0);
});

test("run with a model nobody has speaks of the flag, not of a suite nobody wrote", async () => {
  writeFileSync(join(folder, "one.jsonl"), '{"input":"2+2?","target":"4"}\n');
  const { code, err } = await sai([
    "run",
    "--model",
    "nosuch",
    "--dataset",
    "one.jsonl",
    "--prompt",
    "Answer:",
  ]);
  expect(err).toMatch(
    /^error: --model nosuch: no reachable engine has it; .*\n +hint: write ENGINE:MODEL, such as ollama:nosuch$/m,
  );
  expect(err).toMatch(/^error: 1 error; nothing was submitted$/m);
  expect(err).not.toMatch(/models\[|run:\d/);
  expect(code).toBe(1);
});

test("run without a coordinator starts its own, says so, and keeps the report", async () => {
  writeFileSync(join(folder, "qa2.jsonl"), '{"input":"2+2?","target":"4"}\n');
  const args = ["--model", "simulated:x", "--dataset", "qa2.jsonl", "--prompt", "Answer:", "--local"];
  const env = { SAI_DATA_DIR: join(folder, "own") };
  const { code, err } = await sai(["run", ...args], { env });
  expect(err).toContain("starting one in this process, for this run only");
  expect(code).toBe(0);
  expect(readdirSync(join(folder, "own", "reports"))).toHaveLength(1);
});

interface Child {
  signal(name: NodeJS.Signals): void;
  /** Everything printed so far. */
  text(): string;
  /** Resolves when the text has been printed. */
  printed(text: string): Promise<void>;
  ended: Promise<{ code: number | null; text: string }>;
}

function start(args: string[], env: { [name: string]: string }): Child {
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const base = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("SAI_")));
  const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), main, ...args], {
    cwd: folder,
    env: { ...base, ...env },
  });
  let text = "";
  const waiting: { wanted: string; resolve: () => void }[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => {
      text += data;
      for (const w of waiting) if (text.includes(w.wanted)) w.resolve();
    });
  }
  return {
    signal: (name) => child.kill(name),
    text: () => text,
    printed: (wanted) =>
      new Promise((resolve, reject) => {
        waiting.push({ wanted, resolve });
        if (text.includes(wanted)) resolve();
        child.once("close", () => reject(new Error(`ended without printing ${wanted}:\n${text}`)));
      }),
    ended: new Promise((resolve) => child.once("close", (code) => resolve({ code, text }))),
  };
}

test("Ctrl-C during a wait is exit 130, and the campaign goes on", async () => {
  const path = suite("interrupted", 40, "{latency_ms: 2000}");
  const child = start(["apply", "-f", path, "--wait"], { SAI_ADDRESS: address });
  await child.printed("running: ");
  child.signal("SIGINT");
  const { code, text } = await child.ended;
  const id = /campaign (\S+) submitted/.exec(text)?.[1] ?? "";
  expect(text).toContain(`campaign ${id} goes on`);
  expect(code).toBe(130);
  const state = async () => JSON.parse((await sai(["campaign", "get", id, "-o", "json"])).out).state;
  expect(await state()).toBe("CAMPAIGN_STATE_RUNNING");
  await sai(["campaign", "cancel", id]);
});

test("dev prints where it listens and ends with 0 on SIGTERM; started again it has the earlier campaigns", async () => {
  const ports = ["--grpc-port", "0", "--agent-port", "0", "--http-port", "0"];
  const dev = () => start(["dev", ...ports, "--data-dir", join(folder, "dev")], {});
  const first = dev();
  await first.printed("Ctrl-C stops it.");
  const path = suite("kept", 2, "{accuracy: 1}");
  const api = /API +(127\.0\.0\.1:\d+)/.exec(first.text())?.[1] ?? "";
  const env = { SAI_ADDRESS: api };
  expect((await sai(["apply", "-f", path, "--wait"], { env })).code).toBe(0);
  first.signal("SIGTERM");
  const { code, text } = await first.ended;
  expect(text).not.toContain("earlier");
  expect(code).toBe(0);

  const second = dev();
  await second.printed("Ctrl-C stops it.");
  expect(second.text()).toMatch(/^ {2}earlier 1 campaign: `(npm run sai --|sai) campaign list`$/m);
  second.signal("SIGTERM");
  expect((await second.ended).code).toBe(0);
}, 120_000);

test("a port that was asked for and is taken is a configuration error, exit 78", async () => {
  const [, port = ""] = address.split(":");
  const { code, err } = await sai([
    "coordinator",
    "--grpc-port",
    port,
    "--agent-port",
    "0",
    "--http-port",
    "0",
  ]);
  expect(err).toContain(port);
  expect(code).toBe(78);
});

test("a suite in the fuller style runs on mapped models: scenarios are judged, cells left out, items chosen", async () => {
  expect((await sai(["init", "fuller", "--template", "scenarios"])).code).toBe(0);
  const args = ["apply", "-f", "fuller/suite.yaml", "--map-model", "*=simulated:mapped"];
  const dry = await sai([...args, "--dry-run"]);
  expect(dry.out).toMatch(/would submit 1 job, 8 samples, 1 shard; 1 upload/);
  expect(dry.out).toMatch(/^PROMPT +MODEL +DATASET +SAMPLES +SHARDS +TIME +COST$/m);
  expect(dry.out).toMatch(/^report +scripted +reports +8 +1 +~\S+ s +\$0$/m);
  expect(dry.out).toMatch(/^time: about .* on 1 ready node, guessed/m);

  const run = await sai([...args, "--wait", "-o", "json"]);
  expect(run.code).toBe(0);
  const [cell] = JSON.parse(run.out).cells;
  expect(cell.counts.planned).toBe(8);
  const night = cell.levels.find(({ level }: { level: string }) => level === "scenario: at night");
  expect(night.n).toBe(2);
  expect(night.metrics[0].target.expression).toBe(">= 0.40");

  const one = await sai([...args, "--dry-run", "--sample-id", "report-3", "report-1"]);
  expect(one.out).toMatch(/1 job, 4 samples/);
  expect((await sai([...args, "--dry-run", "--limit", "3"])).out).toMatch(/1 job, 6 samples/);
  const none = await sai([...args, "--dry-run", "--sample-id", "report-9"]);
  expect(none.err).toMatch(/the dataset reports has no item report-9/);
  expect(none.code).not.toBe(0);
});

test("suite schema prints the JSON Schema", async () => {
  const { code, out } = await sai(["suite", "schema"]);
  expect(code).toBe(0);
  expect(JSON.parse(out).required).toContain("prompts");
});
