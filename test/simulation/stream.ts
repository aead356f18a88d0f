/**
 * One stream between an agent and a coordinator: two directions of encoded messages. The agent's end is the Link of its
 * session, the coordinator's end is shaped as the stream that gRPC hands to a service.
 */
import { EventEmitter } from "node:events";
import type { Link } from "../../agent/session/link.js";
import { AgentMessage, CoordinatorMessage } from "../../shared/gen/sai/agent/v1/session.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Network } from "./network.js";
import type { Process } from "./process.js";

export interface End {
  readonly host: string;
  readonly process: Process;
}

type Item =
  | { kind: "message"; bytes: Uint8Array; atUs: number }
  /** The sender has ended its side; `error` is the status it gave. */
  | { kind: "end"; error: string | undefined; atUs: number };

/** Unread bytes at which a sender is told to wait. */
const HIGH_WATER = 4096;

export class Stream {
  readonly ends: readonly [End, End];
  readonly agent: AgentEnd;
  readonly coordinator: CoordinatorEnd;
  readonly up: Direction;
  readonly down: Direction;

  constructor(
    readonly network: Network,
    agent: End,
    coordinator: End,
  ) {
    this.ends = [agent, coordinator];
    this.agent = new AgentEnd(this);
    this.coordinator = new CoordinatorEnd(this);
    this.up = new Direction(network, agent, coordinator, (item) => this.coordinator.arrived(item));
    this.down = new Direction(network, coordinator, agent, (item) => this.agent.arrived(item));
  }

  /** Both ends see the stream break, each when it hears of it. */
  reset(): void {
    this.up.end("the connection was reset");
    this.down.end("the connection was reset");
  }

  died(process: Process): void {
    if (process === this.ends[0].process) this.up.end("the connection was closed");
    if (process === this.ends[1].process) this.down.end("the connection was closed");
  }

  vanished(process: Process): void {
    if (process === this.ends[0].process) this.up.close();
    if (process === this.ends[1].process) this.down.close();
  }

  /** Whether this end would hear nothing of the other now. */
  silentFor(end: End): boolean {
    const [agent, coordinator] = this.ends;
    const other = end === agent ? coordinator : agent;
    const over = end === agent ? this.agent.over : this.coordinator.over;
    if (over || !end.process.alive) return false;
    return this.network.unreachable(end.host, other.host) || other.process.paused || !other.process.alive;
  }

  giveUp(end: End): void {
    const broken: Item = { kind: "end", error: "keepalive: the peer does not answer", atUs: 0 };
    if (end === this.ends[0]) this.ends[0].process.enter(() => this.agent.arrived(broken));
    else this.ends[1].process.enter(() => this.coordinator.arrived(broken));
    // The kernel's own goodbye; it arrives once there is a way again.
    (end === this.ends[0] ? this.up : this.down).end("the connection was closed");
  }

  moveOn(): void {
    this.up.moveOn();
    this.down.moveOn();
  }

  /** Forgotten once neither end reads any more. */
  ended(): void {
    if (this.agent.over && this.coordinator.over) this.network.forget(this);
  }
}

/** Messages from one end to the other, in order. */
class Direction {
  /** Bytes that have not been read. */
  unread = 0;
  onDrain: () => void = () => {};
  private readonly queue: Item[] = [];
  private lastUs = 0;
  private closed = false;
  private moving = false;

  constructor(
    private readonly network: Network,
    private readonly from: End,
    private readonly to: End,
    private readonly arrived: (item: Item) => void,
  ) {}

  /** False when the sender should wait. */
  send(bytes: Uint8Array): boolean {
    if (this.closed) return true;
    this.unread += bytes.length;
    this.push({ kind: "message", bytes, atUs: this.arrival() });
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

  private push(item: Item): void {
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
      this.unread -= item.bytes.length;
      if (full && this.unread <= HIGH_WATER) this.from.process.enter(() => this.onDrain());
    }
    this.to.process.enter(() => this.arrived(item));
    this.moveOn();
  }
}

