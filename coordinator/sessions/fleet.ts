/**
 * The fleet: every agent the leader knows, its state, what it offers and what it was given. Liveness lives here and
 * nowhere else, so that a stalled store cannot declare a fleet dead.
 *
 * 1. An agent's state changes only through its transition function.
 * 2. `attempts` holds exactly the attempts whose shards name this agent.
 */
import { type AgentEvent, type AgentState, silence, transitionAgent } from "../../shared/domain/agent.js";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import type { Heartbeat } from "../../shared/gen/sai/agent/v1/session.js";
import type { Inventory } from "../../shared/gen/sai/v1/node.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { ShardKey } from "../campaigns/board.js";
import type { EventLog } from "../events.js";
import type { Peer } from "./peer.js";

export interface HeldAttempt {
  fence: Fence;
  shard: ShardKey;
  lane: string;
}

export interface NodeEntry {
  readonly id: string;
  state: AgentState;
  /** Why it is not ready; may be empty. */
  reason: string;
  version: string;
  incarnation: bigint;
  inventory: Inventory | undefined;
  inventoryHash: string;
  loadedModels: string[];
  loopLagMs: number;
  /** Wall ms of its last message. */
  seenWallMs: number;
  peer: Peer | undefined;
  /** Attempts it has offered to take in this session, and those sent, by lane. */
  readonly credits: Map<string, { offered: bigint; sent: bigint }>;
  readonly attempts: Map<string, HeldAttempt>;
}

export interface FleetListener {
  /** The agent is gone for good: what it held must go elsewhere. */
  lost(node: NodeEntry): void;
  /** There may be room for work. */
  wake(): void;
}

export class Fleet {
  private readonly nodes = new Map<string, NodeEntry>();
  private readonly inventories = new Map<string, Inventory>();

  constructor(
    private readonly clock: Clock,
    private readonly events: EventLog,
    private readonly log: Logger,
    private readonly timers: { suspectAfterMs: number; lostAfterMs: number },
    private readonly listener: FleetListener,
  ) {}

  /** By id. */
  list(): NodeEntry[] {
    return [...this.nodes.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  node(id: string): NodeEntry | undefined {
    return this.nodes.get(id);
  }

  /** The node of that id, made if it is new. */
  meet(id: string): NodeEntry {
    const known = this.nodes.get(id);
    if (known) return known;
    const node: NodeEntry = {
      id,
      state: { kind: "CONNECTING", lastSeenMs: this.clock.nowMs() },
      reason: "",
      version: "",
      incarnation: 0n,
      inventory: undefined,
      inventoryHash: "",
      loadedModels: [],
      loopLagMs: 0,
      seenWallMs: this.clock.wallMs(),
      peer: undefined,
      credits: new Map(),
      attempts: new Map(),
    };
    this.nodes.set(id, node);
    return node;
  }

  /** Moves a node on; the reason when the event does not fit. */
  event(node: NodeEntry, event: AgentEvent): string | undefined {
    const step = transitionAgent(node.state, event, this.clock.nowMs());
    if (!step.ok) return step.reason;
    const before = node.state.kind;
    node.state = step.state;
    // A sign of life changes nothing about why a node is not ready.
    if (step.state.kind !== before) node.reason = "reason" in step.state ? step.state.reason : "";
    for (const effect of step.effects) {
      if (effect.kind === "announce") {
        const why = effect.reason === "" ? "" : `: ${effect.reason}`;
        this.events.add(
          effect.event,
          { node: node.id },
          `${node.id} is ${step.state.kind.toLowerCase()}${why}`,
        );
        this.log.info(
          { node: node.id, from: before, to: step.state.kind, reason: effect.reason },
          "node transition",
        );
      } else if (effect.kind === "orphan_attempts") this.listener.lost(node);
      else if (effect.kind === "wake_scheduler") this.listener.wake();
    }
    return undefined;
  }

  /** Notes that something arrived from the node. */
  heard(node: NodeEntry): void {
    node.seenWallMs = this.clock.wallMs();
    this.event(node, { kind: "heartbeat" });
  }

  /** Looks for silence; called a few times per heartbeat interval. */
  lookForSilence(): void {
    for (const node of this.nodes.values()) {
      const event = silence(node.state, this.clock.nowMs(), this.timers);
      if (event) this.event(node, event);
      if (event?.kind !== "lose") continue;
      // Silent but connected: it must dial again to be reconciled.
      const peer = node.peer;
      node.peer = undefined;
      peer?.close(
        new SaiError("unavailable", `${node.id} was silent too long`, { hint: "it may dial again" }),
      );
    }
  }

  /** Notes what a heartbeat says of the node. */
  heartbeat(node: NodeEntry, { loadedModels, loopLagMs }: Heartbeat): void {
    node.loadedModels = loadedModels;
    node.loopLagMs = loopLagMs;
  }

  knowsInventory(hash: string): Inventory | undefined {
    return this.inventories.get(hash);
  }

  setInventory(node: NodeEntry, hash: string, inventory: Inventory): void {
    this.inventories.set(hash, inventory);
    node.inventory = inventory;
    node.inventoryHash = hash;
    const used = new Set([...this.nodes.values()].map((known) => known.inventoryHash));
    for (const known of this.inventories.keys()) if (!used.has(known)) this.inventories.delete(known);
  }

  /** Starts a session's credits afresh. */
  resetCredits(node: NodeEntry): void {
    node.credits.clear();
  }

  /** Notes what the agent has offered in all; a lower figure than before is ignored. */
  offer(node: NodeEntry, lane: string, total: bigint): void {
    const credit = node.credits.get(lane) ?? { offered: 0n, sent: 0n };
    if (total > credit.offered) node.credits.set(lane, { ...credit, offered: total });
    this.listener.wake();
  }

  /** Attempts the node would take on a lane now. */
  credit(node: NodeEntry, lane: string): number {
    const credit = node.credits.get(lane);
    return credit === undefined ? 0 : Number(credit.offered - credit.sent);
  }

  /** Notes an assignment: one credit less, one attempt more. */
  given(node: NodeEntry, attempt: HeldAttempt): void {
    const credit = node.credits.get(attempt.lane) ?? { offered: 0n, sent: 0n };
    node.credits.set(attempt.lane, { ...credit, sent: credit.sent + 1n });
    node.attempts.set(fenceText(attempt.fence), attempt);
  }

  /** The attempt is over for the leader. */
  ended(id: string, fence: Fence): void {
    this.nodes.get(id)?.attempts.delete(fenceText(fence));
  }
}
