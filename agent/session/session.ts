/**
 * One session with one coordinator, from Hello to the end of its stream. It carries news between the attempts this
 * agent holds and the coordinator, and decides nothing about either.
 *
 * 1. Hello is first. Until Welcome nothing follows it, until Ready only inventory, heartbeats, and how attempts ended.
 * 2. A message of a lower epoch than this agent has seen in the cluster is refused.
 * 3. Credits are cumulative within the session: what was given is never taken back. A draining agent gives none.
 * 4. What cannot be said now is not lost: Hello, Welcome and Ready make up for it from what the attempts hold.
 */
import type { Fence } from "../../shared/domain/fence.js";
import type { AgentMessage, CoordinatorMessage, Welcome } from "../../shared/gen/sai/agent/v1/session.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { ShardFailure, ShardResult } from "../attempt/assignment.js";
import type { Attempts } from "../attempt/attempts.js";
import { assignmentOf, failureMessage, fenceOf, heldMessage, resultMessage } from "./convert.js";
import type { Identity } from "./identity.js";
import type { Link } from "./link.js";

export interface SessionParts {
  link: Link;
  identity: Identity;
  attempts: Attempts;
  clock: Clock;
  log: Logger;
  /** The inventory as the wire has it, and its hash. */
  inventory(): NonNullable<Body<"inventory">>;
  lanes(): { lane: string; slots: number }[];
  loadedModels(): string[];
  /** Loads since the last question. */
  takeLoads(): { engine: string; model: string; seconds: number }[];
  loopLagMs(): number;
  /** Writes a fresh probe blob and names it. */
  probe(): Promise<NonNullable<Body<"hello">["probe"]>>;
  version: string;
  /** Called when the coordinator has taken this agent in. */
  onWelcome(): void;
}

type Bodies = NonNullable<AgentMessage["body"]>;
type Body<K extends Bodies["$case"]> = Extract<Bodies, { $case: K }>["value"];

/** What the coordinator wants next when a session ends in order. */
export type SessionEnd = { kind: "goodbye"; address: string; retryAfterMs: number } | { kind: "closed" };

const PROGRESS_MS = 500;
/** A result is at most 1 KiB of records and some names, so that so many stay well below 256 KiB, a message's limit. */
const RESULTS_AT_ONCE = 100;

export class Session {
  private greeted = false;
  private welcome = false;
  private ready = false;
  private readonly credit = new Map<string, bigint>();
  private heartbeatSeq = 0n;
  private readonly timers: (() => void)[] = [];
  private end: SessionEnd = { kind: "closed" };

  constructor(private readonly parts: SessionParts) {}

  /** Says Hello and serves until the stream ends; throws SaiError when it breaks. */
  async run(signal: AbortSignal): Promise<SessionEnd> {
    const { link, attempts, version } = this.parts;
    const stop = () => void link.close(1000);
    signal.addEventListener("abort", stop, { once: true });
    try {
      this.send({
        $case: "hello",
        value: {
          protocol: 1,
          version,
          inventoryHash: this.parts.inventory().hash,
          held: attempts.list().map(heldMessage),
          begun: [],
          more: false,
          probe: await this.parts.probe(),
        },
      });
      this.greeted = true;
      for await (const message of link.messages) await this.receive(message);
      return this.end;
    } finally {
      this.ready = false;
      for (const cancel of this.timers.splice(0)) cancel();
      signal.removeEventListener("abort", stop);
      // Where it ends by an error of ours nobody else would hang up.
      void link.close(0);
    }
  }

  /** Before Ready it waits, and is said for all that run. */
  started(fence: Fence): void {
    if (this.ready) this.send({ $case: "started", value: { fences: [fence] } });
  }

  finished(result: ShardResult): void {
    if (this.welcome) this.sendResults([result]);
  }

  /** False before Welcome and after the stream's end; the attempts hold it until it could be said. */
  failed(failure: ShardFailure): boolean {
    return this.welcome && this.send({ $case: "failed", value: failureMessage(failure) });
  }

  /** Before Welcome it waits, and is said for all that were to be kept and are gone. */
  retracted(fences: Fence[]): void {
    if (this.welcome) this.send({ $case: "retracted", value: { fences } });
  }

  freed(lane: string): void {
    if (this.ready) this.giveCredit(lane, 1n);
  }

  inventoryChanged(): void {
    if (this.welcome) this.send({ $case: "inventory", value: this.parts.inventory() });
  }

  /** To whom nothing was said there is no goodbye. */
  bye(reason: string): void {
    if (this.greeted) this.send({ $case: "bye", value: { reason } });
  }

