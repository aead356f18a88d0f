/**
 * `sai run --model … --dataset … --prompt …`: a campaign without a file. With a coordinator in reach it runs there;
 * otherwise one is started in this process for the run, and the command says so.
 */
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import type { Finding } from "../../shared/benchmark/finding.js";
import { parseModelTarget } from "../../shared/benchmark/models.js";
import { ENGINE_KINDS } from "../../shared/benchmark/plan.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { prepareSuite } from "../../shared/suites/prepare.js";
import { type AdhocFlags, adhocSuite, metricsFor } from "../adhoc-suite.js";
import type { Client } from "../client.js";
import { requireConfig } from "../config.js";
import { openClient } from "../connection.js";
import { type Context, say } from "../context.js";
import { usageError } from "../exit.js";
import { finish } from "../finish.js";
import { nodeReady, quietLogger, startLocal } from "../local.js";
import { clip } from "../output/width.js";
import type { Bind } from "../program.js";
import { type SuiteSource, submit } from "../submit.js";
import { parseModelMap } from "../suite-source.js";
import { reportPath, saveExport } from "./result.js";
import { collect } from "./suite.js";

const NODE_READY_TIMEOUT_MS = 30_000;
const STALLED_MS = 5_000;

interface RunFlags {
  model: string[];
  dataset: string[];
  prompt: string[];
  metric: string[];
  models?: string[];
  datasets?: string[];
  prompts?: string[];
  mapModel: string[];
  root?: string;
  target?: string;
  targetExtract?: string;
  extract?: string;
  limit?: string;
  workers?: string;
  temperature?: string;
  maxTokens?: string;
  output?: string;
  local?: boolean;
}

export function registerRun(program: Command, bind: Bind): void {
  program
    .command("run")
    .description(
      "run models on a dataset without writing a suite; starts a coordinator of its own if none answers",
    )
    .option(
      "--model <engine:model>",
      "such as ollama:qwen2.5vl:7b, ocr:4.0.0_best_int or a bare id; repeatable",
      collect,
      [],
    )
    .option("--dataset <path>", "a JSON, JSONL or CSV file, or a folder of pictures; repeatable", collect, [])
    .option("--prompt <id|text|file>", "a prompt's id, its text, or @FILE; repeatable", collect, [])
    .option("--metric <id>", "repeatable; default: what the data can answer", collect, [])
    .option("--models <models...>", "the same as --model, several at once")
    .option("--datasets <paths...>", "the same as --dataset, several at once")
    .option("--prompts <prompts...>", "the same as --prompt, several at once")
    .option("--map-model <id=engine:model>", "where a bare model id runs; repeatable", collect, [])
    .option("--root <dir>", "where pictures named in a dataset start")
    .option("--target <column>", "where the expected answer stands (default: target)")
    .option("--target-extract <pattern>", "RE2 pattern that takes the answer out of that column")
    .option("--extract <pattern>", "RE2 pattern that takes the answer out of the output")
    .option("--limit <n>", "draw n items")
    .option("--workers <n>", "requests in flight at once")
    .option("--temperature <t>", "as in engine_config")
    .option("--max-tokens <n>", "as in engine_config")
    .option("--output <path>", "write the results to this file or folder")
    .option("--local", "start a coordinator of its own even if one answers")
    .action(bind<RunFlags>(run));
}

async function run(context: Context, _: string[], flags: RunFlags): Promise<void> {
  const source = await adhocSource(context, flags);
  const client = flags.local ? undefined : await reachable(context);
  if (client !== undefined) {
    try {
      return await submitAndFinish(context, client, source, flags);
    } finally {
      client.close();
    }
  }
  await runLocally(context, source, flags);
}

/** A client to a coordinator that answers; undefined when none does and the user named none. */
async function reachable(context: Context): Promise<Client | undefined> {
  const client = openClient(context);
  try {
    await client.status();
    return client;
  } catch (error) {
    client.close();
    const named = context.flags.address ?? context.io.env["SAI_ADDRESS"];
    if (error instanceof SaiError && error.code === "unavailable" && !named) return undefined;
    throw error;
  }
}

