/**
 * The disk's thread as the store sees it. LMDB waits for the disk; on a thread of its own it does so while the
 * coordinator's event loop goes on.
 */
import type { Worker } from "node:worker_threads";
import type { Clock } from "../../../shared/runtime/clock.js";
import { SaiError } from "../../../shared/runtime/errors.js";
import { startThread } from "../../../shared/runtime/thread.js";
import { type Answer, CommitFailed, type Head, type Request } from "./messages.js";

/** What a store needs of a disk; each call resolves when the disk has done it. */
export interface Disk {
  /** Gives back the batch's memory. Throws CommitFailed, or anything when the disk cannot be asked any more. */
  commit(
    batch: { memory: ArrayBuffer; length: number },
    head: Head | undefined,
    useReserve: boolean,
  ): Promise<ArrayBuffer>;
  /** Whether there is room for deletions on a full disk; made now if it was not there. */
  reserve(): Promise<boolean>;
  close(): Promise<void>;
}

export interface OpenedDisk {
  disk: Disk;
  head: Head;
  opened: number;
  reserve: boolean;
}

/** A store of some gigabytes is read in a minute; a lock that nobody will give back is waited for no longer. */
const OPEN_WITHIN_MS = 600_000;

/**
 * Opens a folder on a thread. Throws SaiError `config` when it cannot be had, `unavailable` when it does not answer;
 * `page` gets what is in it.
 */
export async function openDisk(
  o: { folder: string; mapBytes: number; nonce: string; clock: Clock },
  page: (memory: ArrayBuffer, length: number) => void,
): Promise<OpenedDisk> {
  const { clock, ...what } = o;
  const thread = new DiskThread(page);
  const cancel = clock.after(OPEN_WITHIN_MS, () =>
    thread.giveUp(
      new SaiError(
        "unavailable",
        `the state store in ${o.folder} did not open within ${OPEN_WITHIN_MS / 60_000} min`,
        {
          hint: "look for a process that was stopped while it wrote there, and for a disk that does not answer",
        },
      ),
    ),
  );
  try {
    const answer = await thread.ask({ kind: "open", ...what, wallMs: clock.wallMs() });
    if (answer.kind !== "opened") throw new Error(answer.kind);
    return { disk: thread, head: answer.head, opened: answer.opened, reserve: answer.reserve };
  } catch (error) {
    await thread.terminate();
    throw error;
  } finally {
    cancel();
  }
}

type Waiting = { resolve(answer: Answer): void; reject(error: unknown): void };

class DiskThread implements Disk {
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  readonly #gone: Promise<void>;
  #dead: Error | undefined;

  constructor(page: (memory: ArrayBuffer, length: number) => void) {
    this.#worker = startThread("worker", import.meta.url);
    this.#worker.unref();
    this.#worker.on("message", (answer: Answer) => {
      if (answer.kind === "page") page(answer.memory, answer.length);
      else this.#settle((waiting) => settle(answer, waiting));
    });
    this.#worker.on("error", (error) => this.#die(error));
    this.#gone = new Promise((resolve) => {
      this.#worker.on("exit", () => {
        this.#die(new Error("the disk's thread has ended"));
        resolve();
      });
    });
  }

  ask(request: Request, transfer: ArrayBuffer[] = []): Promise<Answer> {
    if (this.#dead) return Promise.reject(this.#dead);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage(request, transfer);
    });
  }

  async commit(
    batch: { memory: ArrayBuffer; length: number },
    head: Head | undefined,
    useReserve: boolean,
  ): Promise<ArrayBuffer> {
    const answer = await this.ask({ kind: "commit", ...batch, head, useReserve }, [batch.memory]);
    if (answer.kind !== "done" || !answer.memory) throw new Error(answer.kind);
    return answer.memory;
  }

  async reserve(): Promise<boolean> {
    const answer = await this.ask({ kind: "reserve" });
    return answer.kind === "reserved" && answer.ok;
  }

  async close(): Promise<void> {
    if (!this.#dead) await this.ask({ kind: "close" });
    this.#worker.ref();
    await this.#gone;
  }

  async terminate(): Promise<void> {
    if (!this.#dead) await this.#worker.terminate();
  }

  /** Ends it without waiting for it: it may never get as far. */
  giveUp(error: Error): void {
    this.#die(error);
    void this.#worker.terminate();
  }

  #settle(how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.shift();
    if (this.#waiting.length === 0) this.#worker.unref();
    if (waiting) how(waiting);
  }

  #die(error: Error): void {
    this.#dead ??= error;
    while (this.#waiting.length > 0) this.#settle((waiting) => waiting.reject(error));
  }
}

function settle(answer: Answer, { resolve, reject }: Waiting): void {
  if (answer.kind === "not_committed") reject(new CommitFailed(answer.why, answer.head, answer.message));
  else if (answer.kind === "failed") {
    const { code, message, hint, cause } = answer;
    reject(
      new SaiError(code, message, {
        ...(hint ? { hint } : {}),
        ...(cause ? { cause: new Error(cause) } : {}),
      }),
    );
  } else resolve(answer);
}
