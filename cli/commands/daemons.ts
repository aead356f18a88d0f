/** `sai dev|coordinator|agent`: programs in the foreground, until SIGINT or SIGTERM. */
import type { Command } from "commander";
import { count } from "../../shared/benchmark/count.js";
import type { Json } from "../../shared/benchmark/json.js";
import { createLogger, type Logger } from "../../shared/runtime/logger.js";
import { createShutdown } from "../../shared/runtime/shutdown.js";
import { requireConfig } from "../config.js";
import { openClient } from "../connection.js";
import { type Context, say } from "../context.js";
import { usageError } from "../exit.js";
import { asTyped } from "../invocation.js";
import { quietLogger, startLocal } from "../local.js";
import { painter } from "../output/color.js";
import { isTerminal } from "../output/words.js";
import type { Bind } from "../program.js";

interface PortFlags {
  host?: string;
  grpcPort?: string;
  agentPort?: string;
  httpPort?: string;
  dataDir?: string;
}

interface AgentFlags {
  coordinator?: string;
  id?: string;
  dataDir?: string;
  cpuSlots?: string;
}

export function registerDaemons(program: Command, bind: Bind): void {
  portFlags(program.command("dev"))
    .description(
      "a coordinator and an agent in one process, for one machine; campaigns are kept in the data folder, and what had not ended goes on at the next start",
    )
    .action(bind<PortFlags>(dev));
  portFlags(program.command("coordinator"))
    .description(
      "a coordinator in the foreground; logs to stderr unless configured otherwise. Its state is kept in the data folder, which one coordinator at a time may have, or in etcd, where several serve one fleet",
    )
    .action(bind<PortFlags>(coordinator));
  program
    .command("agent")
    .description("an agent in the foreground, on a machine that runs models")
    .option(
      "--coordinator <host:port>",
      "the coordinator's agent port, or several with commas between them (default: configuration, 127.0.0.1:50052)",
    )
    .option("--id <id>", "this node's name (default: the host name)")
    .option("--data-dir <dir>", "where its journal and artifacts lie")
    .option("--cpu-slots <n>", "attempts on the CPU at once")
    .action(bind<AgentFlags>(agent));
}

function portFlags(command: Command): Command {
  return command
    .option("--host <host>", "address to listen on (default 127.0.0.1)")
    .option(
      "--grpc-port <port>",
      "API; an explicit port that is taken fails, the default moves to the next free one",
    )
    .option("--agent-port <port>", "where agents dial in")
    .option("--http-port <port>", "health and metrics")
    .option(
      "--data-dir <dir>",
      "where everything local lies: state, artifacts, journals, logs (default .sai)",
    );
}

const portOverrides = (flags: PortFlags): { [key: string]: Json | undefined } => ({
  "coordinator.host": flags.host,
  "coordinator.grpc_port": port("--grpc-port", flags.grpcPort),
  "coordinator.agent_port": port("--agent-port", flags.agentPort),
  "coordinator.http_port": port("--http-port", flags.httpPort),
  data_dir: flags.dataDir,
});

function port(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65_535) throw usageError(`${flag}: ${text} is not a port`, "0 to 65535");
  return value;
}

async function dev(context: Context, _: string[], flags: PortFlags): Promise<void> {
  const { config } = requireConfig(context, true, portOverrides(flags));
  const log = quietLogger(context, config, "dev");
  try {
    const local = await startLocal(context, config, log.logger);
    const { apiAddress, agentAddress, httpAddress } = local.coordinator;
    const paint = painter(context.flags.color && context.io.outIsTty);
    const flag = apiAddress === config.client.address ? "" : ` --address ${apiAddress}`;
    await context.io.out(
      [
        `${paint("SAI Bench", "bold")} is up: one coordinator, one agent (${local.agent.id})`,
        `  API     ${apiAddress}  (gRPC, reflection on)`,
        `  agents  ${agentAddress}`,
        `  health  http://${httpAddress}/health  metrics http://${httpAddress}/metrics`,
        `  data    ${config.dataDir}`,
        ...(await earlier(context, apiAddress)),
        "",
        "next, in another terminal:",
        asTyped(context.io.env, `  sai init && sai apply -f suite.yaml --wait${flag}`),
        asTyped(context.io.env, `  sai node list${flag}`),
        "Ctrl-C stops it.",
        "",
      ].join("\n"),
    );
    const { failed } = local.coordinator;
    await stopRequested(context, failed);
    say(context, "stopping");
    await local.stop(failed.aborted ? "the coordinator cannot go on" : "signal");
    failed.throwIfAborted();
  } finally {
    await log.close();
  }
}