/** What a session of an agent holds. */
export class AgentEnd implements Link {
  over = false;
  private readonly inbox: CoordinatorMessage[] = [];
  private failure: SaiError | undefined;
  private wake = () => {};
  private readonly drains: (() => void)[] = [];

  constructor(private readonly stream: Stream) {}

  send(message: AgentMessage): "sent" | "wait" | "ended" {
    if (this.over) return "ended";
    const { up, network } = this.stream;
    const bytes = AgentMessage.encode(message).finish();
    network.world.trace.bytes(bytes);
    network.onAgentMessage(this.stream.ends[0].host, message);
    up.onDrain = () => this.drain();
    return up.send(bytes) ? "sent" : "wait";
  }

  drained(): Promise<void> {
    if (this.over || this.stream.up.unread <= HIGH_WATER) return Promise.resolve();
    return new Promise((resolve) => this.drains.push(resolve));
  }

  get messages(): AsyncIterable<CoordinatorMessage> {
    return this.read();
  }

  async close(): Promise<void> {
    if (this.over) return;
    this.finish();
    this.stream.up.end();
  }

  arrived(item: Item): void {
    if (this.over) return;
    const { trace } = this.stream.network.world;
    if (item.kind === "end") {
      trace.note("net.agent.end", () => `${this.stream.ends[0].host}: ${item.error ?? "in order"}`);
      if (item.error !== undefined) this.failure = new SaiError("unavailable", item.error);
      this.finish();
      this.stream.up.end();
      return;
    }
    const message = CoordinatorMessage.decode(item.bytes);
    trace.note("net.down", () => `${this.stream.ends[0].host} < ${JSON.stringify(message, plain)}`);
    this.stream.network.onDelivered(this.stream.ends[0].host, message);
    this.inbox.push(message);
    this.wake();
  }

  private finish(): void {
    this.over = true;
    this.wake();
    this.drain();
    this.stream.ended();
  }

  private drain(): void {
    for (const go of this.drains.splice(0)) go();
  }

  private async *read(): AsyncGenerator<CoordinatorMessage> {
    try {
      for (;;) {
        const message = this.inbox.shift();
        if (message) yield message;
        else if (this.failure) throw this.failure;
        else if (this.over) return;
        else
          await new Promise<void>((resolve) => {
            this.wake = resolve;
          });
      }
    } finally {
      void this.close();
    }
  }
}

/** What gRPC hands to the agents' service: the events and methods that it uses of a ServerDuplexStream. */
export class CoordinatorEnd extends EventEmitter {
  over = false;

  constructor(private readonly stream: Stream) {
    super();
    // A service that emits an error gives the call that status and ends it.
    this.on("error", (error: { details?: string; message?: string }) => {
      if (this.over) return;
      this.finish(error.details ?? error.message ?? "unknown");
    });
  }

  write(message: CoordinatorMessage): boolean {
    if (this.over) return true;
    const { down, network } = this.stream;
    const bytes = CoordinatorMessage.encode(message).finish();
    network.world.trace.bytes(bytes);
    network.onCoordinatorMessage(this.stream.ends[1].host, this.stream.ends[0].host, message);
    down.onDrain = () => this.emit("drain");
    return down.send(bytes);
  }

  end(): void {
    if (!this.over) this.finish(undefined);
  }

  arrived(item: Item): void {
    if (this.over) return;
    const { trace } = this.stream.network.world;
    if (item.kind === "message") {
      const message = AgentMessage.decode(item.bytes);
      trace.note("net.up", () => `${this.stream.ends[0].host} > ${JSON.stringify(message, plain)}`);
      this.emit("data", message);
      return;
    }
    trace.note("net.coordinator.end", () => `${this.stream.ends[0].host}: ${item.error ?? "in order"}`);
    if (item.error === undefined) {
      this.emit("end");
      if (!this.over) this.finish(undefined);
      return;
    }
    this.over = true;
    this.stream.down.end(item.error);
    this.stream.ended();
    this.emit("cancelled");
    this.emit("close");
  }

  private finish(error: string | undefined): void {
    this.over = true;
    this.stream.down.end(error);
    this.stream.ended();
    this.emit("close");
  }
}

/** For JSON.stringify: what protobuf has and JSON lacks. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return value;
}
