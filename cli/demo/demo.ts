/**
 * The first minute: a real campaign on this machine, with nothing installed but this package. Pictures are drawn, a
 * coordinator and an agent start in this process, the suite goes in over gRPC as any other would, and the table and
 * the report come out. Then it ends by itself.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { count } from "../../shared/benchmark/count.js";
import type { Config } from "../../shared/runtime/config.js";
import { CampaignState, type Client } from "../client.js";
import { printSummary, reportPath, saveExport } from "../commands/result.js";
import { requireConfig } from "../config.js";
import { openClient } from "../connection.js";
import { type Context, say } from "../context.js";
import { asTyped } from "../invocation.js";
import { nodeReady, quietLogger, startLocal } from "../local.js";
import { painter } from "../output/color.js";
import { formatDuration } from "../output/quantity.js";
import { submit } from "../submit.js";
import { exitCodeOfEnd, waitForEnd } from "../wait.js";
import { demoImages } from "./images.js";
import { writeDemoFiles } from "./suite.js";
import { readWithOllama } from "./vision.js";

const IMAGES_PER_LEVEL = 12;
const WORKERS = 2;
const NODE_READY_TIMEOUT_MS = 30_000;

/** Runs the demo to its end; sets the exit code when the campaign did not succeed. `seed` decides words and noise. */
export async function runDemo(context: Context, seed: number): Promise<void> {
  const startMs = context.io.clock.nowMs();
  const userConfig = requireConfig(context, false).config;
  const scratch = await mkdtemp(join(tmpdir(), "sai-demo-"));
  const config = demoConfig(context, scratch);
  const log = quietLogger(context, { ...config, storage: userConfig.storage }, "demo");
  try {
    const folder = resolve(context.io.cwd, userConfig.dataDir, "demo");
    const images = await demoImages(seed, IMAGES_PER_LEVEL);
    const { suitePath, suiteText } = await writeDemoFiles(folder, images);
    say(
      context,
      `drew ${count(images.length, "picture")} into ${relative(context.io.cwd, join(folder, "images"))}`,
    );
    const local = await startLocal(context, config, log.logger);
    say(
      context,
      `started a coordinator on ${local.coordinator.apiAddress} and an agent with ${count(WORKERS, "worker")}`,
    );
    const client = openClient(context, local.coordinator.apiAddress);
    try {
      await nodeReady(context, client, NODE_READY_TIMEOUT_MS);
      const source = {
        text: suiteText,
        label: relative(context.io.cwd, suitePath),
        files: { kind: "local" as const, root: folder },
        modelMap: {},
      };
      const report = await baseline(context, client, source, userConfig.dataDir);
      await readWithOllama(context, client, { folder, baseUrl: config.engines.ollama.baseUrl });
      await closing(context, report, source.label, context.io.clock.nowMs() - startMs);
    } finally {
      client.close();
      await local.stop("the demo is over");
    }
  } finally {
    await log.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Free ports on loopback and a folder of its own, so that a running coordinator is not disturbed. */
function demoConfig(context: Context, dataDir: string): Config {
  return requireConfig(context, true, {
    data_dir: dataDir,
    "store.kind": "memory",
    "coordinator.host": "127.0.0.1",
    "coordinator.grpc_port": 0,
    "coordinator.agent_port": 0,
    "coordinator.http_port": 0,
    "agent.cpu_slots": WORKERS,
  }).config;
}

/** Runs the OCR campaign, prints its table and answers where its report lies. */
async function baseline(
  context: Context,
  client: Client,
  source: Parameters<typeof submit>[2],
  dataDir: string,
): Promise<string> {
  const quiet: Context = { ...context, flags: { ...context.flags, quiet: true } };
  const campaign = await submit(quiet, client, source, { priority: 0 });
  say(context, `submitted campaign ${campaign.id}`);
  const ended = await waitForEnd(context, client, campaign.id, { timeoutMs: context.flags.timeoutMs });
  const summary = await client.summary(campaign.id);
  if (context.flags.output === "table" || context.flags.output === "wide") {
    const paint = painter(context.flags.color && context.io.outIsTty);
    await context.io.out(
      `\n${paint("OCR BASELINE: generated images, real recognisers", "bold", "cyan")}\n\n`,
    );
  }
  await printSummary(context, summary);
  const path = reportPath(dataDir, campaign.id);
  await saveExport(
    { ...context, flags: { ...context.flags, quiet: true } },
    client,
    campaign.id,
    "html",
    path,
  );
  if (ended.state !== CampaignState.SUCCEEDED) context.exit(exitCodeOfEnd(ended));
  return path;
}

async function closing(context: Context, report: string, suite: string, tookMs: number): Promise<void> {
  const next: [string, string][] = [
    ["sai dev", "keep a coordinator and an agent running"],
    [`sai apply -f ${suite} --wait`, "the same campaign on it"],
    ["sai init", "a commented suite of your own"],
    ["sai doctor", "which engines this machine has"],
  ];
  const typed = next.map(([command]) => asTyped(context.io.env, command));
  const width = Math.max(...typed.map((command) => command.length));
  const lines = [
    "",
    `report: ${report}`,
    `took ${formatDuration(tookMs)}`,
    "",
    "what to try next:",
    ...next.map(([, what], i) => `  ${(typed[i] ?? "").padEnd(width)}  ${what}`),
  ];
  if (context.flags.output === "table" || context.flags.output === "wide") {
    await context.io.out(`${lines.join("\n")}\n`);
  } else {
    say(context, `report: ${report}`);
  }
}
