/**
 * The attempts this agent holds, from acceptance to the coordinator's last word about them (held-state.ts has the
 * steps). Accepted attempts wait in order for a slot of their lane; a finished one waits here, journaled, until its
 * result is acknowledged.
 *
 * 1. An attempt is accepted once; the same assignment again is answered the same and runs once.
 * 2. What somebody must hear of is forgotten, and its journal removed, only after the coordinator's answer or STOP.
 * 3. Stopping one attempt touches no other.
 * 4. Nothing starts while no coordinator is there; what runs goes on, and what ends waits here.
 * 5. A device is free for the next attempt when the last sample has run, wherever the records are by then.
 */

import { deviceClass, productText } from "../../shared/domain/device.js";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import { wishOfLane } from "../../shared/domain/gpu-lanes.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import { NO_GPU } from "../engines/engine.js";
import type { DeviceLedger } from "../leases/device-ledger.js";
import type { GpuPlace, GpuPlaces } from "../leases/gpu-places.js";
import {
  type Assignment,
  attemptText,
  type Death,
  type ShardFailure,
  type ShardResult,
} from "./assignment.js";
import { GpuStarts } from "./gpu-starts.js";
import { type Held, type HeldAttempt, HeldBook } from "./held-book.js";
import { waitingResult } from "./held-state.js";
import type { Intake, Refusal } from "./intake.js";
import type { Replayed } from "./replay.js";
import { AgentStops, type AttemptOutcome, type RunAttempt, type RunDevice } from "./run.js";
import type { Spool } from "./spool.js";

export type { AttemptOutcome, HeldAttempt, RunAttempt };

/** Where news of attempts go; the session sends them on when there is one, and catches up with `list` when it begins. */
export interface AttemptListener {
  started(fence: Fence): void;
  /** A sample of some attempt has ended. */
  progressed(): void;
  finished(result: ShardResult): void;
  failed(failure: ShardFailure): void;
  /** Accepted attempts that will not start here. */
  retracted(fences: Fence[]): void;
  /** There may be room for more attempts, or for fewer, than before. */
  roomChanged(): void;
}

export interface AttemptsParts {
  ledger: DeviceLedger;
  /** Absent where there are no GPUs to look for. */
  gpus?: GpuPlaces;
  /** How long an attempt waits for GPUs at the front, ms. */
  gpuWaitMs?: number;
  run: RunAttempt;
  /** Removes what the disk has of an attempt. */
  dropJournal(fence: Fence): Promise<void>;
  spool: Pick<Spool, "add" | "drop">;
  intake: Intake;
  clock: Clock;
  log: Logger;
  listener: AttemptListener;
}

/** Most failures that wait to be told: far more than work that a machine holds when its coordinator goes away. */
const FAILURES_HELD = 1000;

export class Attempts {
  private readonly book: HeldBook;
  private readonly gpuStarts: GpuStarts | undefined;
  private connected = false;

  constructor(private readonly parts: AttemptsParts) {
    this.book = new HeldBook(parts.intake, () => parts.listener.roomChanged());
    const { gpus: places, gpuWaitMs: timeoutMs = Number.POSITIVE_INFINITY, clock } = parts;
    this.gpuStarts =
      places &&
      new GpuStarts({
        ...{ places, clock, timeoutMs },
        waiting: () => this.waitingForGpus(),
        mayStart: () => this.connected && parts.intake.starts,
        start: (held, place) => this.startOnGpus(held, place),
        refuse: (held, why) => this.refuse(held, why),
      });
  }

  /** All lanes that attempts are taken for. */
  lanes(): string[] {
    const { ledger, gpus } = this.parts;
    return [...ledger.lanes(), ...(gpus?.lanes() ?? []).map(({ lane }) => lane)];
  }

  /** Attempts of the lane that this node can run at once. */
  slots(lane: string): number {
    const { ledger, gpus } = this.parts;
    return ledger.slots(lane) || (gpus?.lanes().find((one) => one.lane === lane)?.slots ?? 0);
  }

  /** GPUs were seen, freed or lost. */
  gpusChanged(): void {
    this.gpuStarts?.kick();
    this.parts.listener.roomChanged();
  }

  /** Takes the attempt, or says why not. */
  accept(assignment: Assignment): "accepted" | "no_lane" | Refusal {
    if (this.holds(assignment.fence)) return "accepted";
    const refusal = this.parts.intake.refusal();
    if (refusal) return refusal;
    if (this.slots(assignment.lane) === 0) return "no_lane";
    const held = this.book.hold(assignment, { kind: "ACCEPTED", resumes: false });
    this.book.lane(assignment.lane).waiting.push(held);
    this.startWaiting(assignment.lane);
    return "accepted";
  }