async function runLocally(context: Context, source: SuiteSource, flags: RunFlags): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "sai-run-"));
  const userConfig = requireConfig(context, false).config;
  const { config } = requireConfig(context, true, {
    data_dir: folder,
    "store.kind": "memory",
    "coordinator.host": "127.0.0.1",
    "coordinator.grpc_port": 0,
    "coordinator.agent_port": 0,
    "coordinator.http_port": 0,
  });
  const log = quietLogger(context, { ...config, storage: userConfig.storage }, "run");
  say(context, "no coordinator answers: starting one in this process, for this run only");
  try {
    const local = await startLocal(context, config, log.logger);
    const client = openClient(context, local.coordinator.apiAddress);
    try {
      await nodeReady(context, client, NODE_READY_TIMEOUT_MS);
      await submitAndFinish(context, client, source, flags, (id) => reportPath(userConfig.dataDir, id));
    } finally {
      client.close();
      await local.stop("the run is over");
    }
  } finally {
    await log.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function submitAndFinish(
  context: Context,
  client: Client,
  source: SuiteSource,
  flags: RunFlags,
  report?: (campaign: string) => string,
): Promise<void> {
  const campaign = await submit(context, client, source, { priority: 0 });
  // No other node can join a coordinator that is our own.
  const stalledMs = report ? STALLED_MS : undefined;
  await finish(context, client, campaign, { output: flags.output, stalledMs });
  // Nobody can ask a coordinator that ends with the run, so its report is kept.
  if (report) await saveExport(context, client, campaign.id, "html", report(campaign.id));
}

/** Checks the flags, reads the data once to choose metrics, and writes the suite. */
async function adhocSource(context: Context, flags: RunFlags): Promise<SuiteSource> {
  const models = [...flags.model, ...(flags.models ?? [])];
  const datasets = [...flags.dataset, ...(flags.datasets ?? [])];
  const prompts = [...flags.prompt, ...(flags.prompts ?? [])];
  for (const [flag, list] of Object.entries({
    "--model": models,
    "--dataset": datasets,
    "--prompt": prompts,
  })) {
    if (list.length === 0)
      throw usageError(`${flag} is missing`, "sai run --model M --dataset FILE --prompt TEXT");
  }
  const { cwd } = context.io;
  const paths = datasets.map((path) => (path.includes("://") ? path : resolve(cwd, path)));
  for (const [i, path] of paths.entries()) {
    await stat(path).catch(() => {
      throw usageError(`--dataset: ${datasets[i]} is not there`);
    });
  }
  const adhoc: AdhocFlags = {
    models: models.map(modelId),
    prompts: await Promise.all(prompts.map((prompt) => promptText(context, prompt))),
    datasets: paths,
    metrics: flags.metric,
    targetPath: flags.target ?? (flags.targetExtract === undefined ? undefined : "target"),
    targetExtract: flags.targetExtract,
    extract: flags.extract,
    limit: wholeNumber("--limit", flags.limit),
    workers: wholeNumber("--workers", flags.workers),
    temperature: number("--temperature", flags.temperature),
    maxTokens: wholeNumber("--max-tokens", flags.maxTokens),
  };
  const modelMap = { ...parseModelMap(flags.mapModel), ...engineMap(models) };
  // Only a --root that was given is a fence; without one a path elsewhere is named in a warning.
  const place =
    flags.root === undefined ? { suiteFile: resolve(cwd, "run") } : { root: resolve(cwd, flags.root) };
  const files = { kind: "local" as const, ...place };
  const first = JSON.stringify(adhocSuite(adhoc, ["latency"]));
  const prepared = await prepareSuite({ text: first, files, modelMap });
  const metrics = metricsFor(prepared.datasets.flatMap((dataset) => dataset.items));
  return {
    text: JSON.stringify(adhocSuite(adhoc, metrics), null, 2),
    label: "",
    files,
    modelMap,
    explain: inFlags({ models, prompts, datasets, metrics: flags.metric }),
  };
}

/** Findings about the suite that `run` made, which nobody wrote: they name the flag, not a field and a line. */
function inFlags(given: { [field: string]: readonly string[] }): (finding: Finding) => Finding {
  return (finding) => {
    const [, list = "", index = ""] = /^(\w+)\[(\d+)\]/.exec(finding.field) ?? [];
    const value = given[list]?.[Number(index)];
    const field = value === undefined ? "" : `--${list.replace(/s$/, "")} ${clip(value, 60)}`;
    if (list !== "models" || value === undefined || finding.severity !== "error")
      return { ...finding, field, line: 0 };
    // A model's own flag takes the engine: no need for a map beside it.
    const hint = `write ENGINE:MODEL, such as ollama:${value}`;
    return { ...finding, field, line: 0, message: finding.message.replace(`the model ${value}`, "it"), hint };
  };
}

/** `ollama:qwen2.5vl:7b` is shown as `qwen2.5vl:7b`; options after `?` stay out of the id. */
function modelId(text: string): string {
  const [name = ""] = text.split("?");
  const engine = ENGINE_KINDS.find((kind) => name.startsWith(`${kind}:`));
  const options = text.slice(name.length + 1).replace(/[^A-Za-z0-9._-]+/g, "-");
  return (engine ? name.slice(engine.length + 1) : name) + (options === "" ? "" : `@${options}`);
}

function engineMap(models: readonly string[]): Record<string, string> {
  const named = models.filter((text) => ENGINE_KINDS.some((kind) => text.startsWith(`${kind}:`)));
  for (const text of named) {
    const parsed = parseModelTarget(text);
    if (!parsed.ok) throw usageError(`--model: ${parsed.message}`);
  }
  return Object.fromEntries(named.map((text) => [modelId(text), text]));
}

/** `@FILE` is read; anything else stands for itself. */
async function promptText(context: Context, prompt: string): Promise<string> {
  if (!prompt.startsWith("@")) return prompt;
  try {
    return await readFile(resolve(context.io.cwd, prompt.slice(1)), "utf8");
  } catch (cause) {
    throw new SaiError("not_found", `--prompt: cannot read ${prompt.slice(1)}`, { cause });
  }
}

function number(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw usageError(`${flag}: ${text} is not a number`);
  return value;
}

function wholeNumber(flag: string, text: string | undefined): number | undefined {
  const value = number(flag, text);
  if (value !== undefined && (!Number.isInteger(value) || value < 1)) {
    throw usageError(`${flag}: ${text} is not a positive whole number`);
  }
  return value;
}
