/**
 * What GPUs do, second by second: one nvidia-smi that goes on printing, which costs a thousandth of starting one for each
 * answer. It runs beside the questions of nvidia-smi.ts, in a process of its own, and nobody waits for it.
 *
 * 1. At most one child; while one cannot be killed no other is started.
 * 2. One that ends, says what cannot be read, or says nothing for `SILENT_MS` is ended and started again after `AGAIN_MS`, as
 *    long as the stream is wanted. That is logged when it begins, not each time.
 * 3. After `stop` nothing is told, and what ran is killed. It prints into a pipe: when the agent is killed it ends by itself.
 */
import { spawn } from "node:child_process";
import type { Clock } from "../../../shared/runtime/clock.js";
import { errorText } from "../../../shared/runtime/errors.js";
import type { Logger } from "../../../shared/runtime/logger.js";
import { type GpuSample, rowReader } from "./samples.js";

export interface SampleStreamParts {
  path: string;
  /** Of this process. */
  env: NodeJS.ProcessEnv;
  /** From one reading to the next, ms. */
  intervalMs: number;
  /** What to ask for; undefined when that is not known now. */
  fields(): Promise<readonly string[] | undefined>;
  /** A row has come. */
  told(sample: GpuSample): void;
  clock: Clock;
  log: Logger;
}

const SILENT_MS = 10_000;
const AGAIN_MS = 5_000;
/** A line longer than this is no row. */
const MOST_CHARS = 16_384;

export class SampleStream {
  private running: { ending: AbortController; ended: Promise<void> } | undefined;
  private lastMs = Number.NEGATIVE_INFINITY;
  /** Of the program that prints. */
  pid: number | undefined;
  /** The child before has ended. */
  private gone: Promise<unknown> = Promise.resolve();

  constructor(private readonly parts: SampleStreamParts) {}

  /** Whether a row has come within the last readings, so that nobody needs to ask. */
  get fresh(): boolean {
    const { clock, intervalMs } = this.parts;
    return this.running !== undefined && clock.nowMs() - this.lastMs < 3 * intervalMs;
  }

  start(): void {
    if (this.running) return;
    const ending = new AbortController();
    this.running = { ending, ended: this.goOn(ending.signal) };
  }

  /** Resolves when nothing runs any more, or cannot be killed; never rejects. */
  async stop(): Promise<void> {
    const { running } = this;
    this.running = undefined;
    running?.ending.abort();
    await running?.ended;
  }

  private async goOn(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.parts;
    let troubled = false;
    while (!signal.aborted) {
      const sinceMs = this.lastMs;
      const reason = await this.once(signal).catch(errorText);
      if (signal.aborted) return;
      if (this.lastMs > sinceMs) troubled = false;
      if (!troubled) log.warn({ reason }, "the stream of GPU samples broke; it is begun again and again");
      troubled = true;
      await clock.sleep(AGAIN_MS, signal).catch(() => {});
    }
  }

  /** Why it ended. */
  private async once(signal: AbortSignal): Promise<string> {
    const { path, env, intervalMs, clock } = this.parts;
    let onAbort = () => {};
    const aborted = new Promise<string>((resolve) => {
      onAbort = () => resolve("");
      signal.addEventListener("abort", onAbort, { once: true });
    });
    await Promise.race([this.gone, aborted]); // invariant 1
    const fields = await this.parts.fields();
    if (signal.aborted) return "";
    if (fields === undefined) {
      signal.removeEventListener("abort", onAbort);
      return "what this driver can tell is not known";
    }
    const args = [`--query-gpu=${fields.join(",")}`, "--format=csv,nounits", "-lms", String(intervalMs)];
    const child = spawn(path, args, {
      env: { ...env, LANG: "C", LC_ALL: "C" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const gone = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(errorText(error)));
      child.once("exit", (code, by) => resolve(`nvidia-smi ended with ${by ?? `exit code ${code}`}`));
    });
    this.gone = gone;
    this.pid = child.pid;
    let cancel = () => {};
    const failed = new Promise<string>((resolve) => {
      const alive = () => {
        cancel();
        cancel = clock.after(SILENT_MS, () => resolve(`nvidia-smi has printed no row for ${SILENT_MS} ms`));
      };
      alive();
      // There are none where it could not be started for want of files.
      child.stderr?.resume();
      child.stdout?.setEncoding("utf8").on("data", this.lines(alive, resolve, signal));
    });
    const reason = await Promise.race([gone, failed, aborted]);
    cancel();
    child.kill("SIGKILL");
    child.stdout?.destroy();
    child.stderr?.destroy();
    child.unref();
    // Nobody who stops waits for one that cannot be killed.
    const waited = new AbortController();
    await Promise.race([gone, clock.sleep(KILL_MS, waited.signal).catch(() => {})]);
    waited.abort();
    signal.removeEventListener("abort", onAbort);
    return reason;
  }

  /** Takes the output as it comes, whole lines or not. */
  private lines(
    alive: () => void,
    fail: (reason: string) => void,
    signal: AbortSignal,
  ): (text: string) => void {
    let read: ReturnType<typeof rowReader> | undefined;
    let rows = 0;
    let rest = "";
    let over = false;
    const take = (line: string) => {
      if (line.trim() === "") return;
      if (read === undefined) {
        read = rowReader(line);
        return;
      }
      rows += 1;
      const sample = read(line, rows);
      alive();
      this.lastMs = this.parts.clock.nowMs();
      this.parts.told(sample);
    };
    return (text) => {
      if (over || signal.aborted) return;
      const parts = (rest + text).split(/\r?\n/);
      rest = parts.pop() ?? "";
      try {
        for (const line of parts) if (!signal.aborted) take(line);
        if (rest.length > MOST_CHARS) throw new Error("nvidia-smi printed a line that is no row");
      } catch (error) {
        over = true;
        fail(errorText(error));
      }
    };
  }
}

const KILL_MS = 1_000;
