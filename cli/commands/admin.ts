/** `sai admin status|brake release|leader transfer|reindex`: the coordinator itself. */
import type { Command } from "commander";
import {
  type Client,
  GetStatusResponse,
  ReindexResponse,
  ReleaseBrakeResponse,
  TransferLeadershipResponse,
} from "../client.js";
import { withClient } from "../connection.js";
import { type Context, say } from "../context.js";
import { CliExit, EXIT } from "../exit.js";
import { withExamples } from "../help.js";
import { painter } from "../output/color.js";
import { printOne } from "../output/print.js";
import { brakeText, statusLines } from "../output/status-text.js";
import type { Bind } from "../program.js";
import { persist } from "../reconnect.js";

const LOOK_MS = 500;

export function registerAdmin(program: Command, bind: Bind): void {
  const noun = program.command("admin").description("the coordinator: its state, its brake, who leads");
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
  withExamples(
    noun
      .command("reindex")
      .description(
        "builds the results index anew from the artifacts; meanwhile the old one answers. With --wait: to its end",
      ),
    "sai admin reindex --wait",
  ).action(
    bind((context) =>
      withClient(context, async (client) => {
        const answer = await client.reindex();
        const after = context.flags.wait ? await built(context, client, answer.generation) : undefined;
        const { generation } = answer;
        await printOne(context, {
          json: after ? GetStatusResponse.toJSON(after) : ReindexResponse.toJSON(answer),
          name: String(generation),
          text: () => [
            after
              ? `generation ${generation} of the results index answers`
              : `generation ${generation} of the results index is being built; \`sai admin status\` shows how far it is`,
          ],
        });
      }),
    ),
  );
  const leader = noun.command("leader").description("which of several coordinators leads");
  withExamples(
    leader
      .command("transfer")
      .description("the leader lets another coordinator lead; what runs goes on. With --wait: until one does")
      .option("--reason <text>", "for the log"),
    'sai admin leader transfer --wait --reason "this machine is updated"',
  ).action(
    bind<{ reason?: string }>((context, _, { reason = "" }) =>
      withClient(context, async (client) => {
        const answer = await client.transferLeadership(reason);
        const next = context.flags.wait ? await nextLeader(context, client, answer.epoch) : undefined;
        await printOne(context, {
          json: next ? GetStatusResponse.toJSON(next) : TransferLeadershipResponse.toJSON(answer),
          name: next?.leader ?? answer.leader,
          text: () => [
            next
              ? `${next.leader} leads, epoch ${next.epoch}; before, ${answer.leader} did`
              : `${answer.leader} gives the leadership back, epoch ${answer.epoch} ends`,
          ],
        });
      }),
    ),
  );
}

/** The status once the generation answers. Exit 3 when --timeout passes before. */
async function built(context: Context, client: Client, generation: number): Promise<GetStatusResponse> {
  const { clock, interrupt } = context.io;
  const { timeoutMs = Number.POSITIVE_INFINITY } = context.flags;
  const endMs = clock.nowMs() + timeoutMs;
  for (;;) {
    const left = endMs - clock.nowMs();
    const now = await persist(context, "waiting for the index", () => client.status(), left);
    if ((now.index?.generation ?? 0) >= generation) return now;
    if (clock.nowMs() >= endMs) {
      const hint = "it goes on; `sai admin status` shows how far it is";
      throw new CliExit(EXIT.waitTimedOut, "the results index is not built yet", { hint });
    }
    await clock.sleep(LOOK_MS, interrupt);
  }
}

/** The status under a later epoch. Exit 3 when --timeout passes before. */
async function nextLeader(context: Context, client: Client, epoch: string): Promise<GetStatusResponse> {
  const { clock, interrupt } = context.io;
  const { timeoutMs = Number.POSITIVE_INFINITY } = context.flags;
  const endMs = clock.nowMs() + timeoutMs;
  for (;;) {
    const now = await persist(
      context,
      "waiting for the next leader",
      () => client.status(),
      endMs - clock.nowMs(),
    );
    if (BigInt(now.epoch) > BigInt(epoch)) return now;
    if (clock.nowMs() >= endMs) {
      const hint = "`sai admin status` shows who does; without another coordinator the same one leads again";
      throw new CliExit(EXIT.waitTimedOut, "no other coordinator leads yet", { hint });
    }
    await clock.sleep(LOOK_MS, interrupt);
  }
}

async function status(context: Context, answer: GetStatusResponse): Promise<void> {
  const paint = painter(context.flags.color && context.io.outIsTty);
  await printOne(context, {
    json: GetStatusResponse.toJSON(answer),
    name: answer.clusterId,
    text: () => statusLines(answer, paint),
  });
}
