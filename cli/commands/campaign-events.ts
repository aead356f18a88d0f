/**
 * `sai campaign events`: what happened to a campaign, and with --follow what happens, until it has ended. The
 * coordinator numbers events anew with each start, so a follower remembers number and epoch; what it missed it says.
 */
import type { Command } from "commander";
import { SaiError } from "../../shared/runtime/errors.js";
import { type Client, Event } from "../client.js";
import { withClient } from "../connection.js";
import { type Context, say } from "../context.js";
import { CliExit, EXIT, usageError } from "../exit.js";
import { withExamples } from "../help.js";
import { type Listing, printRows } from "../output/print.js";
import { printable } from "../output/width.js";
import { isTerminal, time } from "../output/words.js";
import type { Bind } from "../program.js";
import { reconnecting } from "../reconnect.js";

interface EventFlags {
  follow?: boolean;
  since?: string;
}

export function registerCampaignEvents(noun: Command, bind: Bind): void {
  withExamples(
    noun
      .command("events <id>")
      .description("what happened to a campaign since the coordinator started, oldest first")
      .option("-f, --follow", "go on with what happens, until the campaign has ended")
      .option("--since <seq>", "only those with a higher number"),
    "sai campaign events c-01j9",
    "sai campaign events c-01j9 --follow -o jsonl",
  ).action(bind<EventFlags>((context, [id = ""], flags) => events(context, id, flags)));
}

const LISTING: Listing<Event> = {
  columns: [
    { title: "TIME", value: (e) => time(e.time) },
    { title: "SEQ", align: "right", value: (e) => String(e.seq) },
    { title: "EVENT", value: (e) => e.kind },
    { title: "JOB", value: (e) => e.jobId },
    { title: "NODE", value: (e) => e.nodeId },
    { title: "EPOCH", value: (e) => e.epoch, wide: true },
    { title: "MESSAGE", value: (e) => e.message },
  ],
  json: (e) => Event.toJSON(e),
  name: (e) => String(e.seq),
  none: "no events of it since the coordinator started",
};

async function events(context: Context, id: string, flags: EventFlags): Promise<void> {
  const since = Number(flags.since ?? "0");
  if (!Number.isSafeInteger(since) || since < 0)
    throw usageError(`--since: ${flags.since} is not a number of an event`);
  if (flags.follow && (context.flags.output === "yaml" || context.flags.output === "name"))
    throw usageError(`-o ${context.flags.output}: --follow prints table, wide or jsonl`);
  await withClient(context, async (client) => {
    // An unknown campaign has no events for ever; that is worth an error.
    await client.getCampaign(id);
    if (flags.follow) return follow(context, client, id, since);
    const found: Event[] = [];
    for await (const event of client.events({ campaignId: id, since, untilNow: true })) found.push(event);
    await printRows(context, found, LISTING);
  });
}

/** Prints events as they come until one ends the campaign. */
async function follow(context: Context, client: Client, id: string, from: number): Promise<void> {
  const { io } = context;
  let [since, epoch] = [from, ""];
  const again = reconnecting(context, `still following ${id}`);
  try {
    for (;;) {
      try {
        // Asked before the events, so that an end that happened in between is among them.
        const campaign = await client.getCampaign(id);
        const over = isTerminal(campaign.state);
        for await (const event of client.events({ campaignId: id, since, epoch, untilNow: over })) {
          if (epoch !== "" && event.epoch !== epoch)
            say(
              context,
              "the coordinator has restarted: events it had not sent are gone, numbers begin anew",
            );
          [since, epoch] = [event.seq, event.epoch];
          again.answered();
          await io.out(`${line(context, event)}\n`);
          if (ENDS.has(event.kind)) return;
        }
        if (over) return;
        await again.pause();
      } catch (error) {
        if (epoch !== "" && error instanceof SaiError && error.code === "out_of_range") {
          say(context, `events were missed: ${error.message}`);
          since = 0;
        } else await again.failed(error);
      }
    }
  } catch (error) {
    if (io.interrupt.aborted) throw new CliExit(EXIT.interrupted, "", { hint: `campaign ${id} goes on` });
    throw error;
  }
}

const ENDS = new Set(["succeeded", "partial", "failed", "cancelled"].map((state) => `campaign.${state}`));

function line(context: Context, event: Event): string {
  const { output } = context.flags;
  if (output === "json" || output === "jsonl") return JSON.stringify(Event.toJSON(event));
  const about = [event.jobId, event.nodeId].filter((id) => id !== "" && !event.message.includes(id));
  const number = output === "wide" ? `  ${event.epoch}:${event.seq}` : "";
  return `${time(event.time)}${number}  ${event.kind.padEnd(18)}  ${printable([event.message, ...about].join("  "))}`;
}
