/** `sai node list|get` (the verbs are beside this file): the machines agents run on. */
import type { Command } from "commander";
import { Node } from "../client.js";
import { withClient } from "../connection.js";
import { isKeptBack, labelText, nodeReason, nodeState, printNode, spool } from "../output/node-text.js";
import { type Listing, printRows } from "../output/print.js";
import { stateColor, time } from "../output/words.js";
import type { Bind } from "../program.js";
import { registerNodeVerbs } from "./node-verbs.js";

export function registerNode(program: Command, bind: Bind): void {
  const noun = program.command("node").description("nodes: the machines agents run on");
  noun
    .command("list")
    .description("every node the coordinator knows")
    .action(
      bind((context) =>
        withClient(context, async (client) => printRows(context, await client.listNodes(), LISTING)),
      ),
    );
  noun
    .command("get <id>")
    .description("one node with its devices and engines")
    .action(
      bind((context, [id = ""]) =>
        withClient(context, async (client) => printNode(context, await client.getNode(id))),
      ),
    );
  registerNodeVerbs(noun, bind);
}

function devices(node: Node): string {
  return (node.inventory?.devices ?? []).map((d) => `${d.name || d.uuid} ${d.used}/${d.slots}`).join(", ");
}

const engines = (node: Node): string =>
  (node.inventory?.engines ?? [])
    .filter((e) => e.unavailable === "")
    .map((e) => e.kind)
    .join(", ");

const LISTING: Listing<Node> = {
  columns: [
    { title: "NODE", value: (n) => n.id },
    { title: "STATE", value: nodeState, color: (n) => (isKeptBack(n) ? "yellow" : stateColor(n.state)) },
    { title: "ATTEMPTS", align: "right", value: (n) => String(n.attempts) },
    { title: "DEVICES", value: devices },
    { title: "ENGINES", value: engines },
    { title: "LABELS", value: (n) => labelText(n.labels) },
    { title: "LAST SEEN", value: (n) => time(n.lastSeen) },
    { title: "VERSION", value: (n) => n.version, wide: true },
    { title: "SPOOL", align: "right", value: spool, wide: true },
    { title: "HOST", value: (n) => n.inventory?.hostname ?? "", wide: true },
    { title: "REASON", value: nodeReason },
  ],
  json: (n) => Node.toJSON(n),
  name: (n) => n.id,
  none: "no nodes; `sai agent` starts one, `sai dev` a coordinator with one",
};
