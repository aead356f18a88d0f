/** A disk that does what a test says: holds a batch until it is let go, and then takes it or fails as a real one can. */
import { entries, toKv } from "../../coordinator/store/embedded/batch.js";
import { CommitFailed, type Head, type NotCommitted } from "../../coordinator/store/embedded/messages.js";
import type { Disk } from "../../coordinator/store/embedded/thread.js";
import type { KV } from "../../coordinator/store/store.js";

/** took: on the disk; late failure: on the disk, and the failure came after; dead: no answer ever again. */
export type Outcome = "took" | NotCommitted | "late failure" | "dead";

export interface HeldBatch {
  readonly keys: readonly string[];
  readonly useReserve: boolean;
  /** Lets the disk go on with this batch. */
  end(outcome: Outcome): void;
}

export class ScriptedDisk implements Disk {
  /** What would be found at the next opening. */
  readonly kvs = new Map<string, KV>();
  head: Head;
  room = true;
  #arrivals: HeldBatch[] = [];
  #waiting: ((batch: HeldBatch) => void) | undefined;

  constructor(head: Head) {
    this.head = head;
  }

  /** The next batch that arrives, or has. */
  batch(): Promise<HeldBatch> {
    const first = this.#arrivals.shift();
    if (first) return Promise.resolve(first);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  get arrived(): number {
    return this.#arrivals.length;
  }

  commit(
    { memory, length }: { memory: ArrayBuffer; length: number },
    head: Head | undefined,
    useReserve: boolean,
  ): Promise<ArrayBuffer> {
    const batch = [...entries(memory, length)];
    return new Promise((resolve, reject) => {
      const end = (outcome: Outcome) => {
        if (outcome === "took" || outcome === "late failure") this.#take(batch, head);
        if (outcome === "took") resolve(memory);
        else if (outcome === "dead") reject(new Error("the disk's thread has ended"));
        else reject(new CommitFailed(outcome === "late failure" ? "broken" : outcome, this.head, outcome));
      };
      const held = { keys: batch.map(({ key }) => key.toString("utf8", 1)), useReserve, end };
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if (waiting) waiting(held);
      else this.#arrivals.push(held);
    });
  }

  reserve(): Promise<boolean> {
    return Promise.resolve(this.room);
  }

  async close(): Promise<void> {}

  #take(batch: { key: Buffer; record: Buffer | undefined }[], head: Head | undefined): void {
    for (const { key, record } of batch) {
      if (!record) this.kvs.delete(key.toString("utf8", 1));
      else {
        const kv = toKv(Buffer.from(key), Buffer.from(record));
        this.kvs.set(kv.key, kv);
      }
    }
    if (head) this.head = head;
  }
}
