/**
 * What people do to nodes. Each answer comes when the change is in the state store, so that a later leader keeps to it.
 * A node that drains takes nothing more, gives back what it has not begun, and what still runs at the deadline is
 * stopped and given to others without counting against its shards.
 *
 * 1. The deadline counts from the moment the drain was asked for, however often the node or the leader changes since. A
 *    later leader's wall clock may be off: it gives the node at most the whole time again, never more.
 * 2. What is asked for is true in memory at once, and only then waited for: of two wishes the later one holds.
 * 3. A node whose hardware is not what it was is drained without being asked for; people's own word about it stands.
 */

import type { Clock } from "../../shared/runtime/clock.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { EventLog } from "../events.js";
import type { Fleet, NodeEntry } from "./fleet.js";
import type { FleetRecords } from "./fleet-records.js";

export interface FleetAdminParts {
  clock: Clock;
  events: EventLog;
  log: Logger;
  fleet: Fleet;
  records: FleetRecords;
  /** Asks the scheduler for another look. */
  wake(): void;
  /** Forgets at once what the node is blamed for; resolves when that is stored. */
  pardon(node: NodeEntry): Promise<void>;
  /** The node is removed. */
  removed(node: NodeEntry): void;
  /** Stops what the node still runs; its shards go elsewhere. */
  withdraw(node: NodeEntry, reason: string): void;
}

const CONTRADICTS = "its hardware is not what it was";
const MAX_LABELS = 64;
const KEY = /^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/;

export class FleetAdmin {
  private readonly deadlines = new Map<string, () => void>();
  /** Nodes whose contradiction was told since people last took them as they are. */
  private readonly told = new Set<string>();

  constructor(private readonly parts: FleetAdminParts) {}

  /** No new work for the node; what it has goes on. */
  async cordon(id: string, reason: string): Promise<NodeEntry> {
    const node = this.found(id);
    this.undrain(node);
    node.cordon = { kind: "cordoned", reason };
    return this.changed(node, "cordoned", reason);
  }

  /** Whatever kept the node from work, people's word or a quarantine, is over, and it is registered with what it has. */
  async uncordon(id: string): Promise<NodeEntry> {
    const node = this.found(id);
    const pardoned = this.parts.pardon(node);
    this.parts.fleet.register(node);
    this.told.delete(id);
    node.cordon = { kind: "open" };
    this.undrain(node);
    await Promise.all([pardoned, this.changed(node, "uncordoned", "")]); // invariant 2
    this.parts.wake();
    return node;
  }

  /** Empties the node; what runs gets `deadlineMs` to finish, 0 for as long as it takes. */
  async drain(id: string, deadlineMs: number, reason: string): Promise<NodeEntry> {
    const node = this.found(id);
    const untilWallMs = deadlineMs === 0 ? 0 : this.parts.clock.wallMs() + deadlineMs;
    node.cordon = { kind: "draining", reason, deadlineMs, untilWallMs };
    this.startDrain(node);
    return this.changed(node, "drained", reason);
  }

  /** The node's hardware is not what it was: people look at it before it takes work again (invariant 3). Told once. */
  contradicted(node: NodeEntry): void {
    const { events, log } = this.parts;
    const { id, contradiction: problem } = node;
    if (this.told.has(id)) return;
    this.told.add(id);
    log.error({ node: id, problem }, "a node is not what it was registered as");
    events.add("node.contradiction", { node: id }, `${id}: ${problem}`);
    if (node.cordon.kind !== "open") return;
    // Held in memory whether or not it is stored; a later leader that does not find it compares anew.
    this.drain(id, 0, CONTRADICTS).catch((err) => log.error({ err, node: id }, "the drain is not stored"));
  }

  /** Applies a drain that was asked for: at once, and again when the node comes back. */
  startDrain(node: NodeEntry): void {
    const { cordon } = node;
    if (cordon.kind !== "draining") return;
    this.parts.fleet.event(node, { kind: "drain", reason: cordon.reason || "asked to" });
    this.stopDeadline(node.id);
    const { deadlineMs, untilWallMs } = cordon;
    if (deadlineMs === 0) return;
    const { clock } = this.parts;
    const leftMs = Math.min(deadlineMs, Math.max(0, untilWallMs - clock.wallMs())); // invariant 1
    const end = () => this.parts.withdraw(node, `${node.id} drains and its time is over`);
    this.deadlines.set(node.id, clock.after(leftMs, end));
  }

  async label(
    id: string,
    change: { set: { readonly [key: string]: string }; unset: readonly string[] },
  ): Promise<NodeEntry> {
    const node = this.found(id);
    const kept = Object.entries(node.labels).filter(([key]) => !change.unset.includes(key));
    const labels = { ...Object.fromEntries(kept), ...change.set };
    for (const [key, value] of Object.entries(change.set)) {
      if (!KEY.test(key))
        throw invalid(`set[${key.slice(0, 80)}]`, "a key has 1 to 63 of A-Z a-z 0-9 . _ / -");
      if (value.length > 63)
        throw invalid(`set[${key}]`, `the value has ${value.length} characters, at most 63`);
    }
    if (Object.keys(labels).length > MAX_LABELS) throw invalid("set", `more than ${MAX_LABELS} labels`);
    node.labels = labels;
    return this.changed(
      node,
      "labelled",
      Object.entries(labels)
        .map(([k, v]) => `${k}=${v}`)
        .join(" "),
    );
  }

  /** Forgets a node that is lost. It may come back as a new one. */
  async remove(id: string): Promise<void> {
    const { events, fleet, records } = this.parts;
    const node = this.found(id);
    if (node.state.kind !== "LOST" || node.peer !== undefined) {
      throw new SaiError("failed_precondition", `node ${id} is ${node.state.kind.toLowerCase()}, not lost`, {
        hint: "drain it and stop its agent first",
      });
    }
    this.stopDeadline(id);
    fleet.forget(node);
    this.told.delete(id);
    this.parts.removed(node);
    await records.removed(id);
    events.add("node.removed", { node: id }, `${id} was removed`);
  }

  stop(): void {
    for (const cancel of this.deadlines.values()) cancel();
    this.deadlines.clear();
  }

  private stopDeadline(id: string): void {
    this.deadlines.get(id)?.();
    this.deadlines.delete(id);
  }

  private undrain(node: NodeEntry): void {
    this.stopDeadline(node.id);
    if (node.state.kind === "DRAINING") this.parts.fleet.event(node, { kind: "undrain" });
  }

  private async changed(node: NodeEntry, verb: string, about: string): Promise<NodeEntry> {
    await this.parts.records.saved(node);
    this.parts.events.add(
      `node.${verb}`,
      { node: node.id },
      `${node.id} was ${verb}${about === "" ? "" : `: ${about}`}`,
    );
    return node;
  }

  private found(id: string): NodeEntry {
    const node = this.parts.fleet.node(id);
    if (node) return node;
    throw new SaiError("not_found", `no node ${id.slice(0, 80)}`, {
      hint: "`sai node list` shows those there are",
    });
  }
}

const invalid = (field: string, description: string): SaiError =>
  new SaiError("invalid_argument", "the labels cannot be set", { violations: [{ field, description }] });
