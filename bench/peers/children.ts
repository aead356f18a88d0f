/** Servers, workers and clients of the systems: how they are started, asked and ended. */
import { type ChildProcess, spawn } from "node:child_process";
import { connect } from "node:net";
import { stopProcess } from "../../test/support/child.js";
import { ask } from "../support/asking.js";
import type { LineChild } from "../support/line-child.js";
import type { CountQuestions, LoopQuestions } from "./loop.js";
import type { Running } from "./system.js";

export interface Server {
  readonly pid: number;
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** The user it runs as; ours otherwise. */
  user?: { uid: number; gid: number };
  env?: { readonly [name: string]: string };
}

const LONGEST_START_MS = 20_000;

/** Starts a server and waits until something listens on `port`. */
export async function startServer(
  program: string,
  args: readonly string[],
  port: number,
  o: ServerOptions = {},
): Promise<Server> {
  const child: ChildProcess = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...o.env },
    ...o.user,
  });
  let said = "";
  const hear = (chunk: Buffer) => {
    said = (said + chunk).slice(-2000);
  };
  child.stdout?.on("data", hear);
  child.stderr?.on("data", hear);
  const untilMs = Date.now() + LONGEST_START_MS;
  while (!(await listens(port))) {
    if (child.exitCode !== null || Date.now() > untilMs) {
      await stopProcess(child);
      throw new Error(`${program} does not listen on ${port}: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { pid: child.pid as number, stop: async () => void (await stopProcess(child)) };
}

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });

type Ready = { ready(about: object): Promise<void> };

/** Waits until a program of programs/ answers. */
export async function ready(child: LineChild): Promise<LineChild> {
  await ask<Ready & CountQuestions, "ready">(child, "ready", {});
  return child;
}

/** A system of servers, one worker and one client, each answering the questions of loop.ts. */
export function running(
  servers: readonly { pid: number; stop(): Promise<void> }[],
  worker: LineChild,
  client: LineChild,
): Running {
  return {
    pids: { server: servers.map(({ pid }) => pid), worker: [worker.pid], client: [client.pid] },
    begin: (outstanding, spans) =>
      ask<LoopQuestions, "begin">(client, "begin", { outstanding, spans }).then(() => undefined),
    window: () => ask<LoopQuestions, "window">(client, "window", {}).then(() => undefined),
    end: () => ask<LoopQuestions, "end">(client, "end", {}),
    counts: () => ask<CountQuestions, "counts">(worker, "counts", {}),
    async stop() {
      await Promise.all([worker.kill(), client.kill()]);
      for (const server of servers) await server.stop();
    },
  };
}

/** Starts things one after the other; when one fails those before it are ended, the last one first. */
export async function together<T>(
  start: (keep: <S extends { stop(): Promise<void> } | LineChild>(started: S) => S) => Promise<T>,
): Promise<T> {
  const started: ({ stop(): Promise<void> } | LineChild)[] = [];
  try {
    return await start((one) => {
      started.push(one);
      return one;
    });
  } catch (error) {
    for (const one of started.toReversed()) await ("stop" in one ? one.stop() : one.kill()).catch(() => {});
    throw error;
  }
}
