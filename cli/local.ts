/**
 * A coordinator and an agent in this process, over real gRPC on loopback: what `dev`, `demo` and a `run` without a
 * coordinator start. Nothing in either knows that the other is near.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { startAgent } from "../agent/agent.js";
import type { startCoordinator } from "../coordinator/coordinator.js";
import type { Config } from "../shared/runtime/config.js";
import { createLogger, type Logger } from "../shared/runtime/logger.js";
import { createShutdown } from "../shared/runtime/shutdown.js";
import type { Client } from "./client.js";
import type { Context } from "./context.js";

export interface Local {
  coordinator: Awaited<ReturnType<typeof startCoordinator>>;
  agent: Awaited<ReturnType<typeof startAgent>>;
  /** Agent first, then coordinator, each within its own deadline; never rejects. */
  stop(reason: string): Promise<void>;
}

/**
 * How long running attempts may take to finish at the stop. What is not finished is journaled and goes on at the next
 * start, or nobody keeps it; either way a person who pressed Ctrl-C need not wait for it.
 */
const DRAIN_MS = 1000;

/** Starts both; what was started is stopped again when the second fails. */
export async function startLocal(context: Context, config: Config, logger: Logger): Promise<Local> {
  const { startCoordinator } = await import("../coordinator/coordinator.js");
  const { startAgent } = await import("../agent/agent.js");
  const { clock, random, env } = context.io;
  const shutdown = createShutdown({ clock, logger });
  const deadlineMs = config.coordinator.shutdownTimeoutMs;
  const coordinator = await startCoordinator(config, {
    logger: logger.child({ part: "coordinator" }),
    clock,
    random,
  });
  shutdown.add("coordinator", () => coordinator.stop(), deadlineMs);
  try {
    const drainTimeoutMs = Math.min(config.agent.drainTimeoutMs, DRAIN_MS);
    const coordinatorAddress = coordinator.agentAddress;
    let { dataDir } = config.agent;
    if (config.store.kind === "memory") {
      // The cluster ends with this process: what the agent keeps of it must not meet the next one.
      dataDir = await mkdtemp(join(tmpdir(), "sai-agent-"));
      shutdown.add("the agent's folder", () => rm(dataDir, { recursive: true, force: true }), deadlineMs);
    }
    const own = { ...config, agent: { ...config.agent, coordinatorAddress, dataDir, drainTimeoutMs } };
    const agent = await startAgent(own, { logger: logger.child({ part: "agent" }), clock, random, env });
    shutdown.add("agent", () => agent.stop(), deadlineMs);
    return { coordinator, agent, stop: async (reason) => void (await shutdown.run(reason)) };
  } catch (error) {
    await shutdown.run("the agent did not start");
    throw error;
  }
}

/**
 * Where a program that speaks to a person logs: as configured, or with --verbose to stderr, else to
 * `<data folder>/logs/<name>.log`.
 */
export function quietLogger(context: Context, config: Config, name: string): ReturnType<typeof createLogger> {
  const { logging } = config;
  if (logging.handlers.length > 0 || context.flags.verbose) return createLogger(config);
  const handlers = [{ type: "file" as const, filename: join(config.storage.logsDir, `${name}.log`) }];
  return createLogger({ ...config, logging: { ...logging, handlers } });
}

/** Resolves when a node is ready; throws what `timeoutMs` (or an interrupt) leaves behind. */
export async function nodeReady(context: Context, client: Client, timeoutMs: number): Promise<void> {
  const { clock, interrupt } = context.io;
  const endMs = clock.nowMs() + timeoutMs;
  for (;;) {
    const nodes = await client.listNodes();
    if (nodes.some((node) => node.state === "ready")) return;
    if (clock.nowMs() > endMs) {
      const states = nodes.map((node) => `${node.id} ${node.state} ${node.reason}`.trim()).join("; ");
      throw new Error(`no node was ready within ${timeoutMs / 1000} s: ${states || "none is known"}`);
    }
    await clock.sleep(100, interrupt);
  }
}
