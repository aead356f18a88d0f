/**
 * One agent's session, seen from the coordinator: Hello, verdicts on what it held, the store probe, Ready; then news of
 * attempts until the stream ends.
 *
 * 1. The first message is Hello; nothing else is looked at before.
 * 2. READY needs the verdicts given, the inventory known and the probe read back.
 * 3. A newer stream of the same agent displaces the older one; an older incarnation is refused.
 */
import { type ArtifactStore, getVerified } from "../../shared/artifacts/store.js";
import { fenceText, sameFence } from "../../shared/domain/fence.js";
import { nameProblem } from "../../shared/domain/ids.js";
import type { AgentMessage, Heartbeat, Hello, StoreProbe } from "../../shared/gen/sai/agent/v1/session.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Board } from "../campaigns/board.js";
import { completeAttempt, expireAttempt, failAttempt, shardEvent } from "../campaigns/complete-attempt.js";
import type { CampaignParts } from "../campaigns/parts.js";
import type { Metrics } from "../metrics.js";
import { failureClassOf, fenceOf, resultOf, shardOf } from "./convert.js";
import type { Fleet, NodeEntry } from "./fleet.js";
import type { Peer } from "./peer.js";

const PROTOCOL = 1;
const PROBE_RETRY_MS = 10_000;

export interface SessionParts {
  campaigns: CampaignParts;
  board: Board;
  fleet: Fleet;
  artifacts: ArtifactStore;
  heartbeatIntervalMs: number;
  /** Silence after which an agent counts as lost, ms. */
  lostAfterMs: number;
  log: Logger;
}

export class AgentSession {
  private node: NodeEntry | undefined;
  private probed = false;

  constructor(
    private readonly parts: SessionParts,
    private readonly peer: Peer,
  ) {}

  /** The agent's id; undefined before a good Hello. */
  get id(): string | undefined {
    return this.node?.id;
  }

  /** Handles one message; throws SaiError when the session must end with it. */
  async receive(message: AgentMessage): Promise<void> {
    const body = message.body;
    this.parts.campaigns.metrics.countSessionMessages("in", body?.$case ?? "unknown");
    if (this.node === undefined) {
      if (body?.$case !== "hello")
        throw new SaiError("failed_precondition", "the first message must be Hello");
      return this.hello(message, body.value);
    }
    const node = this.node;
    const { fleet, campaigns } = this.parts;
    if (node.peer !== this.peer) return; // displaced: what comes late does not count
    fleet.heard(node);
    switch (body?.$case) {
      case "heartbeat":
        node.loadedModels = body.value.loadedModels;
        node.loopLagMs = body.value.loopLagMs;
        showHeartbeat(campaigns.metrics, node.id, body.value);
        return this.peer.send({ $case: "heartbeatAck", value: { seq: body.value.seq } });
      case "inventory":
        if (body.value.inventory) fleet.setInventory(node, body.value.hash, body.value.inventory);
        return this.readyIfReconciled(node);
      case "credit":
        return fleet.offer(node, body.value.lane, body.value.total);
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
      case "retracted": {
        const reason = body.$case === "rejected" ? body.value.reason : "given back";
        for (const wire of body.value.fences) {
          const fence = fenceOf(wire);
          const held = node.attempts.get(fenceText(fence));
          if (held) shardEvent(campaigns, held.shard, { kind: "give_back", fence, reason });
        }
        return;
      }
      case "results":
        await Promise.all(body.value.results.map((result) => this.commit(node, resultOf(node.id, result))));
        return;
      case "failed": {
        const { message, class: failureClass, cause } = body.value;
        const failure = {
          agent: node.id,
          fence: fenceOf(body.value.fence),
          class: failureClassOf(failureClass),
          message,
          cause: cause.slice(0, 40),
        };
        const held = node.attempts.get(fenceText(failure.fence));
        if (held) return failAttempt(campaigns, held.shard, failure);
        return; // not its own, or over already
      }
      case "bye":
        fleet.event(node, { kind: "bye", reason: body.value.reason });
        return;
      case "hello":
        throw new SaiError("failed_precondition", "a second Hello came on one stream");
      case "heldMore":
      case undefined:
        return;
    }
  }

  /** The stream ended. */
  ended(): void {
    const node = this.node;
    if (node === undefined || node.peer !== this.peer) return;
    node.peer = undefined;
    this.parts.fleet.event(node, { kind: "disconnect" });
  }

