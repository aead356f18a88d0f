/** `sai campaign list|get|watch|wait|cancel`: what was submitted and where it stands. */
import type { Command } from "commander";
import { Campaign, type Client, type JobProgress } from "../client.js";
import { withClient } from "../connection.js";
import { type Context, say } from "../context.js";
import { CliExit, EXIT, usageError } from "../exit.js";
import { painter } from "../output/color.js";
import { type Listing, printOne, printRows } from "../output/print.js";
import { tableLines } from "../output/table.js";
import { campaignState, isTerminal, stateColor, time, waitingReasons } from "../output/words.js";
import type { Bind } from "../program.js";
import { endLine, exitCodeForState, waitForEnd } from "../wait.js";

export function registerCampaign(program: Command, bind: Bind): void {
  const noun = program.command("campaign").description("campaigns: what was submitted and where it stands");
  noun
    .command("list")
    .description("campaigns, newest first")
    .option("--limit <n>", "at most so many", "50")
    .action(bind<{ limit: string }>(async (context, _, options) => list(context, options.limit)));
  noun
    .command("get <id>")
    .description("one campaign with its jobs")
    .action(
      bind((context, [id = ""]) =>
        withClient(context, async (c) => printCampaign(context, await c.getCampaign(id))),
      ),
    );
  noun
    .command("watch <id>")
    .description("every change of a campaign until it has ended, one line each")
    .action(bind((context, [id = ""]) => withClient(context, (client) => watch(context, client, id))));
  noun
    .command("wait <id>")
    .description(
      "wait until a campaign has ended; exit 0 succeeded, 5 with failures, 6 cancelled, 3 timed out",
    )
    .action(
      bind((context, [id = ""]) =>
        withClient(context, async (client) => {
          const campaign = await waitForEnd(context, client, id, { timeoutMs: context.flags.timeoutMs });
          say(context, endLine(campaign));
          context.exit(exitCodeForState(campaign.state));
        }),
      ),
    );
  noun
    .command("cancel <id>")
    .description("stop a campaign; results committed so far are kept")
    .action(
      bind((context, [id = ""]) =>
        withClient(context, async (client) => {
          const before = await client.getCampaign(id);
          if (isTerminal(before.state)) {
            say(
              context,
              `campaign ${id} had ended already (${campaignState(before.state)}); nothing was cancelled`,
            );
            return printCampaign(context, before);
          }
          const campaign = await client.cancelCampaign(id);
          if (context.flags.wait && !isTerminal(campaign.state)) {
            return printCampaign(
              context,
              await waitForEnd(context, client, id, { timeoutMs: context.flags.timeoutMs }),
            );
          }
          return printCampaign(context, campaign);
        }),
      ),
    );
}

const LISTING: Listing<Campaign> = {
  columns: [
    { title: "ID", value: (c) => c.id },
    { title: "NAME", value: (c) => (c.simulated ? `${c.name} [SIMULATED]` : c.name) },
    {
      title: "STATE",
      value: (c) => campaignState(c.state),
      color: (c) => stateColor(campaignState(c.state)),
    },
    { title: "SAMPLES", align: "right", value: (c) => done(c.progress) },
    { title: "FAILED", align: "right", value: (c) => String(c.progress?.samplesFailed ?? 0) },
    { title: "CREATED", value: (c) => time(c.createTime) },
    { title: "ENDED", value: (c) => time(c.endTime), wide: true },
    { title: "PRIORITY", align: "right", value: (c) => String(c.priority), wide: true },
    { title: "REASON", value: (c) => c.reason, wide: true },
  ],
  json: (c) => Campaign.toJSON(c),
  name: (c) => c.id,
  none: "no campaigns yet; `sai apply -f suite.yaml` submits one",
};

const done = (progress: Campaign["progress"]) => `${progress?.samplesDone ?? 0}/${progress?.samples ?? 0}`;

async function list(context: Context, limitText: string): Promise<void> {
  const limit = Number(limitText);
  if (!Number.isInteger(limit) || limit < 1)
    throw usageError(`--limit: ${limitText} is not a positive number`);
  await withClient(context, async (client) => {
    const campaigns: Campaign[] = [];
    for (let token = ""; campaigns.length < limit; ) {
      const page = await client.listCampaigns(Math.min(1000, limit - campaigns.length), token);
      campaigns.push(...page.campaigns);
      token = page.nextPageToken;
      if (token === "") break;
    }
    await printRows(context, campaigns, LISTING);
  });
}

/** One campaign: its facts, then a row per job. */
export async function printCampaign(context: Context, campaign: Campaign): Promise<void> {
  const paint = painter(context.flags.color && context.io.outIsTty);
  await printOne(context, {
    json: Campaign.toJSON(campaign),
    name: campaign.id,
    text: () => {
      const state = campaignState(campaign.state);
      const facts: [string, string][] = [
        ["id", campaign.id],
        ["name", campaign.name],
        ["state", paint(state, ...[stateColor(state) ?? []].flat())],
        ["reason", campaign.reason],
        ["samples", `${done(campaign.progress)}, ${campaign.progress?.samplesFailed ?? 0} failed`],
        ["created", time(campaign.createTime)],
        ["ended", time(campaign.endTime)],
        ["waiting", waitingReasons(campaign.waiting).join("; ")],
        ["simulated", campaign.simulated ? "SIMULATED: numbers do not come from a model" : ""],
      ];
      const lines = facts
        .filter(([, value]) => value !== "")
        .map(([key, value]) => `${key.padEnd(10)} ${value}`);
      lines.push(...campaign.warnings.map((w) => `${paint("warning:", "yellow")} ${w}`));
      return campaign.jobs.length === 0
        ? lines
        : [...lines, "", ...tableLines<JobProgress>(JOB_COLUMNS, campaign.jobs, { paint })];
    },
  });
}

const JOB_COLUMNS = [
  { title: "JOB", value: (j: JobProgress) => j.id },
  { title: "MODEL", value: (j: JobProgress) => j.model },
  { title: "PROMPT", value: (j: JobProgress) => j.prompt },
  { title: "DATASET", value: (j: JobProgress) => j.dataset },
  { title: "STATE", value: (j: JobProgress) => j.state, color: (j: JobProgress) => stateColor(j.state) },
  { title: "SAMPLES", align: "right" as const, value: (j: JobProgress) => done(j.progress) },
  {
    title: "FAILED",
    align: "right" as const,
    value: (j: JobProgress) => String(j.progress?.samplesFailed ?? 0),
  },
];

/** One line per change on stdout; JSON lines with `-o json` or `-o jsonl`. Ctrl-C leaves, the campaign goes on. */
async function watch(context: Context, client: Client, id: string): Promise<void> {
  const { io, flags } = context;
  const asJson = flags.output === "json" || flags.output === "jsonl";
  if (!asJson && flags.output !== "table" && flags.output !== "wide") {
    throw usageError(`-o ${flags.output}: watch prints table or jsonl`);
  }
  try {
    for await (const campaign of client.watchCampaign(id)) {
      if (asJson) await io.out(`${JSON.stringify(Campaign.toJSON(campaign))}\n`);
      else await io.out(`${time(new Date(io.clock.wallMs()))}  ${endLine(campaign)}\n`);
    }
  } catch (error) {
    if (io.interrupt.aborted) throw new CliExit(EXIT.interrupted, "", { hint: `campaign ${id} goes on` });
    throw error;
  }
}
