/**
 * One agent's session, seen from the coordinator: Hello (hello.ts), then news of attempts until the stream ends.
 * Messages are handled in the order they came, at once; only Hello is waited for, and commits answer when they are
 * durable without holding up what comes behind them.
 *
 * 1. The first message is Hello; nothing else is looked at before it is answered.
 * 2. READY needs the verdicts given, the inventory known and the probe read back.
 * 3. A newer stream of the same agent displaces the older one: what still arrives on that does not count.
 */
import type { ArtifactStore } from "../../shared/artifacts/store.js";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import type {
  AgentMessage,
  Heartbeat,
  HeldMore,
  Hello,
  ShardFailed,
} from "../../shared/gen/sai/agent/v1/session.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Board } from "../campaigns/board.js";
import { completeAttempt, failAttempt, shardEvent, toldFailure } from "../campaigns/complete-attempt.js";
import type { CampaignParts } from "../campaigns/parts.js";
import type { Meter } from "../metrics.js";
import { BatchingPeer } from "./batching-peer.js";
import { failureClassOf, fenceOf, resultOf, shardOf } from "./convert.js";
import type { Fleet, NodeEntry } from "./fleet.js";
import { greet, joinHello, storeProblem, verdictsFor } from "./hello.js";
import type { Peer } from "./peer.js";

const PROBE_RETRY_MS = 10_000;
/** What an agent may send while its Hello is being answered. */
const MAX_EARLY = 1000;
/** Results that wait for the store before agents are asked to send no more for a while. */
const THROTTLE_FROM = 5000;
const THROTTLE_MS = 1000;

export interface SessionParts {
  campaigns: CampaignParts;
  board: Board;
  fleet: Fleet;
  artifacts: ArtifactStore;
  clusterId: string;
  /** In a fleet of ordinary size; a larger one stretches both. */
  heartbeatIntervalMs: number;
  /** Silence after which an agent counts as lost, ms. */
  lostAfterMs: number;
  /** 0, or the ms after which this agent's turn to say Hello has come. */
  admit(): number;
  /** The node may take work from now on. */
  reconciled(node: NodeEntry): void;
  clock: Clock;
  log: Logger;
}

type Stage =
  | { kind: "new" }
  /** Its Hello is not complete, or not answered yet. */
  | { kind: "greeting"; hello: Hello; early: AgentMessage[] }
  | { kind: "open"; node: NodeEntry; probed: boolean }
  | { kind: "over" };

export class AgentSession {
  private stage: Stage = { kind: "new" };
  private node: NodeEntry | undefined;
  private throttledUntilMs = 0;
  private readonly peer: Peer;

  constructor(
    private readonly parts: SessionParts,
    peer: Peer,
  ) {
    this.peer = new BatchingPeer(peer, parts.clock);
  }

  /** Takes the next message of the stream; a message that must not be ends the session with an error to the agent. */
  receive(message: AgentMessage): void {
    const { stage } = this;
    const body = message.body;
    this.parts.campaigns.metrics.countSessionMessages("in", body?.$case ?? "unknown");
    try {
      if (stage.kind === "open") this.handle(stage.node, body);
      else if (stage.kind === "greeting" && body?.$case === "heldMore")
        this.continueHello(stage, message, body.value);
      else if (stage.kind === "greeting") this.keepEarly(stage, message);
      else if (stage.kind === "new") this.begin(message);
    } catch (error) {
      this.fail(error);
    }
  }

  /** The stream ended; `reason` if it broke. */
  ended(reason?: string): void {
    const { node } = this;
    this.stage = { kind: "over" };
    if (reason !== undefined) this.parts.log.warn({ node: node?.id, reason }, "session broken");
    if (node === undefined || node.peer !== this.peer) return;
    node.peer = undefined;
    this.parts.fleet.event(node, { kind: "disconnect" });
  }