  private async hello(message: AgentMessage, hello: Hello): Promise<void> {
    const { fleet } = this.parts;
    const problem = nameProblem(message.agentId);
    if (problem)
      throw new SaiError("invalid_argument", `the agent's id ${problem}`, { hint: "set agent.id" });
    if (hello.protocol !== PROTOCOL) {
      throw new SaiError(
        "failed_precondition",
        `protocol ${hello.protocol} is not spoken here, ${PROTOCOL} is`,
        {
          hint: `install the coordinator's version on ${message.agentId}`,
        },
      );
    }
    const node = fleet.meet(message.agentId);
    if (message.incarnation < node.incarnation && node.state.kind !== "LOST") {
      throw new SaiError("already_exists", `a newer start of agent ${node.id} is connected`, {
        hint: "give every agent its own agent.id and agent.data_dir",
      });
    }
    this.node = node;
    const before = node.peer;
    node.peer = this.peer;
    before?.close(new SaiError("cancelled", `another session of ${node.id} took over`));
    node.version = hello.version;
    node.incarnation = message.incarnation;
    fleet.resetCredits(node);
    fleet.event(node, { kind: "hello", incarnation: message.incarnation });
    const known = fleet.knowsInventory(hello.inventoryHash);
    if (known) fleet.setInventory(node, hello.inventoryHash, known);
    this.peer.send({
      $case: "welcome",
      value: {
        heartbeatIntervalMs: this.parts.heartbeatIntervalMs,
        needInventory: known === undefined,
        lostAfterMs: this.parts.lostAfterMs,
        verdicts: await this.verdicts(node, hello),
      },
    });
    await this.probe(node, hello.probe);
    this.readyIfReconciled(node);
  }

  /** What to do with what it held; what we thought it held and it does not is over. */
  private async verdicts(node: NodeEntry, hello: Hello) {
    const { board, campaigns } = this.parts;
    const verdicts = hello.held.map((held) => {
      const fence = fenceOf(held.fence);
      const shard = board.shard(shardOf(held.shard));
      const current =
        shard !== undefined && "fence" in shard && sameFence(shard.fence, fence) ? shard.kind : undefined;
      // A finished result is resent and gets its own answer.
      if (held.state === "uploaded") return { fence, verdict: "KEEP" };
      if (current === "DONE") return { fence, verdict: "COMMITTED" };
      if (current === undefined) return { fence, verdict: "STOP" };
      // Its own news of these may have been lost with the last stream.
      shardEvent(campaigns, shardOf(held.shard), { kind: "accept", fence });
      if (held.state === "running") shardEvent(campaigns, shardOf(held.shard), { kind: "start", fence });
      return { fence, verdict: "KEEP" };
    });
    const held = new Set(hello.held.map((h) => fenceText(fenceOf(h.fence))));
    for (const attempt of [...node.attempts.values()]) {
      if (held.has(fenceText(attempt.fence))) continue;
      const { shard, fence } = attempt;
      const gone = shardEvent(campaigns, shard, {
        kind: "give_back",
        fence,
        reason: `${node.id} does not have it`,
      });
      if (gone === undefined) await expireAttempt(campaigns, shard, node.id, fence);
    }
    return verdicts;
  }

  private async probe(node: NodeEntry, probe: StoreProbe | undefined): Promise<void> {
    try {
      if (probe === undefined) throw new Error("the agent sent no probe");
      // Read, and then removed: it must be the agent's own.
      if (!probe.key.startsWith(`probe/${node.id}/`)) throw new Error("the agent's probe is not its own");
      await getVerified(this.parts.artifacts, probe.key, probe.sha256);
      await this.parts.artifacts.remove(probe.key);
      this.probed = true;
      node.reason = "";
    } catch (error) {
      node.reason = `its artifact store is not ours (${this.parts.artifacts.location}): ${errorText(error)}`;
      this.parts.log.warn({ node: node.id, reason: node.reason }, "store probe failed");
      const value = {
        address: "",
        retryAfterMs: PROBE_RETRY_MS,
        reason: `${node.reason}; set artifacts.dir alike`,
      };
      this.peer.send({ $case: "goodbye", value });
    }
  }

  private readyIfReconciled(node: NodeEntry): void {
    if (node.peer !== this.peer) return; // it left, or another took over, while the probe was read
    if (!this.probed || node.inventory === undefined || node.state.kind !== "RECONCILING") return;
    this.peer.send({ $case: "ready", value: {} });
    this.parts.fleet.event(node, { kind: "reconciled" });
  }

  private shardEventOf(node: NodeEntry, fence: ReturnType<typeof fenceOf>, kind: "accept" | "start"): void {
    const held = node.attempts.get(fenceText(fence));
    if (held) shardEvent(this.parts.campaigns, held.shard, { kind, fence });
  }

  private async commit(node: NodeEntry, result: ReturnType<typeof resultOf>): Promise<void> {
    const verdict = await completeAttempt(this.parts.campaigns, result);
    if (verdict !== "COMMITTED")
      this.parts.campaigns.metrics.countDroppedResults(verdict === "CLOSED" ? "closed" : "superseded");
    this.parts.fleet.ended(node.id, result.fence);
    this.peer.send({ $case: "commitAck", value: { verdicts: [{ fence: result.fence, verdict }] } });
  }
}

function showHeartbeat(metrics: Metrics, node: string, heartbeat: Heartbeat): void {
  metrics.setLoadedModels(node, heartbeat.loadedModels.length);
  metrics.setSpool(node, { bytes: heartbeat.unacknowledgedBytes, results: heartbeat.unacknowledged });
  for (const { seconds, ...load } of heartbeat.loads) metrics.observeModelLoad({ node, ...load }, seconds);
}
