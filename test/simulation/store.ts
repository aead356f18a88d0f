/**
 * The state store: one core, as etcd is one, and a client for each coordinator behind a network of its own. Requests
 * may wait, fail before they are sent, or be carried out without an answer.
 */
import { MemoryCore } from "../../coordinator/store/memory-core.js";
import { MemoryStore, type StoreCall } from "../../coordinator/store/memory-store.js";
import { StoreError } from "../../coordinator/store/store.js";
import type { Clock } from "../../shared/runtime/clock.js";
import type { Process } from "./process.js";
import type { SeededRandom } from "./random.js";

const DEADLINE_MS = 5000;

export class SimulatedStore {
  readonly core: MemoryCore;
  /** Hosts that get no answer now, and those whose requests are not sent; "*" stands for all. */
  readonly stalled = new Set<string>();
  readonly away = new Set<string>();
  /** Share of answers to changes that are lost. */
  lostReplies = 0;
  /** Share of requests that are on their way for long. */
  lateRequests = 0;
  /** Hears whose request is carried out next. */
  onCall: (host: string) => void = () => {};
  /** When the last write of a host's term failed, ms; absent when the last one was answered. */
  readonly failedAtMs = new Map<string, number>();
  private readonly ledSinceMs = new Map<string, number>();
  private readonly waiting: { host: string; go: () => void }[] = [];

  constructor(
    clock: Clock,
    private readonly random: SeededRandom,
  ) {
    this.core = new MemoryCore({ clock, historyRevs: 4 });
  }

  /** A client of its own for a process on `host`. */
  of(process: Process, host: string): MemoryStore {
    return new MemoryStore(this.seenBy(host), {
      clock: process.clock,
      hook: {
        request: (call) => this.request(process, host, call),
        reply: (call) => this.reply(process, host, call),
      },
    });
  }

  /** The core, telling who it is that changes something. */
  private seenBy(host: string): MemoryCore {
    const { core } = this;
    const says = <T>(run: () => T): T => {
      this.onCall(host);
      return run();
    };
    const view: Partial<MemoryCore> = {
      get: (key) => core.get(key),
      pin: (atRev) => core.pin(atRev),
      txn: (t) => says(() => core.txn(t)),
      subscribe: (ranges, fromRev, deliver) => core.subscribe(ranges, fromRev, deliver),
      compact: (at) => core.compact(at),
      grant: (ttlMs) => core.grant(ttlMs),
      renew: (lease) => core.renew(lease),
      revoke: (lease) => says(() => core.revoke(lease)),
    };
    Object.defineProperty(view, "rev", { get: () => core.rev });
    Object.defineProperty(view, "shown", { get: () => core.shown });
    return view as MemoryCore;
  }

  /** A host begins a term, which knows nothing of what became of the writes of its last one. */
  led(host: string, nowMs: number): void {
    this.ledSinceMs.set(host, nowMs);
    this.failedAtMs.delete(host);
  }

  /** Takes no new keys any more, or again. */
  full(isFull: boolean): void {
    this.core.closedFor = isFull ? "the disk is full" : undefined;
  }

  /** Lets go what waited; called when a stall ends. */
  moveOn(): void {
    for (const { go } of this.waiting.splice(0)) go();
  }

  private async request(process: Process, host: string, call: StoreCall): Promise<void> {
    const sentMs = process.world.time.nowMs;
    const late = this.random.chance(this.lateRequests) ? this.random.between(500, 9000) : 0;
    await process.asks(`store.${call}`, this.random.between(0.1, 2) + late, () => {});
    while (this.is(this.stalled, host)) {
      await new Promise<void>((go) => this.waiting.push({ host, go: () => process.enter(go) }));
    }
    if (this.is(this.away, host)) {
      await process.clock.sleep(this.random.chance(0.5) ? 1 : DEADLINE_MS);
      this.answered(process, host, call, false, sentMs);
      throw new StoreError({ kind: "Unavailable", what: `${call} was not sent` });
    }
  }

  private async reply(process: Process, host: string, call: StoreCall): Promise<void> {
    const sentMs = process.world.time.nowMs;
    const lost = this.is(this.away, host) || (call !== "get" && this.random.chance(this.lostReplies));
    await process.asks("store.reply", lost ? DEADLINE_MS : this.random.between(0.1, 2), () => {});
    while (this.is(this.stalled, host)) {
      await new Promise<void>((go) => this.waiting.push({ host, go: () => process.enter(go) }));
    }
    this.answered(process, host, call, !lost, sentMs);
    if (lost) throw new Error("the reply was lost");
  }

  private answered({ world }: Process, host: string, call: StoreCall, ok: boolean, sentMs: number): void {
    if (call !== "txn" || sentMs < (this.ledSinceMs.get(host) ?? 0)) return;
    if (ok) this.failedAtMs.delete(host);
    else this.failedAtMs.set(host, world.time.nowMs);
  }

  private is(hosts: Set<string>, host: string): boolean {
    return hosts.has("*") || hosts.has(host);
  }
}