  private begin(message: AgentMessage): void {
    const body = message.body;
    if (body?.$case !== "hello") throw new SaiError("failed_precondition", "the first message must be Hello");
    const waitMs = this.parts.admit();
    if (waitMs > 0) {
      this.goodbye(waitMs, "many agents come at once, this is your turn");
      this.stage = { kind: "over" };
      return;
    }
    this.node = greet(this.parts.fleet, message, body.value, this.peer);
    this.stage = { kind: "greeting", hello: body.value, early: [] };
    if (!body.value.more) this.answerHello(this.stage);
  }

  private continueHello(stage: Stage & { kind: "greeting" }, message: AgentMessage, more: HeldMore): void {
    if (!stage.hello.more) this.keepEarly(stage, message);
    else {
      stage.hello = joinHello(stage.hello, more);
      if (!more.more) this.answerHello(stage);
    }
  }

  private keepEarly(stage: Stage & { kind: "greeting" }, message: AgentMessage): void {
    if (stage.early.push(message) > MAX_EARLY) {
      throw new SaiError("resource_exhausted", "the agent does not wait for the answer to its Hello");
    }
  }

  private answerHello(stage: Stage & { kind: "greeting" }): void {
    const { node } = this;
    if (node === undefined) return;
    this.welcome(node, stage.hello).then(
      () => {
        if (this.stage !== stage) return;
        this.stage = { kind: "open", node, probed: false };
        for (const early of stage.early) this.receive(early);
        void this.probe(node, stage.hello);
      },
      (error) => this.fail(error),
    );
  }

  private async welcome(node: NodeEntry, hello: Hello): Promise<void> {
    const { fleet, heartbeatIntervalMs, lostAfterMs } = this.parts;
    const known = fleet.knowsInventory(hello.inventoryHash);
    if (known) fleet.setInventory(node, hello.inventoryHash, known);
    const verdicts = await verdictsFor(this.parts, node, hello);
    if (node.peer !== this.peer) return;
    node.stretch = fleet.stretch;
    const value = {
      heartbeatIntervalMs: Math.round(heartbeatIntervalMs * node.stretch),
      lostAfterMs: Math.round(lostAfterMs * node.stretch),
      ...{ needInventory: known === undefined, verdicts },
    };
    this.peer.send({ $case: "welcome", value });
  }

  private async probe(node: NodeEntry, hello: Hello): Promise<void> {
    const { artifacts, log } = this.parts;
    const problem = await storeProblem(artifacts, node.id, hello.probe);
    if (this.stage.kind !== "open" || node.peer !== this.peer) return;
    if (problem === undefined) {
      node.reason = "";
      this.stage.probed = true;
      this.readyIfReconciled(node);
      return;
    }
    node.reason = `its artifact store is not ours (${artifacts.location}): ${problem}`;
    log.warn({ node: node.id, reason: node.reason }, "store probe failed");
    this.goodbye(PROBE_RETRY_MS, `${node.reason}; set artifacts.dir alike`);
  }

  private readyIfReconciled(node: NodeEntry): void {
    const probed = this.stage.kind === "open" && this.stage.probed;
    if (!probed || node.inventory === undefined || node.state.kind !== "RECONCILING") return;
    this.peer.send({ $case: "ready", value: {} });
    this.parts.fleet.event(node, { kind: "reconciled" });
    this.parts.reconciled(node);
  }

