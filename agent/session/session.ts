/**
 * One session with one coordinator, from Hello to the end of its stream. It carries news between the attempts this
 * agent holds and the coordinator, and decides nothing about either.
 *
 * 1. Nothing but Hello, inventory and old results is sent before Ready.
 * 2. A message of a lower epoch than this agent has seen in the cluster is refused.
 * 3. Credits are cumulative within the session: what was given is never taken back.
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
import type { Link } from "./transport.js";

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
}

type Bodies = NonNullable<AgentMessage["body"]>;
type Body<K extends Bodies["$case"]> = Extract<Bodies, { $case: K }>["value"];

/** What the coordinator wants next when a session ends in order. */
export type SessionEnd = { kind: "goodbye"; address: string; retryAfterMs: number } | { kind: "closed" };

const PROGRESS_MS = 500;

export class Session {
  private ready = false;
  private welcome = false;
  private readonly credit = new Map<string, bigint>();
  private heartbeatSeq = 0n;
  private readonly unsaid: ShardFailure[] = [];
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
          probe: await this.parts.probe(),
        },
      });
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

  started(fence: Fence): void {
    if (this.ready) this.send({ $case: "started", value: { fences: [fence] } });
  }

  finished(result: ShardResult): void {
    if (this.welcome) this.sendResults([result]);
  }

  /** Before Welcome it waits: Hello may have said that the attempt is held. */
  failed(failure: ShardFailure): void {
    if (this.welcome) this.send({ $case: "failed", value: failureMessage(failure) });
    else this.unsaid.push(failure);
  }

  freed(lane: string): void {
    if (this.ready) this.giveCredit(lane, 1n);
  }

  inventoryChanged(): void {
    if (this.welcome) this.send({ $case: "inventory", value: this.parts.inventory() });
  }

  bye(reason: string): void {
    this.send({ $case: "bye", value: { reason } });
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
        this.ready = true;
        log.info("ready for work");
        for (const { lane, slots } of this.parts.lanes()) {
          // One attempt more than slots waits here, so that a freed slot does not wait for the network.
          this.giveCredit(lane, BigInt(Math.max(0, slots * 2 - attempts.active(lane))));
        }
        return;
      case "assign":
        return this.assigned(body.value.assignments.map(assignmentOf));
      case "retract": {
        const fences = body.value.fences.map(fenceOf).filter((fence) => attempts.retract(fence));
        if (fences.length > 0) this.send({ $case: "retracted", value: { fences } });
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
    for (const { fence, verdict } of welcome.verdicts) {
      if (verdict === "COMMITTED") await attempts.acknowledged(fenceOf(fence));
      if (verdict === "STOP")
        await attempts.cancel(fenceOf(fence), "the coordinator has given it to another node");
    }
    if (welcome.needInventory) this.send({ $case: "inventory", value: this.parts.inventory() });
    this.welcome = true;
    this.sendResults(attempts.unacknowledged());
    for (const failure of this.unsaid.splice(0)) this.failed(failure);
    this.every(welcome.heartbeatIntervalMs, () => this.heartbeat(), clock);
    this.every(PROGRESS_MS, () => this.progress(), clock);
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
    if (results.length > 0) this.send({ $case: "results", value: { results: results.map(resultMessage) } });
  }

  private send(body: Bodies): void {
    this.parts.link.send({ ...this.parts.identity.envelope(), body });
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
