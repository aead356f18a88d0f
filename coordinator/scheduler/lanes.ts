/**
 * Lanes as the scheduler finds them: agents of equal capability form a class, and the lanes of one kind in a class form
 * a pool, within which only credits, models and what was tried before make a difference. So work is matched with
 * pools, of which there are few, and lanes are looked at when one of them is to be given something.
 *
 * 1. `idle` and `spare` hold exactly the lanes of agents that take work and have credits: those with a free slot, and
 *    those that would queue what they get.
 * 2. `behind` holds exactly the lanes with attempts that wait for a slot, whether their agents take work or not.
 * 3. Lists are in the order of agents' ids, or of campaigns' and requirements', so that plans do not depend on who came
 *    first.
 */
import { Layout } from "./layout.js";
import { byName, type Queue } from "./queues.js";
import { type AgentSnapshot, type Capability, type LaneSnapshot, USUAL_MS } from "./snapshot.js";

export interface AgentClass {
  readonly key: string;
  readonly capability: Capability;
  readonly pools: readonly Pool[];
  readonly agents: Map<string, AgentRecord>;
  /** Agents of it that take work. */
  able: number;
}

export interface AgentRecord {
  readonly snapshot: AgentSnapshot;
  readonly class: AgentClass;
  /** READY, not cordoned and not quarantined. */
  readonly able: boolean;
  readonly lanes: readonly Lane[];
}

export interface Lane {
  readonly agent: string;
  readonly pool: Pool;
  readonly slots: number;
  readonly able: boolean;
  readonly now: LaneSnapshot;
  /** Attempts it holds, of all campaigns. */
  readonly held: number;
  /** Millionths of its slots that campaigns hold. */
  readonly parts: ReadonlyMap<string, number>;
  /** Models that need no load here, the one it is on first. */
  readonly warm: readonly string[];
}

/** Part of a lane that campaigns hold is counted in millionths of a slot, so that sums are exact. */
export const SLOT = 1_000_000;

/**
 * How many slots of a lane each campaign holds, in millionths: what waits in the agent shares the slots with what runs, by
 * how long it will take. So who has short shards has more of them there, and shares are of slot-time.
 */
export function partsOf(
  slots: number,
  held: ReadonlyMap<string, number>,
  heldMs: ReadonlyMap<string, number> | undefined,
): Map<string, number> {
  const parts = new Map<string, number>();
  if (held.size <= 1) {
    for (const [campaign, n] of held) parts.set(campaign, SLOT * Math.min(slots, n));
    return parts;
  }
  // Shards may take no time that a clock shows.
  const msOf = (campaign: string, n: number) => Math.max(heldMs?.get(campaign) ?? n * USUAL_MS, n * LEAST_MS);
  let [attempts, ms] = [0, 0];
  for (const [campaign, n] of held) {
    attempts += n;
    ms += msOf(campaign, n);
  }
  const each = (SLOT * Math.min(slots, attempts)) / ms;
  for (const [campaign, n] of held) {
    const part = Math.floor(each * msOf(campaign, n));
    if (part > 0) parts.set(campaign, part);
  }
  return parts;
}
const LEAST_MS = 0.01;

/** Lanes by agent's id. */
export class LaneList {
  readonly lanes: Lane[] = [];

  add(lane: Lane): void {
    this.lanes.splice(this.at(lane.agent), 0, lane);
  }

  delete(lane: Lane): void {
    const at = this.at(lane.agent);
    if (this.lanes[at] === lane) this.lanes.splice(at, 1);
  }

  /** How many lanes there are up to that of an agent, whether it is there or not. */
  upTo(agent: string): number {
    const at = this.at(agent);
    return this.lanes[at]?.agent === agent ? at + 1 : at;
  }