  private handle(node: NodeEntry, body: AgentMessage["body"]): void {
    if (node.peer !== this.peer) return; // invariant 3
    const { fleet, campaigns } = this.parts;
    fleet.heard(node);
    switch (body?.$case) {
      case "heartbeat":
        fleet.heartbeat(node, body.value);
        showHeartbeat(campaigns.metrics, node.id, body.value);
        this.peer.send({ $case: "heartbeatAck", value: { seq: body.value.seq } });
        return;
      case "inventory":
        if (body.value.inventory) fleet.setInventory(node, body.value.hash, body.value.inventory);
        this.readyIfReconciled(node);
        return;
      case "credit":
        fleet.offer(node, body.value.lane, body.value.total);
        return;
      case "accepted":
        for (const fence of body.value.fences) this.shardEventOf(node, fenceOf(fence), "accept");
        return;
      case "started":
        for (const fence of body.value.fences) this.shardEventOf(node, fenceOf(fence), "start");
        return;
      case "progress":
        for (const { fence, done } of body.value.attempts) {
          const held = node.attempts.get(fenceText(fenceOf(fence)));
          if (held) this.parts.board.progressed(held.shard, done);
        }
        return;
      case "rejected":
        this.givenBack(node, body.value.fences, body.value.reason);
        return;
      case "retracted":
        this.givenBack(node, body.value.fences, "given back");
        return;
      case "results":
        for (const result of body.value.results) this.commit(node, resultOf(node.id, result));
        this.throttle();
        return;
      case "failed":
        this.failed(node, body.value);
        return;
      case "bye":
        fleet.event(node, { kind: "bye", reason: body.value.reason });
        return;
      case "hello":
        throw new SaiError("failed_precondition", "a second Hello came on one stream");
      case "heldMore":
        throw new SaiError("failed_precondition", "the Hello on this stream was complete");
      case undefined:
        return;
    }
  }

  private shardEventOf(node: NodeEntry, fence: Fence, kind: "accept" | "start"): void {
    const held = node.attempts.get(fenceText(fence));
    if (held) shardEvent(this.parts.campaigns, held.shard, { kind, fence });
  }

  private givenBack(node: NodeEntry, fences: Parameters<typeof fenceOf>[0][], reason: string): void {
    for (const wire of fences) {
      const fence = fenceOf(wire);
      const held = node.attempts.get(fenceText(fence));
      if (held) shardEvent(this.parts.campaigns, held.shard, { kind: "give_back", fence, reason });
    }
  }

  private commit(node: NodeEntry, result: ReturnType<typeof resultOf>): void {
    const { campaigns, fleet } = this.parts;
    completeAttempt(campaigns, result).then(
      (verdict) => {
        if (verdict !== "COMMITTED") {
          campaigns.metrics.countDroppedResults(verdict === "CLOSED" ? "closed" : "superseded");
        }
        fleet.ended(node.id, result.fence);
        this.acknowledge(result.fence, verdict);
      },
      (error) => this.fail(error),
    );
  }

  /** What is not its own or is over already is answered all the same: the agent keeps it until it is. */
  private failed(node: NodeEntry, wire: ShardFailed): void {
    const { campaigns, board } = this.parts;
    const fence = fenceOf(wire.fence);
    const held = node.attempts.get(fenceText(fence));
    const failure = {
      agent: node.id,
      fence,
      class: failureClassOf(wire.class),
      message: wire.message,
      cause: wire.cause.slice(0, 40),
      items: wire.items,
    };
    // An earlier word about it may still be on its way to the store: only then is it over.
    const durable = held
      ? failAttempt(campaigns, held.shard, failure)
      : (toldFailure(board, shardOf(wire.shard), fence) ?? Promise.resolve());
    durable.then(
      () => this.acknowledge(fence, "NOTED"),
      (error) => this.fail(error),
    );
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

  private goodbye(retryAfterMs: number, reason: string): void {
    this.peer.send({ $case: "goodbye", value: { address: "", retryAfterMs, reason } });
  }

  /** Ends the session; the agent keeps what it has, dials again and says it once more. */
  private fail(error: unknown): void {
    if (this.stage.kind === "over") return;
    this.stage = { kind: "over" };
    this.parts.log.warn({ node: this.node?.id, err: errorText(error) }, "session ends with an error");
    this.peer.close(
      error instanceof SaiError ? error : new SaiError("internal", "internal error in the session"),
    );
  }
}

function showHeartbeat(metrics: Meter, node: string, heartbeat: Heartbeat): void {
  metrics.setLoadedModels(node, heartbeat.loadedModels.length);
  metrics.setSpool(node, { bytes: heartbeat.unacknowledgedBytes, results: heartbeat.unacknowledged });
  for (const { seconds, ...load } of heartbeat.loads) metrics.observeModelLoad({ node, ...load }, seconds);
}
