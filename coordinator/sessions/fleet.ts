/**
 * The fleet: every agent the leader knows, its state, what it offers and what it was given. Liveness lives here and
 * nowhere else, so that a stalled store cannot declare a fleet dead; what outlives the leader is in fleet-records.ts.
 *
 * 1. An agent's state changes only through its transition function.
 * 2. `attempts` holds exactly the attempts whose shards name this agent.
 * 3. Nobody becomes LOST by silence unless the brake allows it.
 */
import {
  type AgentEvent,
  type AgentState,
  type Cordon,
  silence,
  transitionAgent,
} from "../../shared/domain/agent.js";
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import type { Heartbeat } from "../../shared/gen/sai/agent/v1/session.js";
import { Inventory } from "../../shared/gen/sai/v1/node.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { ShardKey } from "../campaigns/board.js";
import type { EventLog } from "../events.js";
import type { AssignmentReason } from "../scheduler/snapshot.js";
import type { AgentValue, InventoryValue } from "../store/values.js";
import type { FleetRecords } from "./fleet-records.js";
import type { Peer } from "./peer.js";

export interface HeldAttempt {
  fence: Fence;
  shard: ShardKey;
  lane: string;
  /** Why it was given here; absent for what the node had from before. */
  why?: AssignmentReason;
  /** When it was last asked back for want of an answer, monotonic ms. */
  retractedMs?: number;
}

export interface NodeEntry {
  readonly id: string;
  state: AgentState;
  /** Why it is not ready; may be empty. */
  reason: string;
  /** What people want of it. */
  cordon: Cordon;
  labels: { readonly [key: string]: string };
  version: string;
  incarnation: bigint;
  inventory: Inventory | undefined;
  inventoryHash: string;
  loadedModels: string[];
  loopLagMs: number;
  /** Results nobody has acknowledged yet, as its last heartbeat said. */
  spool: { results: number; bytes: number };
  /** Why it offers nothing though it is not drained; may be empty. */
  notOffering: string;
  /** Wall ms of its last message. */
  seenWallMs: number;
  peer: Peer | undefined;
  /** Attempts it has offered to take in this session, and those sent, by lane. */
  readonly credits: Map<string, { offered: bigint; sent: bigint }>;
  readonly attempts: Map<string, HeldAttempt>;
  /** How many of them there are, by lane and campaign. */
  readonly held: Map<string, Map<string, number>>;
}

export interface FleetListener {
  /** The agent is gone for good: what it held must go elsewhere. */
  lost(node: NodeEntry): void;
  /** The agent has said goodbye: what it held goes elsewhere and counts as given back. */
  left(node: NodeEntry): void;
  /** What it has not begun must come back. */
  retract(node: NodeEntry): void;
  /** There may be room for work. */
  wake(): void;
  /** A node has offered more or holds less; nothing else has changed. */
  roomier(): void;
}

export interface FleetParts {
  clock: Clock;
  events: EventLog;
  log: Logger;
  timers: { suspectAfterMs: number; lostAfterMs: number };
  records: FleetRecords;
  listener: FleetListener;
}

/** Nodes that were seen so lately need not be noted as seen again; far below any heartbeat interval. */
const SEEN_AGAIN_MS = 100;
/** States a later leader must know of. */
const RECORDED: ReadonlySet<string> = new Set(["READY", "DRAINING", "LOST"]);

export class Fleet {
  private readonly nodes = new Map<string, NodeEntry>();
  private readonly inventories = new Map<string, Inventory>();
  private sorted: NodeEntry[] | undefined;
  private touched = new Set<NodeEntry>();

  constructor(private readonly parts: FleetParts) {}