  /** Takes back what an earlier start of this agent left in a journal. */
  restore({ assignment, records, deaths, end }: Replayed): void {
    const held = this.book.hold(assignment, { kind: "INTERRUPTED" }, { done: records.length, deaths });
    if (end.kind === "failed") this.book.step(held, { kind: "fail", failure: end.failure });
    if (end.kind === "stored" || end.kind === "complete") {
      this.completed(held, end.result, end.kind === "stored" || end.result.uri === "");
    }
  }

  /** A coordinator is there and this agent is reconciled with it, or not any more (invariant 4). */
  connect(now: boolean): void {
    this.connected = now;
    for (const [lane] of this.book.lanes()) this.startWaiting(lane);
  }

  /** The coordinator wants a held attempt to go on. */
  keep(fence: Fence): void {
    const held = this.book.get(fence);
    if (held === undefined || !this.book.step(held, { kind: "keep" })) return;
    const { lane } = held.assignment;
    if (this.slots(lane) === 0 && (wishOfLane(lane) === undefined || !this.gpuStarts)) {
      const message = `this agent has no ${lane} slots any more`;
      this.fail(held, failureOf(held.assignment, "no_lane", message));
      return;
    }
    this.book.lane(lane).waiting.unshift(held);
    this.startWaiting(lane);
  }

  holds(fence: Fence): boolean {
    return this.book.get(fence) !== undefined;
  }

  /** Gives back an attempt that has not started; false if it has, or is not held. */
  retract(fence: Fence): boolean {
    const held = this.book.get(fence);
    return held !== undefined && this.book.step(held, { kind: "retract" });
  }

  /**
   * Stops an attempt wherever it is and forgets it, with all the disk has of it; a sample in hand gets `graceMs` to end.
   * Resolves when its slot is free.
   */
  async cancel(fence: Fence, reason: string, graceMs = 0): Promise<void> {
    const held = this.book.get(fence);
    if (held === undefined) return;
    this.parts.log.info({ attempt: held.name, reason }, "attempt stopped");
    held.winding = true;
    if (held.ended !== undefined && graceMs > 0) {
      const cancelTimer = this.parts.clock.after(graceMs, () => held.stop.abort(new Error(reason)));
      await held.ended;
      cancelTimer();
    } else held.stop.abort(new Error(reason));
    await held.ended;
    this.book.step(held, { kind: "stop" });
    await this.parts.spool.drop(fence);
    await this.dropJournal(fence);
  }

  /** The coordinator's last word about a result or a failure; its journal may go. */
  acknowledged(fence: Fence): void {
    const held = this.book.get(fence);
    if (held && this.book.step(held, { kind: "acknowledge" })) void this.dropJournal(fence);
  }

  /** The records of a spooled attempt are in the artifact store. */
  stored(fence: Fence): void {
    const held = this.book.get(fence);
    const result = held && waitingResult(held.state);
    if (held && result && this.book.step(held, { kind: "stored" })) this.parts.listener.finished(result);
  }

  /** The records of a spooled attempt will never be there. */
  lost(fence: Fence, reason: string): void {
    const held = this.book.get(fence);
    if (held?.state.kind === "SPOOLED") this.fail(held, failureOf(held.assignment, "records_lost", reason));
  }

  /** Everything held, oldest first. */
  list(): readonly HeldAttempt[] {
    return this.book.list();
  }

  /** Results that the coordinator has not acknowledged. */
  unacknowledged(): ShardResult[] {
    return this.book.list().flatMap(({ state }) => (state.kind === "UPLOADED" ? [state.result] : []));
  }

  /** Failures that the coordinator has not acknowledged. */
  untold(): ShardFailure[] {
    return [...this.book.failed].flatMap(({ state }) => (state.kind === "FAILED" ? [state.failure] : []));
  }

  /** Samples that were in flight at a death of this agent and have no record since. */
  deaths(): Death[] {
    return this.book.list().flatMap((held) => (held.state.kind === "INTERRUPTED" ? held.deaths : []));
  }

  /** Results that wait for the artifact store or for their answer. */
  get waitingResults(): { readonly results: number; readonly bytes: number } {
    return this.book.spooled;
  }

