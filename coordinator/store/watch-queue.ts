/**
 * One watcher's end of a store: a bounded queue, so that a slow reader delays neither writers nor other watchers. Past
 * the bound its memory is given up and it ends with Lagged.
 */
import { StoreError, type WatchMsg } from "./store.js";

export class WatchQueue implements AsyncIterableIterator<WatchMsg> {
  readonly #bound: number;
  #queue: WatchMsg[] = [];
  /** Messages at the head of the queue that are the watch's past: history bounds them, not this queue. */
  #pastMsgs = 0;
  #liveEvents = 0;
  #end: { error?: unknown } | undefined;
  #waiting: { resolve(r: IteratorResult<WatchMsg>): void; reject(e: unknown): void } | undefined;
  #onEnd: () => void = () => undefined;
  #onTake: () => void = () => undefined;

  /** `bound`: events that may wait, those of the past not counted. */
  constructor(bound: number) {
    this.#bound = bound;
  }

  /** `onEnd` runs once, at the end, at once if it has ended; `onTake` whenever the reader took a message. */
  hear(onEnd: () => void, onTake: () => void = () => undefined): void {
    this.#onEnd = onEnd;
    this.#onTake = onTake;
    if (this.#end) onEnd();
  }

  /** Messages that wait. */
  get size(): number {
    return this.#queue.length;
  }

  /** `past`: of the time before the watch, which the bound does not count; none may follow one that is not. */
  push(msg: WatchMsg, past: boolean): void {
    if (this.#end) return;
    if (this.#waiting) {
      this.#waiting.resolve({ value: msg, done: false });
      this.#waiting = undefined;
      return;
    }
    this.#queue.push(msg);
    if (past) this.#pastMsgs++;
    else this.#liveEvents += msg.events.length;
  }

  /** Ends with Lagged when more waits than may. */
  checkBound(): void {
    if (this.#liveEvents <= this.#bound) return;
    this.#queue = [];
    this.finish(new StoreError({ kind: "Lagged" }));
  }

  /** No error means a plain end; what is queued is still delivered first. */
  finish(error?: unknown): void {
    if (this.#end) return;
    this.#end = error === undefined ? {} : { error };
    this.#onEnd();
    if (!this.#waiting) return;
    if (error === undefined) this.#waiting.resolve({ value: undefined, done: true });
    else this.#waiting.reject(error);
    this.#waiting = undefined;
  }

  next(): Promise<IteratorResult<WatchMsg>> {
    const msg = this.#queue.shift();
    if (msg) {
      if (this.#pastMsgs > 0) this.#pastMsgs--;
      else this.#liveEvents -= msg.events.length;
      this.#onTake();
      return Promise.resolve({ value: msg, done: false });
    }
    if (this.#end) {
      const { error } = this.#end;
      this.#end = {};
      return error === undefined ? Promise.resolve({ value: undefined, done: true }) : Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<WatchMsg>> {
    this.#queue = [];
    this.finish();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