  /** By id. */
  list(): readonly NodeEntry[] {
    this.sorted ??= [...this.nodes.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    return this.sorted;
  }

  node(id: string): NodeEntry | undefined {
    return this.nodes.get(id);
  }

  /** The node of that id, made if it is new. */
  meet(id: string): NodeEntry {
    const known = this.nodes.get(id);
    if (known) return known;
    const { clock } = this.parts;
    const node: NodeEntry = {
      id,
      state: { kind: "CONNECTING", lastSeenMs: clock.nowMs() },
      reason: "",
      cordon: { kind: "open" },
      labels: {},
      version: "",
      incarnation: 0n,
      inventory: undefined,
      inventoryHash: "",
      loadedModels: [],
      loopLagMs: 0,
      spool: { results: 0, bytes: 0 },
      notOffering: "",
      seenWallMs: clock.wallMs(),
      peer: undefined,
      credits: new Map(),
      attempts: new Map(),
      held: new Map(),
    };
    this.nodes.set(id, node);
    this.sorted = undefined;
    return node;
  }

  /** Nodes that changed in what they can take or hold since this was asked last. */
  takeTouched(): Set<NodeEntry> {
    const { touched } = this;
    this.touched = new Set();
    return touched;
  }

  /** Drops a node that holds nothing. */
  forget(node: NodeEntry): void {
    this.nodes.delete(node.id);
    this.sorted = undefined;
    this.dropUnusedInventories();
  }

  /** Moves a node on; the reason when the event does not fit. */
  event(node: NodeEntry, event: AgentEvent): string | undefined {
    const { clock, events, listener, log, records } = this.parts;
    const step = transitionAgent(node.state, event, clock.nowMs());
    if (!step.ok) return step.reason;
    const before = node.state.kind;
    node.state = step.state;
    // A sign of life changes nothing about why a node is not ready.
    if (step.state.kind !== before) {
      this.touched.add(node);
      node.reason = "reason" in step.state ? step.state.reason : "";
      if (RECORDED.has(step.state.kind)) records.noteNode(node);
    }
    for (const effect of step.effects) {
      if (effect.kind === "announce") {
        const why = effect.reason === "" ? "" : `: ${effect.reason}`;
        const text = `${node.id} is ${step.state.kind.toLowerCase()}${why}`;
        events.add(effect.event, { node: node.id }, text);
        const change = { node: node.id, from: before, to: step.state.kind, reason: effect.reason };
        log.info(change, "node transition");
      } else if (effect.kind === "orphan_attempts") listener.lost(node);
      else if (effect.kind === "give_back_attempts") listener.left(node);
      else if (effect.kind === "retract_unstarted") listener.retract(node);
      else if (effect.kind === "wake_scheduler") listener.wake();
    }
    return undefined;
  }

  /** Notes that something arrived from the node; of messages that come close together only the first. */
  heard(node: NodeEntry): void {
    const { state } = node;
    const { clock } = this.parts;
    if (state.kind === "READY" && clock.nowMs() - state.lastSeenMs < SEEN_AGAIN_MS) return;
    node.seenWallMs = clock.wallMs();
    this.event(node, { kind: "heartbeat" });
  }

  /** Notes what a heartbeat says of the node. */
  heartbeat(node: NodeEntry, heartbeat: Heartbeat): void {
    if (heartbeat.loadedModels.join("\n") !== node.loadedModels.join("\n")) {
      node.loadedModels = heartbeat.loadedModels;
      this.touched.add(node);
    }
    node.loopLagMs = heartbeat.loopLagMs;
    node.spool = { results: heartbeat.unacknowledged, bytes: heartbeat.unacknowledgedBytes };
    node.notOffering = heartbeat.notOffering;
  }

  /** Makes silent nodes suspect and answers with those that have been silent for the lost time. */
  overdue(): NodeEntry[] {
    const { clock, timers } = this.parts;
    return this.list().filter((node) => {
      const event = silence(node.state, clock.nowMs(), timers);
      if (event?.kind === "suspect") this.event(node, event);
      return event?.kind === "lose";
    });
  }

  /** Declares a node lost; if it is connected all the same it must dial again to be reconciled. */
  lose(node: NodeEntry): void {
    this.event(node, { kind: "lose" });
    const { peer } = node;
    node.peer = undefined;
    peer?.close(new SaiError("unavailable", `${node.id} was silent too long`, { hint: "it may dial again" }));
  }

  knowsInventory(hash: string): Inventory | undefined {
    return this.inventories.get(hash);
  }

  setInventory(node: NodeEntry, hash: string, inventory: Inventory): void {
    if (!this.inventories.has(hash)) this.parts.records.noteInventory(hash, inventory);
    this.inventories.set(hash, inventory);
    const before = node.inventoryHash;
    node.inventory = inventory;
    node.inventoryHash = hash;
    this.touched.add(node);
    if (before === hash) return;
    this.parts.records.noteNode(node);
    this.dropUnusedInventories();
  }

  /** Takes a node back from its record; one that was not lost has the lost time to come back. */
  restore(value: AgentValue, stored: InventoryValue | undefined): NodeEntry {
    const node = this.meet(value.id);
    const nowMs = this.parts.clock.nowMs();
    if (value.kind === "LOST") node.state = { kind: "LOST", sinceMs: nowMs, reason: value.reason };
    node.reason = value.kind === "LOST" ? value.reason : "not back since the coordinator began";
    Object.assign(node, { cordon: value.cordon, labels: value.labels, version: value.version });
    node.incarnation = value.incarnation;
    node.seenWallMs = value.sinceMs;
    if (stored === undefined) return node;
    const inventory = Inventory.fromJSON(stored.inventory);
    this.inventories.set(value.inventoryHash, inventory);
    node.inventory = inventory;
    node.inventoryHash = value.inventoryHash;
    return node;
  }

  /** Starts a session's credits afresh. */
  resetCredits(node: NodeEntry): void {
    node.credits.clear();
    this.touched.add(node);
  }

  /** Notes what the agent has offered in all; a lower figure than before is ignored. */
  offer(node: NodeEntry, lane: string, total: bigint): void {
    const credit = node.credits.get(lane) ?? { offered: 0n, sent: 0n };
    if (total <= credit.offered) return;
    node.credits.set(lane, { ...credit, offered: total });
    this.touched.add(node);
    this.parts.listener.roomier();
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
    this.hold(node, attempt);
  }

  /** Notes an attempt the node has from before: it was paid for in another session. */
  adopted(node: NodeEntry, attempt: HeldAttempt): void {
    this.hold(node, attempt);
  }

  /** The attempt is over for the leader. */
  ended(id: string, fence: Fence): void {
    const node = this.nodes.get(id);
    const attempt = node?.attempts.get(fenceText(fence));
    if (node === undefined || attempt === undefined) return;
    node.attempts.delete(fenceText(fence));
    this.count(node, attempt, -1);
    this.parts.listener.roomier();
  }

  private hold(node: NodeEntry, attempt: HeldAttempt): void {
    const key = fenceText(attempt.fence);
    const known = node.attempts.get(key);
    if (known) this.count(node, known, -1);
    node.attempts.set(key, attempt);
    this.count(node, attempt, 1);
  }

  private count(node: NodeEntry, { lane, shard: { campaign } }: HeldAttempt, by: 1 | -1): void {
    const held = node.held.get(lane) ?? new Map<string, number>();
    node.held.set(lane, held);
    const n = (held.get(campaign) ?? 0) + by;
    if (n > 0) held.set(campaign, n);
    else held.delete(campaign);
    this.touched.add(node);
  }

  private dropUnusedInventories(): void {
    const used = new Set([...this.nodes.values()].map((known) => known.inventoryHash));
    for (const hash of this.inventories.keys()) {
      if (used.has(hash)) continue;
      this.inventories.delete(hash);
      this.parts.records.forgetInventory(hash);
    }
  }
}
