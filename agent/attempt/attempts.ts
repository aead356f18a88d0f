/**
 * The attempts this agent holds, from acceptance to the coordinator's last word about them. Accepted attempts wait in
 * order for a slot of their lane; a finished one waits here, journaled, until its result is acknowledged.
 *
 * 1. An attempt is accepted once; the same assignment again is answered the same and runs once.
 * 2. A result is forgotten, and its journal removed, only after COMMITTED, SUPERSEDED, CLOSED or STOP.
 * 3. Stopping one attempt touches no other.
 * 4. A failure is held until somebody could be told of it, so that its class is not lost with a stream.
 * 5. After `drain` nothing is worth a credit any more: there is no more room for work.
 * 6. A device is free for the next attempt when the last sample has run; the credit for it comes when the records are
 *    stored, so that a store that is away stops the flow of work.
 */
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { DeviceLedger, LedgerDevice } from "../leases/device-ledger.js";
import { type Assignment, attemptText, type ShardFailure, type ShardResult } from "./assignment.js";

/** What an attempt came to. `cancelled` needs no answer: whoever cancelled knows. */
export type AttemptOutcome =
  | { kind: "result"; result: ShardResult }
  | { kind: "failed"; failure: ShardFailure }
  | { kind: "cancelled" };

/** Runs one attempt to its end; never throws for what can happen to an attempt. */
export type RunAttempt = (
  assignment: Assignment,
  device: LedgerDevice,
  hooks: {
    started(): void;
    progressed(done: number): void;
    /** The device is not needed any more, though the attempt has not ended. */
    released(): void;
  },
  signal: AbortSignal,
) => Promise<AttemptOutcome>;

/** Where news of attempts go; the session sends them on when there is one. */
export interface AttemptListener {
  started(fence: Fence): void;
  finished(result: ShardResult): void;
  /** False when nobody can be told now; it is held, and told through `tellFailures`. */
  failed(failure: ShardFailure): boolean;
  /** Accepted attempts that will not start here. */
  retracted(fences: Fence[]): void;
  /** A slot of the lane can take another attempt: worth one credit. */
  freed(lane: string): void;
}

type Held = { assignment: Assignment; stop: AbortController; done: number } & (
  | { kind: "accepted" }
  | { kind: "running"; ended: Promise<void> }
  | { kind: "uploaded"; result: ShardResult }
  | { kind: "failed"; failure: ShardFailure }
);

export type HeldState = Held["kind"];

/** Most failures that wait to be told: far more than work that a machine holds when its coordinator goes away. */
const FAILURES_HELD = 1000;

export class Attempts {
  private readonly held = new Map<string, Held>();
  private closed = false;

  constructor(
    private readonly ledger: DeviceLedger,
    private readonly run: RunAttempt,
    private readonly dropJournal: (fence: Fence) => Promise<void>,
    private readonly log: Logger,
    private readonly listener: AttemptListener,
  ) {}

  /** Takes the attempt, or says why not: `draining` or `no_lane`. */
  accept(assignment: Assignment): "accepted" | "draining" | "no_lane" {
    if (this.held.has(fenceText(assignment.fence))) return "accepted";
    if (this.closed) return "draining";
    if (this.ledger.slots(assignment.lane) === 0) return "no_lane";
    const entry: Held = { kind: "accepted", assignment, stop: new AbortController(), done: 0 };
    this.held.set(fenceText(assignment.fence), entry);
    this.startWaiting();
    return "accepted";
  }

  /** Takes back a result that an earlier start of this agent finished. */
  restore(result: ShardResult, assignment: Assignment): void {
    const entry: Held = { kind: "uploaded", assignment, stop: new AbortController(), done: 0, result };
    this.held.set(fenceText(result.fence), entry);
  }

  holds(fence: Fence): boolean {
    return this.held.has(fenceText(fence));
  }

  /** True once nothing more is accepted. */
  get draining(): boolean {
    return this.closed;
  }

  /** Gives back an attempt that has not started; false if it has, or is not held. */
  retract(fence: Fence): boolean {
    const entry = this.held.get(fenceText(fence));
    if (entry?.kind !== "accepted") return false;
    this.forget(entry);
    return true;
  }

  /** Stops an attempt wherever it is and forgets it; resolves when its slot is free. */
  async cancel(fence: Fence, reason: string): Promise<void> {
    const entry = this.held.get(fenceText(fence));
    if (entry === undefined) return;
    this.log.info({ attempt: fenceText(fence), reason }, "attempt stopped");
    entry.stop.abort(new Error(reason));
    if (entry.kind === "running") await entry.ended;
    else if (entry.kind === "accepted") this.forget(entry);
    else this.held.delete(fenceText(fence)); // its credit went back when it ended
    await this.dropJournal(fence);
  }

  /** The coordinator's last word about a result; its journal may go. */
  async acknowledged(fence: Fence): Promise<void> {
    const entry = this.held.get(fenceText(fence));
    if (entry?.kind !== "uploaded") return;
    this.held.delete(fenceText(fence));
    await this.dropJournal(fence);
  }

