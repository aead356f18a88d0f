/** The parent's side of store-child.ts. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface Answer {
  [field: string]: string | number | boolean | string[] | undefined;
}

export interface StoreProcess {
  readonly pid: number;
  /** Sends a command and resolves with the next answer. */
  ask(command: { do: string; [field: string]: unknown }): Promise<Answer>;
  /** Sends a command without waiting. */
  tell(command: { do: string; [field: string]: unknown }): void;
  /** The next answer; undefined when the process has ended and everything it said was read. */
  next(): Promise<Answer | undefined>;
  signal(name: NodeJS.Signals): void;
  /** kill −9, and resolves when it is gone. */
  kill(): Promise<void>;
  /** What it wrote to standard error. */
  errors(): string;
}

const CHILD = fileURLToPath(new URL("store-child.ts", import.meta.url));

/** `shell`: a command line that `"$@"` runs the child in, such as one with a limit. */
export function startStoreProcess(o: { shell?: string; env?: NodeJS.ProcessEnv } = {}): StoreProcess {
  const args = [process.execPath, "--import", "tsx", CHILD];
  const [program = "", ...rest] = o.shell ? ["/bin/bash", "-c", o.shell, "bash", ...args] : args;
  const child = spawn(program, rest, { stdio: "pipe", env: { ...process.env, ...o.env } });
  const gone = once(child, "exit");
  let errors = "";
  child.stderr.on("data", (text) => {
    errors += text;
  });
  child.stdin.on("error", () => {}); // it may be dead
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const line = await lines.next();
    return line.done ? undefined : (JSON.parse(line.value) as Answer);
  };
  const tell = (command: object) => void child.stdin.write(`${JSON.stringify(command)}\n`);
  return {
    pid: child.pid ?? 0,
    tell,
    next,
    async ask(command) {
      tell(command);
      const answer = await next();
      if (!answer) throw new Error(`the store process has ended: ${errors}`);
      return answer;
    },
    signal: (name) => void child.kill(name),
    async kill() {
      child.kill("SIGKILL");
      await gone;
    },
    errors: () => errors,
  };
}
