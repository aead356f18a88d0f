/** `sai baseline set|list|get|remove`: names for campaigns that others are compared with, kept by the coordinator. */
import type { Command } from "commander";
import { Baseline } from "../client.js";
import { withClient } from "../connection.js";
import { say } from "../context.js";
import { withExamples } from "../help.js";
import { type Listing, printOne, printRows } from "../output/print.js";
import type { Bind } from "../program.js";

const LISTING: Listing<Baseline> = {
  columns: [
    { title: "NAME", value: (b) => b.name },
    { title: "CAMPAIGN", value: (b) => b.campaignId },
    { title: "SET", value: (b) => b.setAt },
  ],
  json: (b) => Baseline.toJSON(b),
  name: (b) => b.name,
  none: "no baselines; `sai baseline set NAME CAMPAIGN` makes one",
};

export function registerBaseline(program: Command, bind: Bind): void {
  const noun = program
    .command("baseline")
    .description("names for campaigns that others are compared with: set, list, get, remove");
  withExamples(
    noun
      .command("set <name> <campaign>")
      .description("name a campaign that has ended; a name that is there moves to it"),
    "sai baseline set release c-7f3k2",
  ).action(
    bind((context, [name = "", campaign = ""]) =>
      withClient(context, async (client) => {
        const { baseline, before } = await client.setBaseline(name, campaign);
        await printOne(context, {
          json: baseline && Baseline.toJSON(baseline),
          name,
          text: () => [`${name} is ${campaign}`],
        });
        if (before !== "" && before !== campaign) say(context, `it was ${before} before`);
      }),
    ),
  );
  noun
    .command("list")
    .description("all of them")
    .action(
      bind((context) =>
        withClient(context, async (client) => printRows(context, await client.listBaselines(), LISTING)),
      ),
    );
  noun
    .command("get <name>")
    .description("one of them")
    .action(
      bind((context, [name = ""]) =>
        withClient(context, async (client) => printRows(context, [await client.getBaseline(name)], LISTING)),
      ),
    );
  noun
    .command("remove <name>")
    .description("forget the name; the campaign and its results stay")
    .action(
      bind((context, [name = ""]) =>
        withClient(context, async (client) => {
          const was = await client.removeBaseline(name);
          await printOne(context, {
            json: Baseline.toJSON(was),
            name,
            text: () => [`${name} is forgotten; it was ${was.campaignId}`],
          });
        }),
      ),
    );
}
