/** A child process that answers on stdout, one JSON line at a time, and ends when its stdin does. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface LineChild {
  readonly pid: number;
  /** The child's next line. Rejects when it ends instead. */
  next(): Promise<unknown>;
  send(value: unknown): void;
  /** Closes its stdin and resolves when it is gone. */
  end(): Promise<void>;
  /** Ends it at once. */
  kill(): Promise<void>;
}

/** Runs `main`, TypeScript or JavaScript, with Node; `args` follow it. */
export function startLineChild(main: URL, args: readonly string[] = []): LineChild {
  const how = main.pathname.endsWith(".ts") ? ["--import", "tsx"] : ["--enable-source-maps"];
  return startLineProgram(process.execPath, [...how, fileURLToPath(main), ...args]);
}

/** Runs any program that keeps to this; `env` is added to ours. */
export function startLineProgram(
  program: string,
  args: readonly string[],
  env: { readonly [name: string]: string } = {},
): LineChild {
  const child: ChildProcess = spawn(program, args, {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  const { stdin, stdout, pid } = child;
  if (stdin === null || stdout === null || pid === undefined) throw new Error("a child without pipes");
  // One that has died cannot be told anything; whoever waits for its next line hears of it.
  stdin.on("error", () => {});
  const lines = createInterface(stdout)[Symbol.asyncIterator]();
  const gone = once(child, "exit");
  return {
    pid,
    async next() {
      const { done, value } = await lines.next();
      if (done) throw new Error(`${[program, ...args].join(" ")} ended before it answered`);
      return JSON.parse(value);
    },
    send: (value) => void stdin.write(`${JSON.stringify(value)}\n`),
    async end() {
      stdin.end();
      await gone;
    },
    async kill() {
      child.kill("SIGKILL");
      await gone;
    },
  };
}