  /** Everything held, for Hello. */
  list(): { assignment: Assignment; state: HeldState; done: number }[] {
    return [...this.held.values()].map(({ assignment, kind, done }) => ({ assignment, state: kind, done }));
  }

  /** Results that no one has acknowledged. */
  unacknowledged(): ShardResult[] {
    return [...this.held.values()].flatMap((h) => (h.kind === "uploaded" ? [h.result] : []));
  }

  /** Attempts of the lane that wait or run: what credits are counted against. */
  active(lane: string): number {
    const uses = ({ kind, assignment }: Held) =>
      (kind === "accepted" || kind === "running") && assignment.lane === lane;
    return [...this.held.values()].filter(uses).length;
  }

  running(): number {
    return [...this.held.values()].filter((h) => h.kind === "running").length;
  }

  /** Tells of failures that are held, oldest first, and forgets them; stops when `tell` says that it could not. */
  tellFailures(tell: (failure: ShardFailure) => boolean): void {
    for (const [name, entry] of this.held) {
      if (entry.kind !== "failed") continue;
      if (!tell(entry.failure)) return;
      this.held.delete(name);
    }
  }

  /** Accepts nothing more and gives back what has not started; running attempts go on. */
  drain(): void {
    this.closed = true;
    const waiting = [...this.held.values()].filter(({ kind }) => kind === "accepted");
    for (const entry of waiting) this.forget(entry);
    if (waiting.length > 0) this.listener.retracted(waiting.map(({ assignment }) => assignment.fence));
  }

  /** Resolves when nothing runs any more, or after `withinMs`. */
  async settled(withinMs: number, clock: Clock): Promise<void> {
    const ended = [...this.held.values()].flatMap((entry) => (entry.kind === "running" ? [entry.ended] : []));
    if (ended.length === 0) return;
    const late = new AbortController();
    await Promise.race([Promise.all(ended), clock.sleep(withinMs, late.signal).catch(() => {})]);
    late.abort();
  }

  /** Stops everything; resolves when all slots are free. Journals of finished attempts stay. */
  async close(reason: string): Promise<void> {
    this.drain();
    const running = [...this.held.values()].filter((h) => h.kind === "running");
    for (const entry of running) entry.stop.abort(new Error(reason));
    await Promise.all(running.map((entry) => entry.ended));
  }

  private startWaiting(): void {
    for (const entry of this.held.values()) {
      if (entry.kind !== "accepted") continue;
      const { assignment } = entry;
      const device = this.ledger.grant(assignment.lane, assignment.fence);
      if (device) this.start(assignment, entry.stop, device);
    }
  }

  private start(assignment: Assignment, stop: AbortController, device: LedgerDevice): void {
    const name = fenceText(assignment.fence);
    const ended = this.runToEnd(assignment, stop, device).then((outcome) => {
      this.ledger.release(assignment.fence);
      this.held.delete(name);
      if (outcome.kind === "result") {
        this.held.set(name, { kind: "uploaded", assignment, stop, done: 0, result: outcome.result });
        this.listener.finished(outcome.result);
      } else if (outcome.kind === "failed") {
        this.hold(name, { kind: "failed", assignment, stop, done: 0, failure: outcome.failure });
        this.tellFailures((failure) => this.listener.failed(failure));
      }
      this.freed(assignment.lane);
      this.startWaiting();
    });
    this.held.set(name, { kind: "running", assignment, stop, done: 0, ended });
  }

  private async runToEnd(
    a: Assignment,
    stop: AbortController,
    device: LedgerDevice,
  ): Promise<AttemptOutcome> {
    const hooks = {
      started: () => this.listener.started(a.fence),
      progressed: (done: number) => {
        const entry = this.held.get(fenceText(a.fence));
        if (entry) entry.done = done;
      },
      released: () => {
        this.ledger.release(a.fence);
        this.startWaiting();
      },
    };
    try {
      // A turn later, so that `held` says running before anything is reported.
      await Promise.resolve();
      const outcome = await this.run(a, device, hooks, stop.signal);
      return stop.signal.aborted ? { kind: "cancelled" } : outcome;
    } catch (error) {
      if (stop.signal.aborted) return { kind: "cancelled" };
      this.log.error({ err: error, attempt: attemptText(a) }, "attempt failed unexpectedly");
      const { fence, shard } = a;
      return {
        kind: "failed",
        failure: { fence, shard, class: "infra", cause: "", message: errorText(error) },
      };
    }
  }

  private forget(entry: Held): void {
    this.held.delete(fenceText(entry.assignment.fence));
    this.freed(entry.assignment.lane);
  }

  private freed(lane: string): void {
    if (!this.closed) this.listener.freed(lane);
  }

  private hold(name: string, failed: Held): void {
    this.held.set(name, failed);
    const failures = [...this.held].filter(([, { kind }]) => kind === "failed");
    for (const [oldest] of failures.slice(0, Math.max(0, failures.length - FAILURES_HELD))) {
      this.log.warn({ attempt: oldest }, "too many failures wait to be told; the oldest is forgotten");
      this.held.delete(oldest);
    }
  }
}
