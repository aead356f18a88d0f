/**
 * The process of an NFS store, seen from its owner: started when it is needed, asked many things at once, killed when an
 * answer is late.
 *
 * 1. Every call ends: with the answer, or unavailable at its deadline, when the process is killed with all it was asked.
 * 2. One that was killed and does not end (it hangs in the kernel) is the last one: until it has ended, every call is
 *    unavailable at once, so that a share that hangs costs one process.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../runtime/clock.js";
import { SaiError } from "../../runtime/errors.js";
import type { FromNfs, NfsCall } from "./messages.js";

const isSource = import.meta.url.endsWith(".ts");
const CHILD = fileURLToPath(new URL(`./child/main.${isSource ? "ts" : "js"}`, import.meta.url));
const CHILD_FLAGS = isSource ? ["--import", import.meta.resolve("tsx")] : [];
/** How long it may take to end by itself at the close, ms. */
const END_MS = 1000;

interface Pending {
  child: ChildProcess;
  resolve(value: unknown): void;
  reject(error: SaiError): void;
  cancel(): void;
}

export class NfsProcess {
  private child: ChildProcess | undefined;
  /** Killed, and not gone. */
  private stuck: ChildProcess | undefined;
  private readonly pending = new Map<number, Pending>();
  private calls = 0;
  private closed = false;

  constructor(
    private readonly root: string,
    private readonly clock: Clock,
  ) {}

  /** Grows when what was begun in the process before (uploads, streams) is gone with it. */
  starts = 0;

  /** `start`: only the process of that start is asked, and no other is started. */
  ask(call: NfsCall, deadlineMs: number, start?: number): Promise<unknown> {
    const isGone = start !== undefined && (this.child === undefined || this.starts !== start);
    const child = isGone ? this.away("what used it ended before it was done; try again") : this.started();
    if (child instanceof SaiError) return Promise.reject(child);
    this.calls += 1;
    const id = this.calls;
    return new Promise((resolve, reject) => {
      const cancel = this.clock.after(deadlineMs, () => {
        this.kill(child, `no answer within ${Math.round(deadlineMs / 1000)} s`);
      });
      this.pending.set(id, { child, resolve, reject, cancel });
      child.send({ id, call }, (error) => {
        if (error) this.failed(child, error.message);
      });
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    const { child } = this;
    if (child === undefined) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    const cancel = this.clock.after(END_MS, () => child.kill("SIGKILL"));
    const patience = new AbortController();
    if (child.connected) child.disconnect();
    // One that hangs in the kernel is left to it.
    await Promise.race([gone, this.clock.sleep(2 * END_MS, patience.signal).catch(() => {})]);
    patience.abort(new Error("it is gone"));
    cancel();
  }

  private started(): ChildProcess | SaiError {
    if (this.closed) return this.away("it is closed");
    if (this.stuck) return this.away("what uses the share hangs and cannot be ended");
    if (this.child) return this.child;
    const child = fork(CHILD, [this.root], {
      // The owner's own flags and environment stay out: an inspector's port, a test runner's loader, secrets.
      execArgv: CHILD_FLAGS,
      ...{ env: {}, cwd: "/", serialization: "advanced" },
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      // Ctrl-C in a terminal must not kill it under what the owner still wants to store.
      detached: true,
    });
    this.child = child;
    this.starts += 1;
    // What is asked of it keeps the owner alive, by its deadline.
    child.unref();
    child.channel?.unref();
    child.on("message", (message: FromNfs) => this.answered(message));
    child.on("error", (error) => this.failed(child, error.message));
    child.on("exit", (code, signal) => {
      if (this.stuck === child) this.stuck = undefined;
      this.failed(child, `what uses it ended with ${signal ?? code}`);
    });
    return child;
  }

  private answered(message: FromNfs): void {
    const asked = this.pending.get(message.id);
    if (asked === undefined) return;
    this.pending.delete(message.id);
    asked.cancel();
    if (message.ok) asked.resolve(message.value);
    else {
      const { code, hint } = message;
      asked.reject(new SaiError(code, message.message, hint === undefined ? {} : { hint }));
    }
  }

  private kill(child: ChildProcess, why: string): void {
    if (child.exitCode === null && child.signalCode === null) this.stuck = child;
    child.kill("SIGKILL");
    this.failed(child, why);
  }

  /** Everything that was asked of it fails, and the next call starts another. */
  private failed(child: ChildProcess, why: string): void {
    if (this.child === child) this.child = undefined;
    for (const [id, asked] of [...this.pending]) {
      if (asked.child !== child) continue;
      this.pending.delete(id);
      asked.cancel();
      asked.reject(this.away(why));
    }
  }

  private away(why: string): SaiError {
    return new SaiError("unavailable", `the share at ${this.root} cannot be used: ${why}`, {
      hint: "see whether the NFS server answers and the share is mounted",
    });
  }
}