  /** True while a result or a failure waits for the coordinator's word. */
  get waitsForAnswers(): boolean {
    return this.book.spooled.results > 0 || this.book.failed.size > 0;
  }

  running(): number {
    let runs = 0;
    for (const [, { running }] of this.book.lanes()) runs += running.size;
    return runs;
  }

  /** Attempts of the lane that wait or run: what credits are counted against. */
  active(lane: string): number {
    return this.book.lane(lane).active;
  }

  /** How many attempts of the lane may be here at once now. */
  room(lane: string): number {
    const slots = this.slots(lane);
    return slots === 0 || this.parts.intake.refusal() ? 0 : slots + this.ahead(lane, slots);
  }

  /** Gives back what waits far beyond what this agent would ask for now, because work became slower: others may take it. */
  giveBackSurplus(): void {
    for (const [name, lane] of this.book.lanes()) {
      const slots = this.slots(name);
      const most = 2 * this.ahead(name, slots);
      this.giveBack(lane.waiting.slice(most).filter(isWaiting));
    }
  }

  /** Takes nothing more and gives back what has not started; running attempts go on. */
  drain(): void {
    this.parts.intake.drain(true);
    this.giveBack(this.book.list().filter(isWaiting));
  }

  /** What is taken has changed: with a full disk what waits would only fail, others may take it. */
  intakeChanged(): void {
    if (this.parts.intake.refusal() === "disk_full") this.giveBack(this.book.list().filter(isWaiting));
    for (const [lane] of this.book.lanes()) this.startWaiting(lane);
    this.parts.listener.roomChanged();
  }

  /** Takes work again after a `drain`. */
  resume(): void {
    this.parts.intake.drain(false);
    this.connect(this.connected);
  }

  /** Resolves when nothing runs any more, or after `withinMs`. */
  async settled(withinMs: number): Promise<void> {
    const ended = this.book.list().flatMap((held) => held.ended ?? []);
    if (ended.length === 0) return;
    const late = new AbortController();
    await Promise.race([Promise.all(ended), this.parts.clock.sleep(withinMs, late.signal).catch(() => {})]);
    late.abort();
  }

  /** Stops everything; resolves when all slots are free. Journals stay: the next start goes on with them. */
  async close(reason: string): Promise<void> {
    this.drain();
    const running = this.book.list().filter(({ ended }) => ended !== undefined);
    for (const held of running) held.stop.abort(new AgentStops(reason));
    this.gpuStarts?.stop();
    await Promise.all([...running.map(({ ended }) => ended), this.gpuStarts?.idle()]);
  }

  private startWaiting(name: string): void {
    const { ledger, intake } = this.parts;
    if (wishOfLane(name) !== undefined) {
      this.gpuStarts?.kick();
      return;
    }
    const { waiting } = this.book.lane(name);
    while (this.connected && intake.starts) {
      const [first] = waiting;
      const device = first && ledger.grant(name, first.assignment.fence);
      if (first === undefined || device === undefined) return;
      waiting.shift();
      const { lane } = device;
      this.start(first, { lane, deviceClass: lane, place: NO_GPU }, () =>
        ledger.release(first.assignment.fence),
      );
    }
  }

  private waitingForGpus(): Held[] {
    return [...this.book.lanes()].flatMap(([name, { waiting }]) => (wishOfLane(name) ? waiting : []));
  }

  private startOnGpus(held: Held, own: GpuPlace): void {
    const { waiting } = this.book.lane(held.assignment.lane);
    waiting.splice(waiting.indexOf(held), 1);
    const { lane, lease, uuids: gpus, names, memoryBytes, share } = own;
    const place = { lease, gpus, ...(memoryBytes === undefined ? {} : { memoryBytes }) };
    this.start(
      held,
      {
        ...{ lane, deviceClass: deviceClass({ kind: lane, name: productText(names) }), place },
        ...(share === undefined ? {} : { gpuShare: share }),
      },
      (spoiled) => this.parts.gpus?.giveBack(own, held.name, spoiled),
    );
  }

  /** GPUs that it will not get here, or not in time. */
  private refuse(held: Held, why: string): void {
    this.parts.log.warn({ attempt: held.name, reason: why }, "an attempt gets no GPUs here");
    if (isWaiting(held)) this.giveBack([held]);
    else this.fail(held, failureOf(held.assignment, "no_lane", why));
  }

