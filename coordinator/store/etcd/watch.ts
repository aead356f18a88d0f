/**
 * A watch on etcd's raw stream. etcd3's own watcher resumes from the revision in a response's header, which runs ahead
 * of what was delivered, so that events are lost when a connection is cut. This one:
 *
 * 1. resumes behind the last revision that was delivered, on the next endpoint, until it is ended;
 * 2. has a stream to itself, so that one that is refused ends nobody else's;
 * 3. watches one range that covers all that were asked for, and leaves out what lies between: events of one revision
 *    come to one watcher together, to several one after the other, with no word when the last has come;
 * 4. starts one revision early and drops it: the first revision after a compaction may have lost its deletions, and
 *    so is refused as compacted;
 * 5. holds no more than the bound of what is live, then it ends with Lagged; of the past it reads as its reader does.
 */
import type { IDuplexStream, IWatchRequest, IWatchResponse } from "etcd3";
import type { Clock } from "../../../shared/runtime/clock.js";
import { compareKeys } from "../persistent-map.js";
import { isStoreError, type Range, type Rev, rev, type StoreError, type StoreEvent } from "../store.js";
import { bounds, inRange } from "../txn-check.js";
import type { WatchQueue } from "../watch-queue.js";
import type { Endpoints } from "./endpoints.js";
import { cancelled, fateOf } from "./errors.js";
import { toEvent } from "./messages.js";

const RETRY_MS = 250;
/** Messages of the past that wait before the stream is paused, and when it goes on. */
const PAST_HIGH = 1_000;
const PAST_LOW = 100;

type Stream = IDuplexStream<IWatchRequest, IWatchResponse> & {
  pause(): void;
  resume(): void;
  removeAllListeners(): void;
  on(event: "error", listener: (error: Error) => void): void;
};

export class EtcdWatch {
  readonly #ranges: readonly Range[];
  readonly #endpoints: Endpoints;
  readonly #queue: WatchQueue;
  readonly #clock: Clock;
  readonly #cover: { from: string; to: string };
  /** The first revision that was not delivered. */
  #next: Rev;
  /** The store's revision when this watch began: what comes later is live. */
  #begun: bigint | undefined;
  #stream: Stream | undefined;
  #paused = false;
  #ended = false;
  #cancelRetry: (() => void) | undefined;
  /** Events of a response that comes in parts. */
  #parts: StoreEvent[] = [];

  constructor(o: {
    ranges: readonly Range[];
    fromRev: Rev;
    endpoints: Endpoints;
    queue: WatchQueue;
    clock: Clock;
  }) {
    this.#ranges = o.ranges;
    this.#next = o.fromRev;
    this.#endpoints = o.endpoints;
    this.#queue = o.queue;
    this.#clock = o.clock;
    this.#cover = covering(o.ranges);
  }

  /** Opens the stream; all later trouble is the queue's end or is mended. */
  begin(): void {
    void this.#open();
  }

  /** Called when the reader took something. */
  taken(): void {
    if (!this.#paused || this.#queue.size > PAST_LOW) return;
    this.#paused = false;
    this.#stream?.resume();
  }

  /** Ends the stream. */
  end(): void {
    this.#ended = true;
    this.#cancelRetry?.();
    this.#drop();
  }

  async #open(): Promise<void> {
    if (this.#ended) return;
    const { at, clients } = this.#endpoints.current;
    let stream: Stream;
    try {
      stream = (await clients.watch.watch()) as Stream;
    } catch (error) {
      this.#failed(at, error);
      return;
    }
    if (this.#ended) {
      cancel(stream);
      return;
    }
    this.#stream = stream;
    this.#parts = [];
    stream.on("error", (error) => {
      if (stream === this.#stream) this.#failed(at, error);
    });
    stream.on("end", () => {
      if (stream === this.#stream) this.#failed(at, new Error("the stream was ended"));
    });
    stream.on("data", (response) => {
      if (stream === this.#stream) this.#heard(at, response);
    });
    if (this.#paused) stream.pause();
    const early = this.#next > 1n ? this.#next - 1n : this.#next; // invariant 4
    stream.write({
      create_request: {
        key: Buffer.from(this.#cover.from),
        range_end: Buffer.from(this.#cover.to),
        start_revision: String(early),
        progress_notify: true,
        fragment: true,
      } as NonNullable<IWatchRequest["create_request"]>,
    });
  }

  #heard(at: number, response: IWatchResponse): void {
    const { header, created, canceled, compact_revision, cancel_reason, fragment, events } = response;
    if (canceled) {
      const error = cancelled(compact_revision, cancel_reason);
      if (isStoreError(error, "Unavailable")) this.#failed(at, error);
      else this.#finish(error);
      return;
    }
    if (created) {
      this.#begun ??= BigInt(header.revision);
      return;
    }
    if (events.length === 0 && !fragment) {
      this.#deliver(rev(BigInt(header.revision)), []); // nothing up to here
      return;
    }
    for (const event of events) this.#parts.push(toEvent(event));
    if (fragment) return;
    const all = this.#parts;
    this.#parts = [];
    for (let i = 0; i < all.length; ) {
      const at = (all[i] as StoreEvent).kv.modRev;
      let end = i;
      while (end < all.length && (all[end] as StoreEvent).kv.modRev === at) end++;
      this.#deliver(
        at,
        all.slice(i, end).filter((e) => this.#ranges.some((range) => inRange(range, e.kv.key))),
      );
      i = end;
    }
  }

  /** Whole revisions, each once; those without events only move on. */
  #deliver(at: Rev, events: readonly StoreEvent[]): void {
    if (at < this.#next || this.#ended) return;
    this.#next = rev(at + 1n);
    if (events.length === 0) return;
    const past = this.#begun !== undefined && at <= this.#begun;
    this.#queue.push({ rev: at, events }, past);
    if (!past) this.#queue.checkBound();
    else if (this.#queue.size > PAST_HIGH && !this.#paused) {
      this.#paused = true;
      this.#stream?.pause();
    }
  }

  /** The stream is gone: another one, behind what was delivered. */
  #failed(at: number, error: unknown): void {
    this.#drop();
    if (this.#ended) return;
    const fate = fateOf(error);
    if (fate.kind === "refused" && !isStoreError(fate.error, "Unavailable")) {
      this.#finish(fate.error);
      return;
    }
    this.#endpoints.leave(at);
    this.#cancelRetry = this.#clock.after(RETRY_MS, () => void this.#open());
  }

  #finish(error: StoreError): void {
    this.#queue.finish(error);
    this.end();
  }

  #drop(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    if (stream) cancel(stream);
  }
}

function cancel(stream: Stream): void {
  stream.removeAllListeners();
  stream.on("error", () => undefined); // its own cancellation
  stream.cancel();
}

function covering(ranges: readonly Range[]): { from: string; to: string } {
  return ranges.map(bounds).reduce((a, b) => ({
    from: compareKeys(a.from, b.from) <= 0 ? a.from : b.from,
    to: compareKeys(a.to, b.to) >= 0 ? a.to : b.to,
  }));
}
