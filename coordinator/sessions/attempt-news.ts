/**
 * What an agent says of its attempts: taken, begun, given back, finished, failed. Campaigns decide what becomes of them;
 * the answers go back when they are durable, without holding up what comes behind.
 *
 * 1. Every result and failure is answered, also of an attempt that is over or another's: the agent keeps it until it is.
 * 2. A node is judged by what is durable, results and failures alike and each once: a store that stalls, or an agent that
 *    tells all again, changes nothing about it.
 */
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import type { AgentMessage, ShardFailed, ShardResult } from "../../shared/gen/sai/agent/v1/session.js";
import type { Clock } from "../../shared/runtime/clock.js";
import type { Board } from "../campaigns/board.js";
import { completeAttempt, failAttempt, lateFailure, shardEvent } from "../campaigns/complete-attempt.js";
import type { CampaignParts } from "../campaigns/parts.js";
import { failureOf, fenceOf, reasonOf, resultOf, shardOf } from "./convert.js";
import type { Fleet, NodeEntry } from "./fleet.js";
import type { NodeHealth } from "./node-health.js";
import type { Peer } from "./peer.js";

/** Results that wait for the store before agents are asked to send no more for a while. */
const THROTTLE_FROM = 5000;
const THROTTLE_MS = 1000;

type Body = NonNullable<AgentMessage["body"]>;
type Kind = "accepted" | "started" | "progress" | "rejected" | "retracted" | "results" | "failed";
/** The messages that are about attempts. */
export type AttemptBody = Extract<Body, { $case: Kind }>;
type WireFences = Parameters<typeof fenceOf>[0][];

export interface AttemptNewsParts {
  campaigns: CampaignParts;
  board: Board;
  fleet: Fleet;
  clock: Clock;
  health: Pick<NodeHealth, "succeeded" | "failed">;
}

export class AttemptNews {
  private throttledUntilMs = 0;

  /** `unanswered` is told what kept a result or failure from its answer: the agent must say it again. */
  constructor(
    private readonly parts: AttemptNewsParts,
    private readonly node: NodeEntry,
    private readonly peer: Peer,
    private readonly unanswered: (error: unknown) => void,
  ) {}

  /** Throws SaiError for what cannot be read. */
  take(body: AttemptBody): void {
    switch (body.$case) {
      case "accepted":
        this.tell(body.value.fences, "accept");
        return;
      case "started":
        this.tell(body.value.fences, "start");
        return;
      case "progress":
        for (const { fence, done } of body.value.attempts) {
          const held = this.node.attempts.get(fenceText(fenceOf(fence)));
          if (held) this.parts.board.progressed(held.shard, done);
        }
        return;
      case "rejected":
        this.givenBack(body.value.fences, reasonOf(body.value.reason));
        return;
      case "retracted":
        this.givenBack(body.value.fences, "given back");
        return;
      case "results":
        for (const result of body.value.results) this.commit(result);
        this.throttle();
        return;
      case "failed":
        this.failed(body.value);
        return;
    }
  }

  private tell(fences: WireFences, kind: "accept" | "start"): void {
    for (const wire of fences) {
      const fence = fenceOf(wire);
      const held = this.node.attempts.get(fenceText(fence));
      if (held) shardEvent(this.parts.campaigns, held.shard, { kind, fence });
    }
  }

  private givenBack(fences: WireFences, reason: string): void {
    for (const wire of fences) {
      const fence = fenceOf(wire);
      const held = this.node.attempts.get(fenceText(fence));
      if (held === undefined) continue;
      const given = shardEvent(this.parts.campaigns, held.shard, { kind: "give_back", fence, reason });
      // It had begun, was told to stop, and is gone: whoever counts on it would wait for ever.
      if (given === undefined)
        shardEvent(this.parts.campaigns, held.shard, { kind: "withdraw", fence, reason, notify: false });
    }
  }

  private commit(wire: ShardResult): void {
    const { campaigns, fleet, health } = this.parts;
    const result = resultOf(this.node.id, wire);
    const held = this.node.attempts.has(fenceText(result.fence));
    completeAttempt(campaigns, result).then((verdict) => {
      if (verdict !== "COMMITTED")
        campaigns.metrics.countDroppedResults(verdict === "CLOSED" ? "closed" : "superseded");
      else if (held) health.succeeded(this.node, result.shard); // invariant 2
      fleet.ended(this.node.id, result.fence);
      this.acknowledge(result.fence, verdict);
    }, this.unanswered);
  }

  private failed(wire: ShardFailed): void {
    const { campaigns, health } = this.parts;
    const failure = failureOf(this.node.id, wire);
    const { fence } = failure;
    const held = this.node.attempts.get(fenceText(fence));
    // An earlier word about it may still be on its way to the store: only then is it over.
    const durable = held
      ? failAttempt(campaigns, held.shard, failure)
      : lateFailure(campaigns, shardOf(wire.shard), failure).then(() => false);
    durable.then((counts) => {
      if (held && counts) health.failed(this.node, held.shard, failure); // invariant 2
      this.acknowledge(fence, "NOTED");
    }, this.unanswered);
  }

  private acknowledge(fence: Fence, verdict: string): void {
    this.peer.send({ $case: "commitAck", value: { verdicts: [{ fence, verdict }] } });
  }

  /** What agents send waits in memory until the store has it; when much waits they keep what they have. */
  private throttle(): void {
    const { campaigns, clock } = this.parts;
    const nowMs = clock.nowMs();
    if (campaigns.commits.waiting < THROTTLE_FROM || nowMs < this.throttledUntilMs) return;
    this.throttledUntilMs = nowMs + THROTTLE_MS;
    this.peer.send({ $case: "throttle", value: { retryAfterMs: THROTTLE_MS } });
  }
}
