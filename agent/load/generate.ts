/**
 * The loop of a load generator: one window, from its first request to the end of its drain.
 *
 * 1. Open loop: each request is due at its time; `scheduled` is that time, however late it is sent. At `maxInflight`
 *    requests wait in order, and none is dropped.
 * 2. Closed loop: `scheduled` is when the slot became free, and it is sent at once.
 * 3. The measured set is what was scheduled in the window. What has not ended when the drain is over is aborted and
 *    said to be unfinished.
 * 4. A timer wakes up to a millisecond late: it is set short, and the rest is spent looking at the clock between the
 *    events of sockets.
 */
import type { Ended } from "./exchange.js";
import type { GeneratorPlan, RequestFailure, RequestSeen } from "./messages.js";

export interface Window {
  requests: RequestSeen[];
  ms: number;
  drainedMs: number;
  peakInflight: number;
}

/** Sends request n; `ended` is called once, later. The answer aborts it. */
export type Send = (n: number, ended: (seen: Ended) => void) => (why: RequestFailure) => void;

/** How much earlier than needed a timer is set, ms. */
const TIMER_SLACK_MS = 2;
/** After a failure a slot of a closed loop pauses: a server that is gone is not asked a million times. */
const FAILURE_PAUSE_MS = 100;

/** `nowNs` counts from the beginning of the window. */
export function generate(
  plan: Pick<GeneratorPlan, "flow" | "durationMs" | "drainMs" | "timeoutMs" | "maxRequests">,
  send: Send,
  nowNs: () => number,
): Promise<Window> {
  return new Promise((resolve) => new Running(plan, send, nowNs, resolve).begin());
}

class Running {
  private readonly requests: RequestSeen[] = [];
  /** On their way: how to abort each. */
  private readonly inflight = new Map<number, (why: RequestFailure) => void>();
  /** Due, and waiting: their numbers, and from where on. */
  private readonly waiting: number[] = [];
  private waitingFrom = 0;
  private readonly timers = new Set<NodeJS.Timeout>();
  private peakInflight = 0;
  private isOpen = true;
  private endedNs = 0;
  private windowNs = 0;

  constructor(
    private readonly plan: Pick<
      GeneratorPlan,
      "flow" | "durationMs" | "drainMs" | "timeoutMs" | "maxRequests"
    >,
    private readonly send: Send,
    private readonly nowNs: () => number,
    private readonly resolve: (window: Window) => void,
  ) {}

  begin(): void {
    const { flow, durationMs } = this.plan;
    if (flow.kind === "open") this.arrive(0, flow.atMs);
    else {
      this.after(durationMs, () => this.close());
      for (let slot = 0; slot < flow.atOnce; slot++) this.next();
    }
  }

  /** Sends what is due, and waits for what comes next. */
  private arrive(from: number, atMs: readonly number[]): void {
    for (let i = from; i < atMs.length; i++) {
      const leftMs = (atMs[i] ?? 0) - this.nowNs() / 1e6;
      if (leftMs > 0) {
        const goOn = () => this.arrive(i, atMs);
        if (leftMs > TIMER_SLACK_MS) this.after(leftMs - TIMER_SLACK_MS, goOn);
        else setImmediate(goOn); // invariant 4
        return;
      }
      this.due(Math.round((atMs[i] ?? 0) * 1e6));
    }
    this.after(this.plan.durationMs - this.nowNs() / 1e6, () => this.close());
  }

  /** Invariant 1. */
  private due(scheduledNs: number): void {
    const n = this.note(scheduledNs);
    const { flow } = this.plan;
    if (flow.kind === "open" && this.inflight.size >= flow.maxInflight) this.waiting.push(n);
    else this.start(n);
  }

  /** Invariant 2. */
  private next(): void {
    if (this.isOpen && this.requests.length < this.plan.maxRequests) this.start(this.note(this.nowNs()));
    else if (this.isOpen) this.close();
  }

  private note(scheduledNs: number): number {
    const n = this.requests.length;
    this.requests.push({ n, scheduledNs, endNs: 0, chunks: 0 });
    return n;
  }

  private start(n: number): void {
    const timer = this.timer(this.plan.timeoutMs, () => this.inflight.get(n)?.({ kind: "timeout" }));
    const abort = this.send(n, (seen) => {
      this.drop(timer);
      this.inflight.delete(n);
      Object.assign(this.requests[n] ?? {}, seen);
      this.endedNs = this.nowNs();
      this.follow(seen.failure !== undefined);
    });
    this.inflight.set(n, abort);
    this.peakInflight = Math.max(this.peakInflight, this.inflight.size);
  }

  private follow(failed: boolean): void {
    const waits = this.waiting[this.waitingFrom];
    if (this.plan.flow.kind === "open") {
      if (waits !== undefined) {
        this.waitingFrom += 1;
        this.start(waits);
      }
    } else if (this.isOpen) {
      if (failed) this.after(FAILURE_PAUSE_MS, () => this.next());
      else this.next();
    }
    if (!this.isOpen && this.inflight.size === 0) this.finish();
  }

  /** Nothing more is scheduled. */
  private close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.windowNs = Math.min(this.nowNs(), this.plan.durationMs * 1e6);
    if (this.inflight.size === 0) this.finish();
    else this.after(this.plan.drainMs, () => this.giveUp());
  }

  /** Invariant 3. */
  private giveUp(): void {
    for (const n of this.waiting.splice(this.waitingFrom)) {
      Object.assign(this.requests[n] ?? {}, { endNs: this.nowNs(), failure: { kind: "unfinished" } });
    }
    for (const abort of [...this.inflight.values()]) abort({ kind: "unfinished" });
  }

  private finish(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    const drainedMs = Math.max(0, this.endedNs - this.windowNs) / 1e6;
    const { requests, peakInflight } = this;
    this.resolve({ requests, ms: this.windowNs / 1e6, drainedMs, peakInflight });
  }

  private after(ms: number, run: () => void): void {
    this.timer(ms, run);
  }

  private timer(ms: number, run: () => void): NodeJS.Timeout {
    const timer = setTimeout(
      () => {
        this.timers.delete(timer);
        run();
      },
      Math.min(Math.max(0, ms), LONGEST_TIMER_MS),
    );
    this.timers.add(timer);
    return timer;
  }

  private drop(timer: NodeJS.Timeout): void {
    clearTimeout(timer);
    this.timers.delete(timer);
  }
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;
