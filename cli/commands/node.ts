/** `sai node list|get`: the machines agents run on. */
import type { Command } from "commander";
import { Node } from "../client.js";
import { withClient } from "../connection.js";
import type { Context } from "../context.js";
import { type Paint, painter } from "../output/color.js";
import { type Listing, printOne, printRows } from "../output/print.js";
import { formatBytes } from "../output/quantity.js";
import { tableLines } from "../output/table.js";
import { stateColor, time } from "../output/words.js";
import type { Bind } from "../program.js";

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
    { title: "STATE", value: (n) => n.state, color: (n) => stateColor(n.state) },
    { title: "ATTEMPTS", align: "right", value: (n) => String(n.attempts) },
    { title: "DEVICES", value: devices },
    { title: "ENGINES", value: engines },
    { title: "VERSION", value: (n) => n.version },
    { title: "LAST SEEN", value: (n) => time(n.lastSeen), wide: true },
    { title: "HOST", value: (n) => n.inventory?.hostname ?? "", wide: true },
    { title: "REASON", value: (n) => n.reason, wide: true },
  ],
  json: (n) => Node.toJSON(n),
  name: (n) => n.id,
  none: "no nodes; `sai agent` starts one, `sai dev` a coordinator with one",
};

async function printNode(context: Context, node: Node): Promise<void> {
  const paint = painter(context.flags.color && context.io.outIsTty);
  await printOne(context, { json: Node.toJSON(node), name: node.id, text: () => nodeLines(node, paint) });
}

function nodeLines(node: Node, paint: Paint): string[] {
  const inventory = node.inventory;
  const facts: [string, string][] = [
    ["node", node.id],
    ["state", paint(node.state, ...[stateColor(node.state) ?? []].flat())],
    ["reason", node.reason],
    ["version", node.version],
    ["starts", String(node.incarnation)],
    ["last seen", time(node.lastSeen)],
    ["host", inventory ? `${inventory.hostname} (${inventory.os})` : ""],
    ["cpu", inventory ? `${inventory.cpuModel}, ${inventory.cpuCores} cores` : ""],
    ["memory", inventory ? formatBytes(inventory.memoryBytes) : ""],
    ["loaded", node.loadedModels.join(", ")],
  ];
  const lines = facts.filter(([, value]) => value !== "").map(([key, value]) => `${key.padEnd(10)} ${value}`);
  if (!inventory) return lines;
  lines.push(
    "",
    ...tableLines(
      [
        { title: "DEVICE", value: (d) => d.uuid },
        { title: "KIND", value: (d) => d.kind },
        { title: "NAME", value: (d) => d.name },
        { title: "USED", align: "right", value: (d) => `${d.used}/${d.slots}` },
        {
          title: "MEMORY",
          align: "right",
          value: (d) => (d.memoryBytes === 0 ? "" : formatBytes(d.memoryBytes)),
        },
      ],
      inventory.devices,
      { paint },
    ),
    "",
    ...tableLines(
      [
        { title: "ENGINE", value: (e) => e.kind },
        { title: "VERSION", value: (e) => e.version },
        { title: "MODELS", value: (e) => e.models.join(", ") },
        { title: "PROBLEM", value: (e) => e.unavailable, color: () => "yellow" },
      ],
      inventory.engines,
      { paint },
    ),
  );
  return lines;
}