  private async receive(message: CoordinatorMessage): Promise<void> {
    const { attempts, identity, log } = this.parts;
    if (!identity.admits(message.clusterId, message.epoch)) {
      throw new SaiError(
        "failed_precondition",
        `a message of epoch ${message.epoch} came after a higher one`,
        {
          hint: "an old coordinator still answers at this address",
        },
      );
    }
    const body = message.body;
    switch (body?.$case) {
      case "welcome":
        return this.welcomed(body.value);
      case "ready":
        return this.readied();
      case "assign":
        return this.assigned(body.value.assignments.map(assignmentOf));
      case "retract": {
        const fences = body.value.fences.map(fenceOf).filter((fence) => attempts.retract(fence));
        if (fences.length > 0) this.retracted(fences);
        return;
      }
      case "cancel":
        for (const fence of body.value.fences) this.stop(fenceOf(fence), body.value.reason);
        return;
      case "commitAck":
        await Promise.all(body.value.verdicts.map((v) => attempts.acknowledged(fenceOf(v.fence))));
        return;
      case "drain":
        attempts.drain();
        return;
      case "goodbye":
        log.warn({ reason: body.value.reason }, "the coordinator ends the session");
        this.end = { kind: "goodbye", address: body.value.address, retryAfterMs: body.value.retryAfterMs };
        void this.parts.link.close(1000);
        return;
      case "throttle":
      case "heartbeatAck":
      case undefined:
        return;
    }
  }

  private async welcomed(welcome: Welcome): Promise<void> {
    const { attempts, clock } = this.parts;
    this.welcome = true;
    this.parts.onWelcome();
    // First, so that nothing below can make this agent look dead.
    this.every(welcome.heartbeatIntervalMs, () => this.heartbeat(), clock);
    this.every(PROGRESS_MS, () => this.progress(), clock);
    if (welcome.needInventory) this.send({ $case: "inventory", value: this.parts.inventory() });
    const kept: Fence[] = [];
    for (const { fence, verdict } of welcome.verdicts) {
      if (verdict === "COMMITTED") await attempts.acknowledged(fenceOf(fence));
      else if (verdict === "STOP") this.stop(fenceOf(fence), "the coordinator has given it to another node");
      else kept.push(fenceOf(fence));
    }
    // Hello named them, and they were given back since.
    const gone = kept.filter((fence) => !attempts.holds(fence));
    if (gone.length > 0) this.retracted(gone);
    this.sendResults(attempts.unacknowledged());
    attempts.tellFailures((failure) => this.failed(failure));
  }

  private readied(): void {
    const { attempts, log, lanes } = this.parts;
    this.ready = true;
    log.info("ready for work");
    const running = attempts.list().filter(({ state }) => state === "running");
    const fences = running.map(({ assignment }) => assignment.fence);
    if (fences.length > 0) this.send({ $case: "started", value: { fences } });
    if (attempts.draining) return;
    for (const { lane, slots } of lanes()) {
      // One attempt more than slots waits here, so that a freed slot does not wait for the network.
      this.giveCredit(lane, BigInt(Math.max(0, slots * 2 - attempts.active(lane))));
    }
  }

  private assigned(assignments: ReturnType<typeof assignmentOf>[]): void {
    const accepted: Fence[] = [];
    for (const assignment of assignments) {
      const answer = this.parts.attempts.accept(assignment);
      if (answer === "accepted") accepted.push(assignment.fence);
      else this.send({ $case: "rejected", value: { fences: [assignment.fence], reason: answer } });
    }
    if (accepted.length > 0) this.send({ $case: "accepted", value: { fences: accepted } });
  }

  /** Not awaited: an engine that is slow to stop must not hold up the messages behind this one. */
  private stop(fence: Fence, reason: string): void {
    this.parts.attempts
      .cancel(fence, reason)
      .catch((err) => this.parts.log.error({ err }, "stopping failed"));
  }

  private heartbeat(): void {
    this.heartbeatSeq += 1n;
    const waiting = this.parts.attempts.unacknowledged();
    this.send({
      $case: "heartbeat",
      value: {
        seq: this.heartbeatSeq,
        loopLagMs: this.parts.loopLagMs(),
        loadedModels: this.parts.loadedModels(),
        running: this.parts.attempts.running(),
        loads: this.parts.takeLoads(),
        unacknowledged: waiting.length,
        unacknowledgedBytes: waiting.reduce((sum, result) => sum + result.sizeBytes, 0),
        notOffering: "",
      },
    });
  }

  private progress(): void {
    const running = this.parts.attempts.list().filter((held) => held.state === "running");
    if (!this.ready || running.length === 0) return;
    const attempts = running.map(({ assignment, done }) => ({ fence: assignment.fence, done }));
    this.send({ $case: "progress", value: { attempts } });
  }

  private giveCredit(lane: string, more: bigint): void {
    const total = (this.credit.get(lane) ?? 0n) + more;
    this.credit.set(lane, total);
    this.send({ $case: "credit", value: { lane, total } });
  }

  private sendResults(results: ShardResult[]): void {
    for (let from = 0; from < results.length; from += RESULTS_AT_ONCE) {
      const some = results.slice(from, from + RESULTS_AT_ONCE);
      this.send({ $case: "results", value: { results: some.map(resultMessage) } });
    }
  }

  private send(body: Bodies): boolean {
    return this.parts.link.send({ ...this.parts.identity.envelope(), body }) !== "ended";
  }

  private every(ms: number, run: () => void, clock: Clock): void {
    let cancel = () => {};
    const again = () => {
      cancel = clock.after(ms, () => {
        run();
        again();
      });
    };
    again();
    this.timers.push(() => cancel());
  }
}
