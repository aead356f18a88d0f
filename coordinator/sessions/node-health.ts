/**
 * The health of nodes: what ends on each is remembered, and a node to which failures cling takes nothing new for a while
 * (quarantine-state.ts). What runs there goes on; what it has not begun goes elsewhere at no cost.
 *
 * 1. Only what may be a node's fault counts: an attempt that failed by its infrastructure or memory, or with its engine's
 *    process. What models answer never does, nor does a node that is lost.
 * 2. Transitions alone are stored. A later leader keeps to them; it gives a node at most the whole time again.
 * 3. It ends by itself, at once when people say so, and early when a fleet that has shrunk needs the node.
 */
import { type Fence, fenceText } from "../../shared/domain/fence.js";
import type { FailureClass } from "../../shared/domain/retry.js";
import type { Clock } from "../../shared/runtime/clock.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { ShardKey } from "../campaigns/board.js";
import type { EventLog } from "../events.js";
import type { Meter } from "../metrics.js";
import type { QuarantineValue } from "../store/values.js";
import type { Fleet, NodeEntry } from "./fleet.js";
import type { FleetRecords } from "./fleet-records.js";
import {
  blame,
  type Ending,
  ended,
  exonerated,
  isWell,
  mostQuarantined,
  type QuarantineLimits,
  termMs,
} from "./quarantine-state.js";

export interface NodeHealthParts {
  clock: Clock;
  events: EventLog;
  fleet: Fleet;
  limits: QuarantineLimits;
  log: Logger;
  metrics: Pick<Meter, "countQuarantines">;
  records: FleetRecords;
  /** Asks for what a node has not begun. */
  retract(node: NodeEntry): void;
  /** Asks the scheduler for another look. */
  wake(): void;
}

const BLAMED: ReadonlySet<FailureClass> = new Set(["infra", "resource", "poison"]);

export class NodeHealth {
  private readonly endings = new Map<NodeEntry, Ending[]>();
  private readonly quarantined = new Set<NodeEntry>();

  constructor(private readonly parts: NodeHealthParts) {}

  /** A result of the node was committed. */
  succeeded(node: NodeEntry, { campaign, job }: ShardKey): void {
    const own = this.note(node, { campaign, job });
    if (node.quarantine.kind !== "probation" || !isWell(own, this.parts.limits)) return;
    node.quarantine = { kind: "none" };
    this.parts.records.noteQuarantine(node);
  }

  /** An attempt failed on the node; `samples` are those in flight when its engine's process died. */
  failed(
    node: NodeEntry,
    { campaign, job }: ShardKey,
    failure: { fence: Fence; class: FailureClass; items?: readonly number[] },
  ): void {
    if (!BLAMED.has(failure.class)) return; // invariant 1
    const failed = { fence: fenceText(failure.fence), samples: failure.items ?? [] };
    const own = this.note(node, { campaign, job, failed });
    if (node.quarantine.kind === "quarantined") return;
    const others = [...this.endings].flatMap(([other, endings]) => (other === node ? [] : [endings]));
    const reason = blame(own, others, this.parts.limits);
    if (reason !== undefined) this.quarantine(node, reason);
  }

  /** A sample is named for the deaths it was in flight at: no node is blamed for them. */
  named(campaign: string, job: string, sample: number): void {
    for (const [node, endings] of this.endings)
      this.endings.set(node, exonerated(endings, { campaign, job, sample }));
  }

  /** Ends what is over; called a few times a heartbeat interval. */
  look(): void {
    const { clock, fleet, limits } = this.parts;
    for (const node of this.quarantined) {
      const { quarantine, id } = node;
      if (fleet.node(id) !== node)
        this.quarantined.delete(node); // removed
      else if (quarantine.kind === "quarantined" && quarantine.endMs <= clock.nowMs())
        this.end(node, "its time is over");
    }
    while (this.quarantined.size > mostQuarantined(this.nodes, limits)) {
      const [first] = [...this.quarantined].sort((a, b) => endOf(a) - endOf(b));
      if (first === undefined) return;
      this.end(first, "the fleet has become too small to do without it");
      this.parts.records.noteQuarantine(first);
    }
  }

  /** People trust the node again, whatever it was blamed for; resolves when that is stored. */
  async pardon(node: NodeEntry): Promise<void> {
    this.endings.delete(node);
    this.quarantined.delete(node);
    if (node.quarantine.kind === "none") return;
    node.quarantine = { kind: "none" };
    await this.parts.records.quarantineSaved(node);
  }

  /** Takes a node's record back from the state store (invariant 2). */
  restore({ node: id, level, reason, forMs, untilMs }: QuarantineValue): void {
    const { clock, fleet } = this.parts;
    const node = fleet.node(id);
    if (node === undefined) return;
    const leftMs = Math.min(forMs, untilMs - clock.wallMs());
    if (leftMs <= 0) {
      node.quarantine = { kind: "probation", level, reason };
      return;
    }
    const endMs = clock.nowMs() + leftMs;
    node.quarantine = { kind: "quarantined", level, reason, forMs, endMs, untilWallMs: untilMs };
    this.quarantined.add(node);
  }

  /** Nodes that could take work if they were not quarantined. */
  private get nodes(): number {
    return this.parts.fleet
      .list()
      .filter(({ state, cordon }) => state.kind !== "LOST" && cordon.kind === "open").length;
  }

  private note(node: NodeEntry, one: Ending): Ending[] {
    // What still runs there says nothing about the time after it.
    if (node.quarantine.kind === "quarantined") return [];
    const own = ended(this.endings.get(node) ?? [], one, this.parts.limits);
    this.endings.set(node, own);
    return own;
  }

  private quarantine(node: NodeEntry, reason: string): void {
    const { clock, events, limits, log, metrics, records, retract, wake } = this.parts;
    const { id } = node;
    if (this.quarantined.size >= mostQuarantined(this.nodes, limits)) {
      this.endings.delete(node); // so that it is said once in a while, not with every failure
      const but = `not quarantined, the fleet of ${this.nodes} can spare no other node`;
      events.add("node.failing", { node: id }, `${id} is failing, but ${but}: ${reason}`);
      log.warn({ node: id, reason }, but);
      return;
    }
    const level = node.quarantine.kind === "probation" ? node.quarantine.level + 1 : 1;
    const forMs = termMs(level, limits);
    const times = { forMs, endMs: clock.nowMs() + forMs, untilWallMs: clock.wallMs() + forMs };
    node.quarantine = { kind: "quarantined", level, reason, ...times };
    this.quarantined.add(node);
    this.endings.delete(node);
    records.noteQuarantine(node);
    metrics.countQuarantines();
    const text = `${id} is quarantined for ${Math.round(forMs / 1000)} s: ${reason}`;
    events.add("node.quarantined", { node: id }, text);
    log.warn({ node: id, reason, level, forMs }, "a node is quarantined");
    retract(node);
    wake();
  }

  private end(node: NodeEntry, why: string): void {
    const { events, log, wake } = this.parts;
    this.quarantined.delete(node);
    if (node.quarantine.kind !== "quarantined") return;
    const { level, reason } = node.quarantine;
    node.quarantine = { kind: "probation", level, reason };
    events.add("node.released", { node: node.id }, `${node.id} is tried again: ${why}`);
    log.info({ node: node.id, why }, "a quarantine ends");
    wake();
  }
}

const endOf = ({ quarantine }: NodeEntry): number =>
  quarantine.kind === "quarantined" ? quarantine.endMs : Number.NEGATIVE_INFINITY;
