/** `sai admin status|brake release`: the coordinator itself. */
import type { Command } from "commander";
import { GetStatusResponse, ReleaseBrakeResponse } from "../client.js";
import { withClient } from "../connection.js";
import { type Context, say } from "../context.js";
import { withExamples } from "../help.js";
import { painter } from "../output/color.js";
import { printOne } from "../output/print.js";
import { brakeText, statusLines } from "../output/status-text.js";
import type { Bind } from "../program.js";

export function registerAdmin(program: Command, bind: Bind): void {
  const noun = program.command("admin").description("the coordinator: its state and its brake");
  withExamples(
    noun
      .command("status")
      .description("version, leadership, store, brake, fleet and what is under way, in one look"),
    "sai admin status",
    "sai admin status -o json",
  ).action(bind((context) => withClient(context, async (client) => status(context, await client.status()))));
  const brake = noun
    .command("brake")
    .description("what keeps many lost nodes' work from being given away at once");
  withExamples(
    brake
      .command("release")
      .description("let lost nodes' work be given to others now; its cause may engage it again")
      .option("--reason <text>", "for the event log"),
    'sai admin brake release --reason "rack 7 is really gone"',
  ).action(
    bind<{ reason?: string }>((context, _, { reason = "" }) =>
      withClient(context, async (client) => {
        const answer = await client.releaseBrake(reason);
        if (!answer.released) say(context, "the brake was not engaged; nothing was released");
        await printOne(context, {
          json: ReleaseBrakeResponse.toJSON(answer),
          name: answer.released ? "released" : "open",
          text: () => [brakeText(answer.brake)],
        });
      }),
    ),
  );
}

async function status(context: Context, answer: GetStatusResponse): Promise<void> {
  const paint = painter(context.flags.color && context.io.outIsTty);
  await printOne(context, {
    json: GetStatusResponse.toJSON(answer),
    name: answer.clusterId,
    text: () => statusLines(answer, paint),
  });
}
