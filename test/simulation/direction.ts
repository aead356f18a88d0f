/** Messages from one end of a stream to the other, in order. */
import type { Network } from "./network.js";
import type { Process } from "./process.js";
import type { Parcel } from "./wire.js";

export interface End {
  readonly host: string;
  readonly process: Process;
}

/** The sender has ended its side; `error` is the status it gave. */
export interface Ending {
  kind: "end";
  error: string | undefined;
  atUs: number;
}

export type Item<M> = { kind: "message"; parcel: Parcel<M>; atUs: number } | Ending;

/** Unread bytes at which a sender is told to wait. */
export const HIGH_WATER = 4096;

export class Direction<M> {
  /** Bytes that have not been read. */
  unread = 0;
  onDrain: () => void = () => {};
  private readonly queue: Item<M>[] = [];
  private lastUs = 0;
  private closed = false;
  private moving = false;

  constructor(
    private readonly network: Network,
    private readonly from: End,
    private readonly to: End,
    private readonly arrived: (item: Item<M>) => void,
  ) {}

  /** False when the sender should wait. */
  send(parcel: Parcel<M>): boolean {
    if (this.closed) return true;
    this.unread += parcel.size;
    this.push({ kind: "message", parcel, atUs: this.arrival() });
    return this.unread <= HIGH_WATER;
  }

  end(error?: string): void {
    if (this.closed) return;
    this.push({ kind: "end", error, atUs: this.arrival() });
    this.closed = true;
  }

  /** Nothing more is sent, not even an end; what is under way arrives. */
  close(): void {
    this.closed = true;
  }

  moveOn(): void {
    const [head] = this.queue;
    if (head === undefined || this.moving) return;
    this.moving = true;
    const { time } = this.network.world;
    time.in((head.atUs - time.nowUs) / 1000, () => this.deliver());
  }

  private arrival(): number {
    const { time } = this.network.world;
    const delayUs = Math.round(this.network.delayMs(this.from.host, this.to.host) * 1000);
    this.lastUs = Math.max(this.lastUs, time.nowUs + delayUs);
    return this.lastUs;
  }

  private push(item: Item<M>): void {
    this.queue.push(item);
    this.moveOn();
  }

  private deliver(): void {
    this.moving = false;
    if (this.network.waits(this.from.host, this.to.host, this.to.process)) return;
    const item = this.queue.shift();
    if (item === undefined) return;
    if (item.kind === "message") {
      const full = this.unread > HIGH_WATER;
      this.unread -= item.parcel.size;
      if (full && this.unread <= HIGH_WATER) this.from.process.enter(() => this.onDrain());
    }
    this.to.process.enter(() => this.arrived(item));
    this.moveOn();
  }
}
