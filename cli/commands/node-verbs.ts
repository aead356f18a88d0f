/** `sai node cordon|uncordon|drain|label|remove`: what people do to a node; each is durable when it is answered. */
import type { Command } from "commander";
import type { Client } from "../client.js";
import { Node } from "../client.js";
import { withClient } from "../connection.js";
import { type Context, say } from "../context.js";
import { CliExit, EXIT, usageError } from "../exit.js";
import { withExamples } from "../help.js";
import { printNode } from "../output/node-text.js";
import { printOne } from "../output/print.js";
import { parseDuration } from "../output/quantity.js";
import type { Bind } from "../program.js";
import { persist } from "../reconnect.js";

const LOOK_MS = 500;
const MAX_DEADLINE_MS = 7 * 24 * 3_600_000;

export function registerNodeVerbs(noun: Command, bind: Bind): void {
  withExamples(
    noun
      .command("cordon <id>")
      .description("no new work for a node; what runs there goes on. Holds over restarts")
      .option("--reason <text>", "shown to those who look at it"),
    'sai node cordon gpu-1 --reason "new driver tonight"',
  ).action(
    bind<{ reason?: string }>((context, [id = ""], { reason = "" }) =>
      change(context, (client) => client.cordonNode(id, reason)),
    ),
  );
  withExamples(
    noun.command("uncordon <id>").description("the node may take work again"),
    "sai node uncordon gpu-1",
  ).action(bind((context, [id = ""]) => change(context, (client) => client.uncordonNode(id))));
  withExamples(
    noun
      .command("drain <id>")
      .description(
        "cordon a node, take back what it has not begun, let the rest finish. With --wait: until it has no work left",
      )
      .option("--deadline <duration>", "what runs longer is given to others", "10m")
      .option("--reason <text>", "shown to those who look at it"),
    "sai node drain gpu-1 --deadline 10m --wait",
  ).action(bind<DrainFlags>((context, [id = ""], flags) => drain(context, id, flags)));
  withExamples(
    noun.command("label <id> <labels...>").description("set labels (KEY=VALUE) and remove them (KEY-)"),
    "sai node label gpu-1 zone=a rack=7",
    "sai node label gpu-1 rack-",
  ).action(
    bind((context, [id = "", ...texts]) => {
      const labels = parseLabels(texts);
      return change(context, (client) => client.labelNode(id, labels));
    }),
  );
  withExamples(
    noun
      .command("remove <id>")
      .description("forget a node that is gone, with its cordon and labels; it may join again"),
    "sai node remove gpu-1",
  ).action(
    bind((context, [id = ""]) =>
      withClient(context, async (client) => {
        const node = await client.removeNode(id);
        await printOne(context, {
          json: Node.toJSON(node),
          name: node.id,
          text: () => [`node ${node.id} is forgotten`],
        });
      }),
    ),
  );
}

/** A change, and the node after it. */
const change = (context: Context, ask: (client: Client) => Promise<Node>): Promise<void> =>
  withClient(context, async (client) => printNode(context, await ask(client)));

/** `KEY=VALUE` sets, `KEY-` removes. */
export function parseLabels(texts: readonly string[]): { set: Record<string, string>; unset: string[] } {
  const set: Record<string, string> = {};
  const unset: string[] = [];
  for (const text of texts) {
    const at = text.indexOf("=");
    if (at > 0 && at < text.length - 1) set[text.slice(0, at)] = text.slice(at + 1);
    else if (at === -1 && text.length > 1 && text.endsWith("-")) unset.push(text.slice(0, -1));
    else throw usageError(`${text} is neither KEY=VALUE nor KEY-`, "sai node label NODE zone=a rack-");
  }
  return { set, unset };
}

interface DrainFlags {
  deadline: string;
  reason?: string;
}

async function drain(context: Context, id: string, flags: DrainFlags): Promise<void> {
  const deadlineMs = parseDuration(flags.deadline);
  if (deadlineMs === undefined || deadlineMs < 1 || deadlineMs > MAX_DEADLINE_MS)
    throw usageError(`--deadline: ${flags.deadline} is not a duration up to 7 days`, "write 30s, 10m or 2h");
  await withClient(context, async (client) => {
    const node = await client.drainNode(id, Math.round(deadlineMs), flags.reason ?? "");
    if (context.flags.wait) return printNode(context, await drained(context, client, node));
    const left = node.attempts === 1 ? "1 attempt" : `${node.attempts} attempts`;
    say(context, `${left} left; \`sai node uncordon ${id}\` lets it take work again`);
    await printNode(context, node);
  });
}

/** The node once it has no attempts. Exit 3 when --timeout passes before; the drain goes on then. */
async function drained(context: Context, client: Client, from: Node): Promise<Node> {
  const { clock, interrupt } = context.io;
  const { timeoutMs } = context.flags;
  const { id } = from;
  const endMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.nowMs() + timeoutMs;
  let said = -1;
  for (let node = from; ; ) {
    if (node.attempts === 0) {
      say(context, `${id} is drained`);
      return node;
    }
    if (!node.cordoned)
      throw new CliExit(EXIT.error, `${id} was uncordoned while it was drained; it takes work again`);
    const left = node.attempts === 1 ? "1 attempt" : `${node.attempts} attempts`;
    if (node.attempts !== said) say(context, `${id}: ${left} left`);
    said = node.attempts;
    if (clock.nowMs() >= endMs) {
      const hint = `it goes on; \`sai node get ${id}\` shows what is left`;
      throw new CliExit(EXIT.waitTimedOut, `${id} still has ${left}`, { hint });
    }
    await clock.sleep(LOOK_MS, interrupt);
    node = await persist(
      context,
      `still waiting for ${id}`,
      () => client.getNode(id),
      Number.POSITIVE_INFINITY,
    );
  }
}
