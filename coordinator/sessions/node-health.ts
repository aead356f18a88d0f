/**
 * The health of nodes: what ends on each is remembered, and a node to which failures cling takes nothing new for a while
 * (quarantine-state.ts). What runs there goes on; what it has not begun goes elsewhere at no cost.
 *
 * 1. Only what may be a node's fault counts: an attempt that failed by its infrastructure or memory, or with its engine's
 *    process. What models answer never does, nor does a node that is lost.
 * 2. Transitions alone are stored. A later leader keeps to them; it gives a node at most the whole time again.
 * 3. It ends by itself, at once when people say so, and early when a fleet that has shrunk needs the node, or when what it
 *    was for turns out to be a sample's fault; then it never was.
 * 4. A node that takes no work anyway (lost, cordoned, draining) is neither of the fleet that must be spared nor of those
 *    that are spared from it.
 * 5. Nothing is kept of a node that was removed.
 */
import type { FailureClass } from "../../shared/domain/retry.js";
import type { Clock } from "../../shared/runtime/clock.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { ShardKey } from "../campaigns/board.js";
import type { EventLog } from "../events.js";
import type { Meter } from "../metrics.js";
import type { QuarantineValue } from "../store/values.js";
import { Endings } from "./endings.js";
import type { Fleet, NodeEntry } from "./fleet.js";
import type { FleetRecords } from "./fleet-records.js";
import {
  blame,
  type Ending,
  isStillBlamed,
  isWell,
  mostQuarantined,
  type Quarantine,
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
  private readonly endings = new Endings<NodeEntry>();
  private readonly quarantined = new Set<NodeEntry>();
  /** What led to the last quarantine of a node under this leader, and what was before it. */
  private readonly grounds = new Endings<NodeEntry>();
  private readonly before = new Map<NodeEntry, Quarantine>();

  constructor(private readonly parts: NodeHealthParts) {}

  /** A result of the node was committed. */
  succeeded(node: NodeEntry, { campaign, job }: ShardKey): void {
    const own = this.note(node, { campaign, job });
    if (node.quarantine.kind !== "probation" || !isWell(own, this.parts.limits)) return;
    this.dropGrounds(node);
    node.quarantine = { kind: "none" };
    this.parts.records.noteQuarantine(node);
  }

  /** An attempt failed on the node, told once; `items` are the samples in flight when its engine's process died. */
  failed(
    node: NodeEntry,
    { campaign, job }: ShardKey,
    failure: { class: FailureClass; items?: readonly number[] },
  ): void {
    if (!BLAMED.has(failure.class)) return; // invariant 1
    const own = this.note(node, { campaign, job, failed: { samples: failure.items ?? [] } });
    const reason = blame(own, (jobs) => this.endings.elsewhere(node, jobs), this.parts.limits);
    if (reason !== undefined) this.quarantine(node, reason);
  }

  /** A sample is named for the deaths it was in flight at: no node is blamed for them. */
  named(campaign: string, job: string, sample: number): void {
    this.endings.exonerate({ campaign, job, sample });
    for (const node of this.grounds.exonerate({ campaign, job, sample }))
      if (!isStillBlamed(this.grounds.of(node), this.parts.limits)) this.takeBack(node);
  }

  /** Ends what is over; called a few times a heartbeat interval. */
  look(): void {
    const { clock, limits, records } = this.parts;
    for (const node of this.quarantined) {
      const { quarantine } = node;
      if (quarantine.kind === "quarantined" && quarantine.endMs <= clock.nowMs())
        this.end(node, "its time is over");
    }
    if (this.quarantined.size === 0) return;
    const nodes = this.able();
    const most = mostQuarantined(nodes, limits);
    const out = [...this.quarantined].filter(isAble).sort((a, b) => endOf(a) - endOf(b));
    for (const node of out.slice(0, Math.max(0, out.length - most))) {
      this.end(node, `the fleet of ${nodes} can spare ${most === 0 ? "no node" : `only ${most}`}`);
      records.noteQuarantine(node);
    }
  }

  /** The node may take work again after it was away: what it kept and has not begun is asked for once more. */
  reconciled(node: NodeEntry): void {
    if (node.quarantine.kind !== "quarantined") return;
    this.look(); // one more of the fleet that is out
    if (node.quarantine.kind === "quarantined") this.parts.retract(node);
  }

  /** People trust the node again, whatever it was blamed for; resolves when that is stored. */
  async pardon(node: NodeEntry): Promise<void> {
    this.forget(node);
    if (node.quarantine.kind === "none") return;
    node.quarantine = { kind: "none" };
    await this.parts.records.quarantineSaved(node);
  }

  /** Keeps nothing of the node (invariant 5). */
  forget(node: NodeEntry): void {
    this.endings.take(node);
    this.quarantined.delete(node);
    this.dropGrounds(node);
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

  /** Nodes that could take work if they were not quarantined (invariant 4). */
  private able(): number {
    let nodes = 0;
    for (const node of this.parts.fleet.list()) if (isAble(node)) nodes++;
    return nodes;
  }

  private note(node: NodeEntry, one: Ending): readonly Ending[] {
    // What still runs there says nothing about the time after it; and a removed node is not kept (invariant 5).
    if (node.quarantine.kind === "quarantined" || this.parts.fleet.node(node.id) !== node) return [];
    return this.endings.add(node, one, this.parts.limits.window);
  }

  private quarantine(node: NodeEntry, reason: string): void {
    const { clock, events, limits, log, metrics, records, retract, wake } = this.parts;
    const { id } = node;
    // Also where it ends here: it is said once in a while then, and the fleet counted, not with every failure.
    const grounds = this.endings.take(node);
    const nodes = this.able();
    if ([...this.quarantined].filter(isAble).length >= mostQuarantined(nodes, limits)) {
      const but = `not quarantined, the fleet of ${nodes} can spare no other node`;
      events.add("node.failing", { node: id }, `${id} is failing, but ${but}: ${reason}`);
      log.warn({ node: id, reason }, but);
      return;
    }
    this.dropGrounds(node);
    this.before.set(node, node.quarantine);
    for (const one of grounds) this.grounds.add(node, one, limits.window);
    const level = node.quarantine.kind === "probation" ? node.quarantine.level + 1 : 1;
    const forMs = termMs(level, limits);
    const times = { forMs, endMs: clock.nowMs() + forMs, untilWallMs: clock.wallMs() + forMs };
    node.quarantine = { kind: "quarantined", level, reason, ...times };
    this.quarantined.add(node);
    records.noteQuarantine(node);
    metrics.countQuarantines();
    const text = `${id} is quarantined for ${Math.round(forMs / 1000)} s: ${reason}`;
    events.add("node.quarantined", { node: id }, text);
    log.warn({ node: id, reason, level, forMs }, "a node is quarantined");
    retract(node);
    wake();
  }

  /** Invariant 3: what the node was blamed for was not its fault. */
  private takeBack(node: NodeEntry): void {
    this.end(node, "what it was blamed for are the deaths of samples that are named now");
    node.quarantine = this.before.get(node) ?? { kind: "none" };
    this.dropGrounds(node);
    this.parts.records.noteQuarantine(node);
  }

  private dropGrounds(node: NodeEntry): void {
    this.grounds.take(node);
    this.before.delete(node);
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

const isAble = ({ state, cordon }: NodeEntry): boolean => state.kind !== "LOST" && cordon.kind === "open";

const endOf = ({ quarantine }: NodeEntry): number =>
  quarantine.kind === "quarantined" ? quarantine.endMs : Number.NEGATIVE_INFINITY;
