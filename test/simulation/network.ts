/**
 * The network between agents and coordinators: streams of messages, in order within a direction, each direction
 * with its own delays and its own cuts.
 *
 * 1. What was sent arrives in order or not at all; a cut holds it back, and it may arrive long after the stream was
 *    given up at the other end, and after a newer stream has begun.
 * 2. An end that hears nothing of the other for the keepalive time gives its stream up by itself.
 * 3. A process that dies sends an end behind what it had sent; a machine that goes down sends nothing.
 */
import type { AgentMessage, CoordinatorMessage } from "../../shared/gen/sai/agent/v1/session.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Process, World } from "./process.js";
import type { SeededRandom } from "./random.js";
import { Stream } from "./stream.js";
import type { Wire } from "./wire.js";

/** Where agents find a coordinator. */
export interface Listener {
  readonly host: string;
  readonly process: Process;
  accept(stream: Stream): void;
}

const CONNECT_MS = 5000;
const SLOWEST_MS = 4000;

export class Network {
  readonly listeners = new Map<string, Listener>();
  /** Times a direction `from>to` is cut now. */
  private readonly cuts = new Map<string, number>();
  /** Machines that do not read what arrives. */
  private readonly slowReaders = new Set<string>();
  private readonly slowness = new Map<string, number>();
  private readonly streams = new Set<Stream>();
  /** Hear of messages: sent by an agent, sent to one, read by one. */
  onAgentMessage: (agent: string, message: AgentMessage, stream: Stream) => void = () => {};
  onCoordinatorMessage: (from: string, agent: string, message: CoordinatorMessage, stream: Stream) => void =
    () => {};
  onDelivered: (agent: string, message: CoordinatorMessage) => void = () => {};

  constructor(
    readonly world: World,
    readonly random: SeededRandom,
    private readonly keepaliveMs: number,
    readonly wire: Wire,
  ) {}

  /** Opens a stream from a process on `host` to whoever listens; throws unavailable when nobody can be reached. */
  dial(process: Process, host: string, signal: AbortSignal): Promise<Stream> {
    const { time, trace } = this.world;
    return new Promise((resolve, reject) => {
      const stop = () => reject(signal.reason);
      if (signal.aborted) return stop();
      signal.addEventListener("abort", stop, { once: true });
      const answer = (act: () => void) =>
        process.enter(() => {
          signal.removeEventListener("abort", stop);
          if (!signal.aborted) act();
        });
      const refuse = (why: string) => answer(() => reject(new SaiError("unavailable", why)));
      const target = this.someListener();
      time.in(this.delayMs(host, target?.host ?? host) * 2, () => {
        trace.note("net.dial", () => `${host} > ${target?.host ?? "nobody"}`);
        if (target === undefined || this.listeners.get(target.host) !== target)
          return refuse("connection refused");
        let over = false;
        time.in(CONNECT_MS, () => {
          if (!over) refuse("no answer");
          over = true;
        });
        if (this.unreachable(host, target.host)) return;
        // A process that is stopped takes the connection when it goes on, if that is in time.
        target.process.enter(() => {
          if (over || this.listeners.get(target.host) !== target) return;
          over = true;
          const ends = [
            { host, process },
            { host: target.host, process: target.process },
          ] as const;
          const stream = new Stream(this, ...ends);
          this.streams.add(stream);
          target.accept(stream);
          answer(() => resolve(stream));
        });
      });
    });
  }

  /** Cuts one direction; what is under way waits. The answer heals it. */
  cut(from: string, to: string): () => void {
    const name = `${from}>${to}`;
    this.cuts.set(name, (this.cuts.get(name) ?? 0) + 1);
    this.suspect();
    return () => {
      this.cuts.set(name, (this.cuts.get(name) ?? 1) - 1);
      this.moveOn();
    };
  }

  isCut(from: string, to: string): boolean {
    return (this.cuts.get(`${from}>${to}`) ?? 0) > 0;
  }

  /** What arrives at `host` is not read; the answer ends that. */
  stopReading(host: string): () => void {
    this.slowReaders.add(host);
    return () => {
      this.slowReaders.delete(host);
      this.moveOn();
    };
  }

  slow(host: string, factor: number): void {
    if (factor === 1) this.slowness.delete(host);
    else this.slowness.set(host, factor);
  }

  /** Whether what arrives at `host` for `process` waits there. */
  waits(from: string, to: string, process: Process): boolean {
    return this.isCut(from, to) || this.slowReaders.has(to) || process.paused;
  }

  delayMs(from: string, to: string): number {
    const usual = this.random.chance(0.02) ? this.random.between(5, 250) : this.random.between(0.1, 3);
    const factor = Math.max(this.slowness.get(from) ?? 1, this.slowness.get(to) ?? 1);
    return Math.min(usual * factor, SLOWEST_MS);
  }

  /** Breaks the streams of a host, or of all, as a reset does. */
  reset(host: string): void {
    for (const stream of host === "*" ? [...this.streams] : this.of(host)) stream.reset();
  }

  /** Its process has died: the other ends hear of it. */
  died(process: Process): void {
    for (const stream of [...this.streams]) stream.died(process);
  }

  /** Its machine is down: nobody hears of it, until keepalive says so. */
  vanished(process: Process): void {
    for (const stream of [...this.streams]) stream.vanished(process);
    this.suspect();
  }

  /** Called when something may be read again: a direction is healed, a process goes on. */
  moveOn(): void {
    for (const stream of [...this.streams]) stream.moveOn();
  }

  /** Called when a peer may have become silent: each end gives up after the keepalive time, if it still is. */
  suspect(): void {
    for (const stream of this.streams) {
      for (const end of stream.ends) {
        if (!stream.silentFor(end)) continue;
        this.world.time.in(this.random.between(this.keepaliveMs, this.keepaliveMs * 1.5), () => {
          if (stream.silentFor(end)) stream.giveUp(end);
        });
      }
    }
  }

  forget(stream: Stream): void {
    this.streams.delete(stream);
  }

  unreachable(a: string, b: string): boolean {
    return this.isCut(a, b) || this.isCut(b, a);
  }

  private of(host: string): Stream[] {
    return [...this.streams].filter((stream) => stream.ends.some((end) => end.host === host));
  }

  /** Where an address leads that stands for all coordinators: mostly to one that answers. */
  private someListener(): Listener | undefined {
    const all = [...this.listeners.values()];
    const answering = all.filter(({ process }) => !process.paused);
    const from = answering.length > 0 && this.random.chance(0.75) ? answering : all;
    return from.length === 0 ? undefined : this.random.pick(from);
  }
}