/** What an earlier start left: campaigns to look at, and those that go on now. */
async function earlier(context: Context, address: string): Promise<string[]> {
  const client = openClient(context, address);
  try {
    const { campaigns, nextPageToken } = await client.listCampaigns(1000, "");
    const open = campaigns.filter(({ state }) => !isTerminal(state)).length;
    if (campaigns.length === 0) return [];
    const all =
      nextPageToken === "" ? count(campaigns.length, "campaign") : `${campaigns.length} campaigns and more`;
    const goOn = open === 0 ? "" : `, ${open} of them not ended`;
    return [asTyped(context.io.env, `  earlier ${all}${goOn}: \`sai campaign list\``)];
  } finally {
    client.close();
  }
}

async function coordinator(context: Context, _: string[], flags: PortFlags): Promise<void> {
  const { config } = requireConfig(context, true, portOverrides(flags));
  const { startCoordinator } = await import("../../coordinator/coordinator.js");
  const { clock, random } = context.io;
  await foreground(context, createLogger(config), config.coordinator.shutdownTimeoutMs, async (logger) => {
    const { interrupt } = context.io;
    const running = await startCoordinator(config, { logger, clock, random, interrupt });
    say(
      context,
      `coordinator: API ${running.apiAddress}, agents ${running.agentAddress}, http ${running.httpAddress}` +
        (running.leads() ? "" : "; another leads, calls are handed on to it"),
    );
    return { name: "coordinator", stop: () => running.stop(), failed: running.failed };
  });
}

async function agent(context: Context, _: string[], flags: AgentFlags): Promise<void> {
  const { config } = requireConfig(context, false, {
    "agent.coordinator": flags.coordinator,
    "agent.id": flags.id,
    "agent.data_dir": flags.dataDir,
    "agent.cpu_slots": flags.cpuSlots,
  });
  const { startAgent } = await import("../../agent/agent.js");
  const { clock, random, env } = context.io;
  const deadlineMs = config.agent.drainTimeoutMs + 5000;
  await foreground(context, createLogger(config), deadlineMs, async (logger) => {
    const running = await startAgent(config, { logger, clock, random, env });
    say(context, `agent ${running.id}: coordinator ${config.agent.coordinatorAddress}`);
    return { name: "agent", stop: () => running.stop() };
  });
}

/** Starts one part, waits for a signal or for the part to fail, stops it in order. Throws why it failed. */
async function foreground(
  context: Context,
  log: ReturnType<typeof createLogger>,
  deadlineMs: number,
  start: (logger: Logger) => Promise<{ name: string; stop: () => Promise<void>; failed?: AbortSignal }>,
): Promise<void> {
  try {
    const shutdown = createShutdown({ clock: context.io.clock, logger: log.logger });
    const part = await start(log.logger).catch((error: unknown) => {
      if (context.io.interrupt.aborted) return undefined; // asked to stop before it had begun
      throw error;
    });
    if (part === undefined) return;
    shutdown.add(part.name, part.stop, deadlineMs);
    await stopRequested(context, part.failed);
    await shutdown.run(part.failed?.aborted ? `the ${part.name} cannot go on` : "signal");
    part.failed?.throwIfAborted();
  } finally {
    await log.close();
  }
}

/** Resolves on SIGINT or SIGTERM, for a daemon the ordinary end, or when it has failed. */
function stopRequested(context: Context, failed?: AbortSignal): Promise<void> {
  const { interrupt } = context.io;
  const ends = failed ? AbortSignal.any([interrupt, failed]) : interrupt;
  return new Promise((resolve) => {
    if (ends.aborted) return resolve();
    ends.addEventListener("abort", () => resolve(), { once: true });
  });
}
