/** `sai campaign list|get|watch|wait|cancel` (and the verbs beside this file): what was submitted and where it stands. */
import type { Command } from "commander";
import { Campaign, type Client, ExplainCampaignResponse } from "../client.js";
import { withClient } from "../connection.js";
import { type Context, say } from "../context.js";
import { CliExit, EXIT, usageError } from "../exit.js";
import { withExamples } from "../help.js";
import { campaignLines, done, printCampaign } from "../output/campaign-text.js";
import { painter } from "../output/color.js";
import { type Listing, printOne, printRows } from "../output/print.js";
import { whyLines } from "../output/why-text.js";
import { campaignState, isTerminal, stateColor, time } from "../output/words.js";
import type { Bind } from "../program.js";
import { reconnecting } from "../reconnect.js";
import { endLine, exitCodeOfEnd, waitForEnd } from "../wait.js";
import { registerCampaignEvents } from "./campaign-events.js";
import { registerCampaignVerbs } from "./campaign-verbs.js";

export function registerCampaign(program: Command, bind: Bind): void {
  const noun = program.command("campaign").description("campaigns: what was submitted and where it stands");
  noun
    .command("list")
    .description("campaigns, newest first")
    .option("--limit <n>", "at most so many", "50")
    .action(bind<{ limit: string }>(async (context, _, options) => list(context, options.limit)));
  withExamples(
    noun
      .command("get <id>")
      .description("one campaign with its jobs; --why: what holds it back, per job and node")
      .option("--why", "why it is where it is: what it waits for, and why each node takes none of it"),
    "sai campaign get c-01j9",
    "sai campaign get c-01j9 --why",
  ).action(
    bind<{ why?: boolean }>((context, [id = ""], { why }) =>
      withClient(context, async (client) =>
        why
          ? printWhy(context, await client.explainCampaign(id))
          : printCampaign(context, await client.getCampaign(id)),
      ),
    ),
  );
  noun
    .command("watch <id>")
    .description("every change of a campaign until it has ended, one line each")
    .action(bind((context, [id = ""]) => withClient(context, (client) => watch(context, client, id))));
  noun
    .command("wait <id>")
    .description(
      "wait until a campaign has ended; exit 0 succeeded, 5 with failures, 6 cancelled or at the end of its budget, 3 timed out",
    )
    .action(
      bind((context, [id = ""]) =>
        withClient(context, async (client) => {
          const campaign = await waitForEnd(context, client, id, { timeoutMs: context.flags.timeoutMs });
          say(context, endLine(campaign));
          context.exit(exitCodeOfEnd(campaign));
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
  registerCampaignVerbs(noun, bind);
  registerCampaignEvents(noun, bind);
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
    { title: "TENANT", value: (c) => c.tenant, wide: true },
    { title: "PRIORITY", align: "right", value: (c) => String(c.priority), wide: true },
    { title: "RETRY OF", value: (c) => c.retryOf, wide: true },
    { title: "REASON", value: (c) => c.reason, wide: true },
  ],
  json: (c) => Campaign.toJSON(c),
  name: (c) => c.id,
  none: "no campaigns yet; `sai apply -f suite.yaml` submits one",
};

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

/** The same, and what holds it back. */
async function printWhy(context: Context, why: ExplainCampaignResponse): Promise<void> {
  const paint = painter(context.flags.color && context.io.outIsTty);
  const text = () => [
    ...(why.campaign ? [...campaignLines(why.campaign, paint), ""] : []),
    ...whyLines(why, { paint, wide: context.flags.output === "wide" }),
  ];
  const json = ExplainCampaignResponse.toJSON(why);
  await printOne(context, { json, name: why.campaign?.id ?? "", text });
}

/** One line per change on stdout; JSON lines with `-o json` or `-o jsonl`. Ctrl-C leaves, the campaign goes on. */
async function watch(context: Context, client: Client, id: string): Promise<void> {
  const { io, flags } = context;
  const asJson = flags.output === "json" || flags.output === "jsonl";
  if (!asJson && flags.output !== "table" && flags.output !== "wide") {
    throw usageError(`-o ${flags.output}: watch prints table or jsonl`);
  }
  const again = reconnecting(context, `still watching ${id}`);
  let last = "";
  try {
    for (;;) {
      try {
        for await (const campaign of client.watchCampaign(id)) {
          again.answered();
          const line = asJson ? JSON.stringify(Campaign.toJSON(campaign)) : endLine(campaign);
          // Whoever comes back is told first what it saw last.
          if (line !== last)
            await io.out(asJson ? `${line}\n` : `${time(new Date(io.clock.wallMs()))}  ${line}\n`);
          last = line;
          if (isTerminal(campaign.state)) return;
        }
        await again.pause();
      } catch (error) {
        if (last === "") throw error;
        await again.failed(error);
      }
    }
  } catch (error) {
    if (io.interrupt.aborted) throw new CliExit(EXIT.interrupted, "", { hint: `campaign ${id} goes on` });
    throw error;
  }
}