  /** `release` frees the device; it may be called again. */
  private start(held: Held, device: RunDevice, release: (spoiled: boolean) => void): void {
    const resumes = held.state.kind === "ACCEPTED" && held.state.resumes;
    this.book.step(held, { kind: "start", nowMs: this.parts.clock.nowMs() });
    held.ended = this.runToEnd(held, resumes, device, release).then((outcome) => {
      held.ended = undefined;
      if (outcome.kind !== "failed") this.freed(held);
      // A cancelled one may have been loading.
      release(outcome.kind === "failed" || outcome.kind === "cancelled");
      this.came(held, outcome);
      this.startWaiting(held.assignment.lane);
    });
  }

  private async runToEnd(
    held: Held,
    resumes: boolean,
    device: RunDevice,
    release: (spoiled: boolean) => void,
  ): Promise<AttemptOutcome> {
    const { assignment, stop } = held;
    const hooks = {
      started: () => this.parts.listener.started(assignment.fence),
      progressed: (done: number) => {
        held.done = done;
        this.parts.listener.progressed();
        if (held.winding) stop.abort(new Error("it was cancelled"));
      },
      released: () => {
        this.freed(held);
        release(false);
        this.startWaiting(assignment.lane);
      },
    };
    try {
      return await this.parts.run(assignment, device, hooks, stop.signal, resumes);
    } catch (error) {
      if (!stop.signal.aborted) {
        this.parts.log.error({ err: error, attempt: attemptText(assignment) }, "attempt failed unexpectedly");
      }
      return { kind: "failed", failure: failureOf(assignment, "", errorText(error)) };
    }
  }

  /** Notes what an attempt came to. */
  private came(held: Held, outcome: AttemptOutcome): void {
    if (held.stop.signal.aborted || held.winding) this.book.step(held, { kind: "stop" });
    else if (outcome.kind === "cancelled") {
      this.book.step(held, { kind: "stop" });
      void this.dropJournal(held.assignment.fence);
    } else if (outcome.kind === "failed") this.fail(held, outcome.failure);
    else if (outcome.kind === "result") this.completed(held, outcome.result, true);
    else this.completed(held, outcome.result, false, outcome.bytes);
  }

  private completed(held: Held, result: ShardResult, stored: boolean, bytes?: Buffer): void {
    if (!this.book.step(held, { kind: "complete", result, stored })) return;
    if (stored) this.parts.listener.finished(result);
    else this.parts.spool.add(result, bytes);
  }

  private fail(held: Held, failure: ShardFailure): void {
    if (!this.book.step(held, { kind: "fail", failure })) return;
    this.parts.listener.failed(failure);
    const [oldest] = this.book.failed;
    if (this.book.failed.size <= FAILURES_HELD || oldest === undefined) return;
    const about = { attempt: oldest.name };
    this.parts.log.warn(about, "too many failures wait to be told; the oldest is forgotten");
    this.book.step(oldest, { kind: "stop" });
    void this.dropJournal(oldest.assignment.fence);
  }

  /** The attempt needs its device no more. */
  private freed(held: Held): void {
    const { state, assignment } = held;
    if (state.kind !== "RUNNING" || state.freed) return;
    this.book.lane(assignment.lane).pace.took(this.parts.clock.nowMs() - state.sinceMs);
    this.book.step(held, { kind: "free" });
  }

  private giveBack(unstarted: readonly Held[]): void {
    const given = unstarted.filter((held) => this.book.step(held, { kind: "retract" }));
    if (given.length > 0) this.parts.listener.retracted(given.map(({ assignment }) => assignment.fence));
  }

  private ahead(name: string, slots: number): number {
    const { running, pace } = this.book.lane(name);
    const nowMs = this.parts.clock.nowMs();
    let longestMs = 0;
    for (const { state } of running) {
      if (state.kind === "RUNNING") longestMs = Math.max(longestMs, nowMs - state.sinceMs);
    }
    return pace.ahead(slots, longestMs);
  }

  private async dropJournal(fence: Fence): Promise<void> {
    try {
      await this.parts.dropJournal(fence);
    } catch (err) {
      const about = { attempt: fenceText(fence), err };
      this.parts.log.warn(about, "a journal cannot be removed; the next start will ask about it again");
    }
  }
}

/** Not begun, in no start of this agent. */
const isWaiting = ({ state }: Held): boolean => state.kind === "ACCEPTED" && !state.resumes;

const failureOf = ({ fence, shard }: Assignment, cause: string, message: string): ShardFailure => ({
  ...{ fence, shard, class: "infra", cause, message, items: [] },
});
