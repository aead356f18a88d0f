/**
 * Runs a small program for its output, with a deadline that holds even where the program does not: it may be stuck in
 * the kernel, where no signal ends it, or leave behind a child that holds its pipes.
 *
 * 1. The answer comes within the deadline and the time to kill, whatever happens. It is an answer also where no child
 *    can be started: nothing is thrown, at once or later.
 * 2. `gone` tells when a child that outlived its killing has ended after all.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Clock } from "../../shared/runtime/clock.js";

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export type Outcome =
  | { kind: "ended"; ended: Ended }
  /** It was never started, such as for ENOENT, ENOTDIR, EMFILE or ENOMEM. */
  | { kind: "not_started"; error: NodeJS.ErrnoException }
  /** No answer within the deadline; it was killed and is gone. */
  | { kind: "late" }
  /** No answer, and killing had no effect; resolves when it is gone. */
  | { kind: "stuck"; gone: Promise<void> }
  /** More output than is believable; it was killed. */
  | { kind: "too_much" };

export interface Limits {
  deadlineMs: number;
  /** How long a killed child has to be gone. */
  killMs: number;
  /** Of stdout and stderr together. */
  mostBytes: number;
  /** Its environment; PATH is where it is looked for. */
  env: NodeJS.ProcessEnv;
  /** Kills it, as the deadline does. */
  signal?: AbortSignal;
}

/** How long output may still come after the exit, from whoever else holds the pipe; ms. */
const LAST_WORDS_MS = 200;

export function runCommand(
  path: string,
  args: readonly string[],
  clock: Clock,
  limits: Limits,
): Promise<Outcome> {
  return new Promise((resolve) => {
    // English words, no input.
    const env = { ...limits.env, LANG: "C", LC_ALL: "C" };
    const child = startOf(path, args, env);
    if (child instanceof Error) return resolve({ kind: "not_started", error: child });
    const timers: (() => void)[] = [];
    const gone = new Promise<void>((ended) => child.once("exit", () => ended()));
    const settle = (outcome: Outcome) => {
      for (const cancel of timers) cancel();
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.unref();
      resolve(outcome);
    };
    child.on("error", (error) => {
      if (child.pid === undefined) settle({ kind: "not_started", error });
    });
    /** Kills it, and says `outcome` once it is gone, or that it is stuck. */
    const kill = (outcome: Outcome) => {
      child.kill("SIGKILL");
      void gone.then(() => settle(outcome));
      timers.push(clock.after(limits.killMs, () => settle({ kind: "stuck", gone })));
    };
    let bytes = 0;
    const texts = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    // There are none where it could not be started for want of files.
    for (const name of ["stdout", "stderr"] as const)
      child[name]?.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes <= limits.mostBytes) texts[name].push(chunk);
        else if (bytes - chunk.length <= limits.mostBytes) kill({ kind: "too_much" });
      });
    const text = (name: "stdout" | "stderr") => Buffer.concat(texts[name]).toString("utf8");
    let late = false;
    const ended = () => {
      if (bytes > limits.mostBytes || late) return;
      const { exitCode: code, signalCode: signal } = child;
      settle({ kind: "ended", ended: { code, signal, stdout: text("stdout"), stderr: text("stderr") } });
    };
    const giveUp = () => {
      if (late) return;
      late = true;
      kill({ kind: "late" });
    };
    timers.push(clock.after(limits.deadlineMs, giveUp));
    limits.signal?.addEventListener("abort", giveUp);
    timers.push(() => limits.signal?.removeEventListener("abort", giveUp));
    child.once("close", ended);
    child.once("exit", () => timers.push(clock.after(LAST_WORDS_MS, ended)));
  });
}

/** Some reasons not to start are thrown at once (ENOTDIR, ENOMEM), others are told by an `error` event (ENOENT, EMFILE). */
function startOf(path: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess | Error {
  try {
    return spawn(path, [...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