  private at(agent: string): number {
    const { lanes } = this;
    let [low, high] = [0, lanes.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((lanes[middle]?.agent ?? "") < agent) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Queues by campaign and requirement, so that plans do not depend on who came first. */
export class QueueList {
  readonly queues: Queue[] = [];

  add(queue: Queue): void {
    const at = this.at(queue);
    if (this.queues[at] !== queue) this.queues.splice(at, 0, queue);
  }

  delete(queue: Queue): void {
    const at = this.at(queue);
    if (this.queues[at] === queue) this.queues.splice(at, 1);
  }

  private at(queue: Queue): number {
    const { queues } = this;
    let [low, high] = [0, queues.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = queues[middle];
      if (other && byName(other, queue) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Lanes with credits, and the same by each model that is warm on them. */
class FreeLanes {
  readonly all = new LaneList();
  readonly byModel = new Map<string, LaneList>();

  add(lane: Lane): void {
    this.all.add(lane);
    for (const model of lane.warm) {
      const list = this.byModel.get(model) ?? new LaneList();
      this.byModel.set(model, list);
      list.add(lane);
    }
  }

  delete(lane: Lane): void {
    this.all.delete(lane);
    for (const model of lane.warm) {
      const list = this.byModel.get(model);
      list?.delete(lane);
      if (list?.lanes.length === 0) this.byModel.delete(model);
    }
  }
}

export class Pool {
  readonly idle = new FreeLanes();
  readonly spare = new FreeLanes();
  readonly behind = new LaneList();
  /** Slots of all lanes of agents that take work. */
  slots = 0;
  /** Attempts that would run at once, and those that lanes would take in all. */
  readonly room = { idle: 0, credits: 0 };
  /** Slots of those lanes, by the model they are on. */
  readonly slotsOn = new Map<string, number>();
  /** The same of lanes without credits, which stay on it for now. */
  readonly fullOn = new Map<string, number>();
  /** Attempts held, by campaign. */
  readonly heldBy = new Map<string, number>();
  /** Millionths of slots held on lanes of agents that take work, by campaign. */
  readonly shares = new Map<string, number>();
  /** The same by the model the lane is on; `""` where it is on none. */
  readonly sharesOn = new Map<string, Map<string, number>>();
  /** Work that fits here. */
  readonly queues = new QueueList();
  /** The same by model; `""` for work that needs none. */
  readonly demand = new Map<string, QueueList>();
  /** Queues among them, by tenant. */
  readonly tenants = new Map<string, number>();
  private known: Layout | undefined;

  constructor(
    readonly key: string,
    /** The lane's name. */
    readonly kind: string,
  ) {}

  get free(): boolean {
    return this.idle.all.lanes.length + this.spare.all.lanes.length > 0;
  }

  get layout(): Layout {
    this.known ??= new Layout(this);
    return this.known;
  }

  /** Whether looking at it may lead to something. */
  get live(): boolean {
    return this.free && this.demand.size > 0;
  }

  add(lane: Lane): void {
    this.count(lane, 1);
    this.list(lane)?.add(lane);
    if (lane.held > lane.slots) this.behind.add(lane);
  }

  delete(lane: Lane): void {
    this.count(lane, -1);
    this.list(lane)?.delete(lane);
    if (lane.held > lane.slots) this.behind.delete(lane);
  }

  private list(lane: Lane): FreeLanes | undefined {
    if (!lane.able || lane.now.credits <= 0) return undefined; // invariant 1
    return lane.held < lane.slots ? this.idle : this.spare;
  }

  private count(lane: Lane, sign: 1 | -1): void {
    const { held, lastModel, credits } = lane.now;
    for (const [campaign, attempts] of held) bump(this.heldBy, campaign, sign * attempts);
    if (!lane.able) return;
    this.slots += sign * lane.slots;
    if (credits > 0) {
      this.room.idle += sign * Math.max(0, Math.min(credits, lane.slots - lane.held));
      this.room.credits += sign * credits;
    }
    const on = this.sharesOn.get(lastModel ?? "") ?? new Map<string, number>();
    this.sharesOn.set(lastModel ?? "", on);
    for (const [campaign, part] of lane.parts) {
      bump(this.shares, campaign, sign * part);
      bump(on, campaign, sign * part);
    }
    if (lastModel === undefined) return;
    bump(this.slotsOn, lastModel, sign * lane.slots);
    if (credits <= 0) bump(this.fullOn, lastModel, sign * lane.slots);
  }

  wants(queue: Queue): void {
    const { affinity } = queue.requirement;
    const list = this.demand.get(affinity) ?? new QueueList();
    this.demand.set(affinity, list);
    list.add(queue);
    this.queues.add(queue);
    bump(this.tenants, queue.campaign.tenant, 1);
    this.known = undefined;
  }

  wantsNoMore(queue: Queue): void {
    const { affinity } = queue.requirement;
    const list = this.demand.get(affinity);
    list?.delete(queue);
    if (list?.queues.length === 0) this.demand.delete(affinity);
    this.queues.delete(queue);
    bump(this.tenants, queue.campaign.tenant, -1);
    this.known = undefined;
  }
}

/** Adds to a counter that is absent when it is 0. */
export function bump<K>(counters: Map<K, number>, key: K, by: number): void {
  const sum = (counters.get(key) ?? 0) + by;
  if (sum === 0) counters.delete(key);
  else counters.set(key, sum);
}
