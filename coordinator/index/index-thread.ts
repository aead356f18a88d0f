/**
 * The index from outside its thread: each call is a message, its answer another one. The thread is started by the first
 * call, does not keep the process alive, and holds up nothing but itself, whatever its database does.
 *
 * 1. Every call is answered: when the thread fails or is ended, with that.
 * 2. Every call has a deadline.
 */
import type { Worker } from "node:worker_threads";
import type { Clock } from "../../shared/runtime/clock.js";
import { type ErrorCode, type FieldViolation, SaiError } from "../../shared/runtime/errors.js";
import { startThread } from "../../shared/runtime/thread.js";
import type { IndexCalls, IndexOptions } from "./calls.js";

export interface ToWorker {
  n: number;
  name: keyof IndexCalls;
  args: unknown[];
}

export interface FromWorker {
  /** Of the call. */
  n: number;
  value?: unknown;
  error?: { code: ErrorCode; message: string; hint?: string; violations: FieldViolation[] } | undefined;
}

/** Of one call. Statements have a shorter one of their own; this one is for a thread that does not answer. */
const DEADLINE_MS = 180_000;
/** That the thread gets to close its database, ms. */
const CLOSE_MS = 5_000;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: SaiError): void;
}

export class IndexThread {
  private worker: Worker | undefined;
  private n = 0;
  private readonly waiting = new Map<number, Waiting>();

  constructor(
    private readonly options: () => IndexOptions,
    private readonly clock: Clock,
  ) {}

  get isOpen(): boolean {
    return this.worker !== undefined;
  }

  /** The index's calls; each rejects with what the thread says. */
  readonly calls = new Proxy({} as IndexCalls, {
    get:
      (_, name: keyof IndexCalls) =>
      (...args: unknown[]) =>
        this.ask(name, args),
  });

  /** Closes the database and ends the thread; calls under way are rejected. */
  async close(): Promise<void> {
    const { worker } = this;
    if (worker === undefined) return;
    await this.ask("close", [], CLOSE_MS).catch(() => {});
    this.forget(worker, new SaiError("unavailable", "the results index was closed"));
    await worker.terminate();
  }

  private ask(name: keyof IndexCalls, args: unknown[], deadlineMs = DEADLINE_MS): Promise<unknown> {
    this.worker ??= this.start();
    const { worker } = this;
    this.n += 1;
    const n = this.n;
    return new Promise((resolve, reject) => {
      const cancel = this.clock.after(deadlineMs, () => {
        const hint = "it is started again; whatever it missed it takes from the artifacts";
        this.forget(
          worker,
          new SaiError("unavailable", "the results index did not answer in time", { hint }),
        );
        void worker.terminate();
      });
      const over =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          cancel();
          this.waiting.delete(n);
          then(value);
        };
      this.waiting.set(n, { resolve: over(resolve), reject: over(reject) });
      worker.postMessage({ n, name, args } satisfies ToWorker);
    });
  }

  private start(): Worker {
    const worker = startThread("index-worker", import.meta.url, this.options());
    worker.unref();
    worker.on("message", ({ n, value, error }: FromWorker) => {
      const waiting = this.waiting.get(n);
      if (error === undefined) return waiting?.resolve(value);
      const { code, message, ...more } = error;
      waiting?.reject(new SaiError(code, message, more));
    });
    worker.on("error", (cause) =>
      this.forget(worker, new SaiError("unavailable", "the index's thread failed", { cause })),
    );
    worker.on("exit", () => this.forget(worker, new SaiError("unavailable", "the index's thread ended")));
    return worker;
  }

  /** The thread is gone, or as good as: everybody who waits is told (invariant 1). */
  private forget(worker: Worker, error: SaiError): void {
    if (this.worker !== worker) return;
    this.worker = undefined;
    for (const { reject } of [...this.waiting.values()]) reject(error);
  }
}
