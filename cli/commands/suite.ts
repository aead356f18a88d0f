/** `sai validate` (no coordinator needed) and `sai apply`: a suite in a file becomes a campaign. */
import type { Command } from "commander";
import { count } from "../../shared/benchmark/count.js";
import { SUITE_SCHEMA } from "../../shared/benchmark/suite/schema.js";
import { estimateRun, overBudget } from "../../shared/suites/estimate.js";
import { planOf, prepareSuite } from "../../shared/suites/prepare.js";
import { Campaign } from "../client.js";
import { withClient } from "../connection.js";
import { type Context, say } from "../context.js";
import { EXIT, usageError } from "../exit.js";
import { type FinishOptions, finish } from "../finish.js";
import { printCampaign } from "../output/campaign-text.js";
import { painter } from "../output/color.js";
import { dryRunLines } from "../output/dry-run-text.js";
import { printOne } from "../output/print.js";
import { formatBytes } from "../output/quantity.js";
import { renderedLines } from "../output/rendered-text.js";
import type { Bind } from "../program.js";
import { availableModels, blobsOf, prepareOrRefuse, printFindings, submit } from "../submit.js";
import { readSuiteSource, type SuiteFlags } from "../suite-source.js";

export function registerSuite(program: Command, bind: Bind): void {
  program
    .command("suite")
    .description("the language of suites")
    .command("schema")
    .description("print the JSON Schema of suites, for editors")
    .action(bind((context) => context.io.out(`${JSON.stringify(SUITE_SCHEMA, null, 2)}\n`)));
  suiteFlags(program.command("validate"))
    .description("check a suite here, without a coordinator: errors, warnings, the size of the matrix")
    .option("--show <n>", "print the first n messages as an engine would get them", "0")
    .action(bind<SuiteFlags & { show: string }>(validate));
  suiteFlags(program.command("apply"))
    .description("submit a suite as a campaign")
    .option("--dry-run", "check it against the coordinator and say what would be sent, but submit nothing")
    .option("--priority <n>", "higher runs first, -1000 to 1000", "0")
    .option("--tenant <name>", "whose campaign it is, for shares and quotas (default: default)")
    .option("--idempotency-key <key>", "the same key and suite give the same campaign for 7 days")
    .option("--output <path>", "with --wait: write the results to this file or folder")
    .option(
      "--gate",
      "with --wait: exit 5 when a metric misses its target or loses too much to the suite's baseline",
    )
    .action(bind<ApplyFlags>(apply));
}

interface ApplyFlags extends SuiteFlags, FinishOptions {
  dryRun?: boolean;
  priority: string;
  tenant?: string;
  idempotencyKey?: string;
}

/** The flags of every command that reads a suite, SAI's own names among them. */
export function suiteFlags(command: Command): Command {
  return command
    .option("-f, --file <suite>", "the suite, YAML or JSON")
    .option("--suite <suite>", "the same as -f")
    .option(
      "--root <dir>",
      "where the suite's paths start (default: the nearest folder above it that has them)",
    )
    .option(
      "--map-model <id=engine:model>",
      "where a model runs; repeatable, * stands for the others",
      collect,
      [],
    )
    .option("--prompts <ids...>", "only these prompts")
    .option("--models <ids...>", "only these models")
    .option("--workers <n>", "requests in flight at once on an agent")
    .option("--limit <n>", "at most n items of each dataset, drawn by its seed")
    .option("--sample-id <ids...>", "only the items of these ids");
}

/** For repeatable options. */
export const collect = (value: string, before: string[]): string[] => [...before, value];

async function validate(context: Context, _: string[], flags: SuiteFlags & { show: string }): Promise<void> {
  const show = wholeNumber("--show", flags.show, 0, 1000);
  const source = await readSuiteSource(context, flags);
  const prepared = await prepareSuite(source);
  printFindings(context, source.label, prepared.findings);
  const messages = prepared.ok ? prepared.rendered(show) : [];
  const { ok, findings, jobs, samples } = prepared;
  const paint = painter(context.flags.color && context.io.outIsTty);
  await printOne(context, {
    json: { ok, findings, jobs, samples, messages },
    name: prepared.suite?.name ?? "",
    text: () => [
      ok
        ? `${source.label}: ok, ${count(jobs, "job")}, ${count(samples, "sample")}`
        : `${source.label}: not valid`,
      ...messages.flatMap((message) => renderedLines(message, paint)),
    ],
  });
  if (!ok) context.exit(EXIT.error);
}

async function apply(context: Context, _: string[], flags: ApplyFlags): Promise<void> {
  const priority = wholeNumber("--priority", flags.priority, -1000, 1000);
  if (!context.flags.wait && (flags.output !== undefined || flags.gate)) {
    throw usageError(`${flags.gate ? "--gate" : "--output"} needs --wait`);
  }
  const source = await readSuiteSource(context, flags);
  await withClient(context, async (client) => {
    if (flags.dryRun) {
      const prepared = await prepareOrRefuse(context, source, await availableModels(client));
      const blobs = await blobsOf(prepared);
      const missing = await client.missingArtifacts([...blobs.keys()]);
      const bytes = missing.reduce((sum, hash) => sum + (blobs.get(hash)?.sizeBytes ?? 0), 0);
      const { jobs, samples, suiteSha256 } = prepared;
      const nodes = (await client.listNodes()).filter((node) => node.state === "ready").length;
      const estimate = estimateRun(planOf(prepared, ""), prepared.datasets, nodes);
      const { cells, ...whole } = estimate;
      const budget = prepared.suite?.budget;
      return printOne(context, {
        json: {
          ...{ dryRun: true, jobs, samples, suiteSha256, uploads: missing.length, uploadBytes: bytes },
          ...{ ...whole, matrix: cells },
          ...(budget && { budget, overBudget: overBudget(estimate, budget) }),
        },
        name: prepared.suite?.name ?? "",
        text: () => [
          `${source.label}: would submit ${count(jobs, "job")}, ${count(samples, "sample")}, ${count(estimate.shards, "shard")}; ${count(missing.length, "upload")}, ${formatBytes(bytes)}`,
          "",
          ...dryRunLines(estimate, budget),
        ],
      });
    }
    const campaign = await submit(context, client, source, {
      priority,
      tenant: flags.tenant,
      idempotencyKey: flags.idempotencyKey,
    });
    if (context.flags.wait) {
      await finish(context, client, campaign, flags);
      return;
    }
    if (context.flags.output === "wide") await printCampaign(context, campaign);
    else
      await printOne(context, {
        json: Campaign.toJSON(campaign),
        name: campaign.id,
        text: () => [campaign.id],
      });
    say(
      context,
      `\`sai campaign wait ${campaign.id}\` waits, \`sai result table ${campaign.id}\` shows results`,
    );
  });
}

function wholeNumber(flag: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^-?\d+$/.test(text) || value < min || value > max) {
    throw usageError(`${flag}: ${text} is not a whole number from ${min} to ${max}`);
  }
  return value;
}
