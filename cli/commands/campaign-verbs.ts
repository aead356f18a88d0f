/** `sai campaign pause|resume|retry`: what people do to a campaign that exists. */
import type { Command } from "commander";
import { type Budget, Campaign, type Client } from "../client.js";
import { withClient } from "../connection.js";
import { type Context, say } from "../context.js";
import { CliExit, EXIT, usageError } from "../exit.js";
import { type FinishOptions, finish } from "../finish.js";
import { withExamples } from "../help.js";
import { printCampaign } from "../output/campaign-text.js";
import { printOne } from "../output/print.js";
import { campaignState } from "../output/words.js";
import type { Bind } from "../program.js";
import { persist } from "../reconnect.js";
import { endLine, exitCodeOfEnd, waitForEnd } from "../wait.js";

const LOOK_MS = 500;

export function registerCampaignVerbs(noun: Command, bind: Bind): void {
  withExamples(
    noun
      .command("pause <id>")
      .description("start nothing new; running shards finish. With --wait: until nothing of it runs")
      .option("--reason <text>", "shown to those who look at it"),
    'sai campaign pause c-01j9 --reason "the server room is hot" --wait',
  ).action(
    bind<{ reason?: string }>((context, [id = ""], { reason = "" }) =>
      withClient(context, async (client) => {
        const paused = await client.pauseCampaign(id, reason);
        if (context.flags.wait) await untilIdle(context, client, id);
        else say(context, `running shards finish; \`sai campaign resume ${id}\` goes on`);
        await printCampaign(context, context.flags.wait ? await client.getCampaign(id) : paused);
      }),
    ),
  );
  withExamples(
    noun.command("resume <id>").description("go on with a paused campaign. With --wait: until it has ended"),
    "sai campaign resume c-01j9 --wait",
  ).action(
    bind((context, [id = ""]) =>
      withClient(context, async (client) => {
        const resumed = await client.resumeCampaign(id);
        if (!context.flags.wait) return printCampaign(context, resumed);
        const { timeoutMs } = context.flags;
        const ended = await waitForEnd(context, client, id, { timeoutMs }, resumed);
        say(context, endLine(ended));
        context.exit(exitCodeOfEnd(ended));
        await printCampaign(context, ended);
      }),
    ),
  );
  withExamples(
    noun
      .command("retry <id>")
      .description(
        "a new campaign for what an ended one left without a usable record: engine errors, timeouts, out of memory, cancelled, never run",
      )
      .option("--priority <n>", "of the new campaign, -1000 to 1000 (default: that of the old one)")
      .option(
        "--budget-usd <usd>",
        "what it may cost itself (this and the next two default to the old one's)",
      )
      .option("--budget-gpu-hours <hours>", "hours of GPUs it may use itself")
      .option("--budget-wall-s <seconds>", "how long it may run itself")
      .option("--idempotency-key <key>", "the same key gives the same retry for 7 days")
      .option("--output <path>", "with --wait: write the results to this file or folder")
      .option("--gate", "with --wait: exit 5 when a metric misses its target"),
    "sai campaign retry c-01j9 --wait",
  ).action(bind<RetryFlags>(retry));
}

interface RetryFlags extends FinishOptions {
  priority?: string;
  budgetUsd?: string;
  budgetGpuHours?: string;
  budgetWallS?: string;
  idempotencyKey?: string;
}

async function retry(context: Context, [id = ""]: string[], flags: RetryFlags): Promise<void> {
  const priority = flags.priority === undefined ? undefined : Number(flags.priority);
  if (priority !== undefined && (!Number.isInteger(priority) || Math.abs(priority) > 1000)) {
    throw usageError(`--priority: ${flags.priority} is not a whole number from -1000 to 1000`);
  }
  for (const flag of ["gate", "output"] as const)
    if (flags[flag] !== undefined && !context.flags.wait) throw usageError(`--${flag} needs --wait`);
  const budget = budgetOf(flags);
  const key = flags.idempotencyKey ?? `cli-${context.io.random.id(24)}`;
  await withClient(context, async (client) => {
    await client.getCampaign(id);
    const campaign = await persist(context, "asking again under the same key", () =>
      client.retryCampaign(id, key, priority, budget),
    );
    say(context, `campaign ${campaign.id} retries ${id}`);
    if (context.flags.wait) {
      await finish(context, client, campaign, flags);
      return;
    }
    if (context.flags.output === "wide") return printCampaign(context, campaign);
    await printOne(context, {
      json: Campaign.toJSON(campaign),
      name: campaign.id,
      text: () => [campaign.id],
    });
  });
}

/** The limits that were given; undefined without any. */
function budgetOf({ budgetUsd, budgetGpuHours, budgetWallS }: RetryFlags): Budget | undefined {
  const limit = (flag: string, text: string | undefined): number | undefined => {
    const value = Number(text);
    if (text === undefined || (text.trim() !== "" && Number.isFinite(value) && value > 0 && value <= 1e9))
      return text === undefined ? undefined : value;
    throw usageError(`${flag}: ${text} is not a number above 0`);
  };
  const budget = {
    usd: limit("--budget-usd", budgetUsd),
    gpuHours: limit("--budget-gpu-hours", budgetGpuHours),
    wallS: limit("--budget-wall-s", budgetWallS),
  };
  return Object.values(budget).every((value) => value === undefined) ? undefined : budget;
}

/** Resolves when no shard of a paused campaign is on an agent. Exit 3 when --timeout passes before. */
async function untilIdle(context: Context, client: Client, id: string): Promise<void> {
  const { clock, interrupt } = context.io;
  const { timeoutMs } = context.flags;
  const endMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.nowMs() + timeoutMs;
  let said = -1;
  for (;;) {
    const { campaign, jobs } = await persist(context, `still waiting for ${id}`, () =>
      client.explainCampaign(id),
    );
    const running = jobs.reduce((sum, job) => sum + job.shardsRunning, 0);
    if (running === 0) return;
    if (running !== said)
      say(context, `paused; ${running === 1 ? "1 shard" : `${running} shards`} still running`);
    said = running;
    const now = campaign === undefined ? "" : campaignState(campaign.state);
    if (now !== "paused") throw new CliExit(EXIT.error, `campaign ${id} is ${now}, no longer paused`);
    if (clock.nowMs() >= endMs) {
      throw new CliExit(EXIT.waitTimedOut, `campaign ${id} still has shards that run`, {
        hint: "they finish by themselves; nothing new starts",
      });
    }
    await clock.sleep(LOOK_MS, interrupt);
  }
}
