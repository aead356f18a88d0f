/**
 * A plan in the making: what has been given out so far, laid over the standing snapshot, which stays as it is.
 *
 * 1. No lane gets more than its credits, no shard is given out twice.
 * 2. Shares count what is held and what this plan adds, so that a choice sees those before it.
 * 3. A lane whose part of the plan is settled keeps its model, and only such lanes count as being on a model. So within
 *    a plan the slots on a model only grow, and its work only shrinks: what does not pay to load once will not later.
 * 4. No tenant gets more than its quota leaves it: nothing while what it has on nodes is not known; and no campaign of it
 *    more than its part of that (division.ts).
 * 5. Queues of which nothing may be given out are not looked at: a tenant at its quota costs nothing.
 */
import { Division } from "./division.js";
import { mayRetryOn } from "./feasible.js";
import { bump, type Lane, type Pool, partsOf, SLOT } from "./lanes.js";
import type { Campaign, Job, Queue, Requirement } from "./queues.js";
import { Remaining } from "./remaining.js";
import { type Assignment, type AssignmentReason, USUAL_MS } from "./snapshot.js";
import type { Standing } from "./standing.js";
import { Targets } from "./targets.js";

/** Work in a pool of which something may be given out, and the same by model. */
export interface Offer {
  readonly queues: readonly Queue[];
  readonly demand: ReadonlyMap<string, { readonly queues: readonly Queue[] }>;
}

/** A lane with what the plan gives it. */
interface Given {
  credits: number;
  held: number;
  readonly heldBy: Map<string, number>;
  /** How long that is thought to take, ms. */
  readonly heldMs: Map<string, number>;
  model: string | undefined;
  /** Models it was given work for. */
  models: readonly string[];
  rescued: boolean;
}

const NONE: readonly string[] = [];

export class Draft {
  readonly assignments: Assignment[] = [];
  /** Shards given out in all. */
  private total = 0;
  private readonly given = new Map<Lane, Given>();
  private readonly lanes = new Map<Pool, Lane[]>();
  private readonly remaining = new Map<Job, Remaining>();
  /** Shards given out. */
  private readonly taken = new Map<Job | Queue | Requirement | Campaign, number>();
  /** Millionths of slots added, by lane name and campaign. */
  private readonly shares = new Map<string, Map<string, number>>();
  /** The same by pool, model and campaign. */
  private readonly sharesOn = new Map<Pool, Map<string, Map<string, number>>>();
  /** Pools and campaigns that were given something there. */
  private readonly added = new Map<Pool, Set<string>>();
  /** Whether any tenant has a quota. */
  private readonly limited: boolean;
  /** Shards tenants may still be given. */
  private readonly quotas = new Map<string, number>();
  readonly division = new Division(this);
  /** Room in pools that was given away. */
  private readonly filled = new Map<Pool, { idle: number; credits: number }>();
  private readonly targetsOf = new Map<Pool, Targets>();
  private readonly settled = new Set<Lane>();
  /** Slots of settled lanes, by model. */
  private readonly settledOn = new Map<Pool, Map<string, number>>();

  constructor(
    readonly standing: Standing,
    readonly nowMs: number,
  ) {
    this.limited = (standing.options.tenantLimits?.size ?? 0) > 0;
  }

  /** Whether it gives out no more, although there may be work and room: another plan is to follow. */
  get full(): boolean {
    return this.total >= this.most;
  }

  private get most(): number {
    return this.standing.options.mostShards ?? Number.POSITIVE_INFINITY;
  }

  /** Lanes of a pool that were given something. */
  lanesOf(pool: Pool): readonly Lane[] {
    return this.lanes.get(pool) ?? [];
  }

  credits(lane: Lane): number {
    return this.given.get(lane)?.credits ?? lane.now.credits;
  }

  held(lane: Lane): number {
    return this.given.get(lane)?.held ?? lane.held;
  }

  /** Attempts that would run at once. */
  idle(lane: Lane): number {
    return Math.min(this.credits(lane), lane.slots - this.held(lane));
  }

  /** The model it is, or will be, on. */
  model(lane: Lane): string | undefined {
    const given = this.given.get(lane);
    return given ? given.model : lane.now.lastModel;
  }

  /** Whether it needs no load for a model; `""` is none. */
  isWarm(lane: Lane, model: string): boolean {
    return model === "" || lane.warm.includes(model) || this.given.get(lane)?.models.includes(model) === true;
  }

  /** Whether it serves no more work that starved for now. */
  rescued(lane: Lane, everyMs: number): boolean {
    const { rescuedMs = Number.NEGATIVE_INFINITY } = lane.now;
    return this.given.get(lane)?.rescued === true || this.nowMs - rescuedMs < everyMs;
  }

  /** Slots a campaign holds on lanes of this name. */
  share(kind: string, campaign: string): number {
    const held = this.standing.shares.get(kind)?.get(campaign) ?? 0;
    return (held + (this.shares.get(kind)?.get(campaign) ?? 0)) / SLOT;
  }

  /** Those of them that it holds on a pool's lanes of a model. */
  shareOn(pool: Pool, model: string, campaign: string): number {
    const held = pool.sharesOn.get(model)?.get(campaign) ?? 0;
    return (held + (this.sharesOn.get(pool)?.get(model)?.get(campaign) ?? 0)) / SLOT;
  }

  /** Shards left. */
  ready(of: Job | Queue | Requirement | Campaign): number {
    return of.ready - (this.taken.get(of) ?? 0);
  }

  /** Shards given out. */
  takenOf(of: Job | Queue | Requirement | Campaign): number {
    return this.taken.get(of) ?? 0;
  }

  /** Shards of a queue that may still be given out in this plan. */
  open(queue: Queue): number {
    return Math.min(this.ready(queue), this.mostFor(queue.campaign), this.most - this.total);
  }

  /** Attempts that would run at once in a pool, and that its lanes would take in all. */
  room(pool: Pool): { idle: number; credits: number } {
    const { idle = 0, credits = 0 } = this.filled.get(pool) ?? {};
    return { idle: pool.room.idle - idle, credits: pool.room.credits - credits };
  }

  targets(pool: Pool): Targets {
    const known = this.targetsOf.get(pool) ?? new Targets(this.standing, pool);
    this.targetsOf.set(pool, known);
    return known;
  }

  /** Whether quotas leave anything to the work of a pool. */
  isOpen(pool: Pool): boolean {
    for (const tenant of pool.tenants.keys()) if (this.quotaLeft(tenant) > 0) return true;
    return false;
  }

  /** Invariant 5. */
  offerOf(pool: Pool): Offer {
    const shut = [...pool.tenants.keys()].filter((tenant) => this.quotaLeft(tenant) === 0);
    if (shut.length === 0) return { queues: pool.queues.queues, demand: pool.demand };
    const queues = pool.queues.queues.filter(({ campaign }) => !shut.includes(campaign.tenant));
    const demand = new Map<string, { queues: Queue[] }>();
    for (const queue of queues) {
      const { affinity } = queue.requirement;
      const list = demand.get(affinity);
      if (list) list.queues.push(queue);
      else demand.set(affinity, { queues: [queue] });
    }
    return { queues, demand };
  }

  /** Whether the campaign of a queue holds anything where the queue could run. */
  holds({ campaign: { id }, requirement }: Queue): boolean {
    return requirement.pools.some((pool) => pool.heldBy.has(id) || this.added.get(pool)?.has(id));
  }

  /** Invariant 3. */
  settle(lane: Lane): void {
    if (this.settled.has(lane)) return;
    this.settled.add(lane);
    const model = this.model(lane);
    if (model === undefined) return;
    const on = this.settledOn.get(lane.pool) ?? new Map<string, number>();
    this.settledOn.set(lane.pool, on);
    bump(on, model, lane.slots);
  }

  /** Lanes with a free slot may get something else again; what they are on then is looked at anew. */
  reopen(): void {
    for (const lane of this.settled) {
      if (this.idle(lane) <= 0) continue;
      this.settled.delete(lane);
      const model = this.model(lane);
      const on = this.settledOn.get(lane.pool);
      if (on && model !== undefined) bump(on, model, -lane.slots);
    }
  }

  isSettled(lane: Lane): boolean {
    return this.settled.has(lane);
  }

  /** Slots of a pool's lanes that stay on a model. */
  slotsOn(pool: Pool, model: string): number {
    return (pool.fullOn.get(model) ?? 0) + (this.settledOn.get(pool)?.get(model) ?? 0);
  }

  /** Shards that a tenant may still be given (invariant 4). */
  quotaLeft(tenant: string): number {
    if (!this.limited) return Number.POSITIVE_INFINITY;
    const known = this.quotas.get(tenant);
    if (known !== undefined) return known;
    const quota = this.standing.quotaOf(tenant);
    const left = quota === undefined ? Number.POSITIVE_INFINITY : quota.known ? quota.most - quota.has : 0;
    this.quotas.set(tenant, Math.max(0, left));
    return Math.max(0, left);
  }

  /** Shards that a campaign may still be given. */
  private mostFor(campaign: Campaign): number {
    if (!this.limited) return Number.POSITIVE_INFINITY;
    return Math.min(this.quotaLeft(campaign.tenant), this.division.partOf(campaign));
  }

  /**
   * Whether an agent may have something of a queue in this plan, of one that is full nobody; without `parts` as if its
   * campaign could have all its tenant may.
   */
  offers(queue: Queue, agent: string, parts = true): boolean {
    const open = parts
      ? this.open(queue)
      : Math.min(this.ready(queue), this.quotaLeft(queue.campaign.tenant));
    return open > 0 && !this.full && this.suits(queue, agent);
  }

  /** Whether every agent may, because some of it failed nowhere. */
  offersAll(queue: Queue): boolean {
    return this.open(queue) > 0 && queue.jobs.some((job) => this.ready(job) > 0 && this.left(job).fresh);
  }

  /** Whether an agent may have something of a queue, in this plan or a later one. */
  suits(queue: Queue, agent: string): boolean {
    const may = this.mayRetry(queue, agent);
    return queue.jobs.some((job) => this.ready(job) > 0 && this.left(job).offers(may));
  }

  /** Gives a lane up to `most` shards of a queue, first in plan order first; how many it gave. */
  give(lane: Lane, queue: Queue, most: number, why: AssignmentReason): number {
    const { campaign } = queue;
    const quota = why === "starved" ? this.quotaLeft(campaign.tenant) : this.mostFor(campaign);
    const limit = Math.min(most, this.credits(lane), quota, this.most - this.total);
    const may = this.mayRetry(queue, lane.agent);
    let n = 0;
    for (const job of queue.jobs) {
      while (n < limit && this.ready(job) > 0) {
        const range = this.left(job).take(limit - n, may);
        if (range === undefined) break;
        const count = range.to - range.from;
        n += count;
        for (const of of [job, queue, queue.requirement, campaign]) bump(this.taken, of, count);
        this.note(lane, job, range.from, count, why);
      }
      if (n >= limit) break;
    }
    this.total += n;
    if (n > 0) this.count(lane, queue, n, why);
    if (this.limited) {
      this.quotas.set(campaign.tenant, this.quotaLeft(campaign.tenant) - n);
      this.division.spend(campaign, n);
    }
    return n;
  }

  private note(lane: Lane, { snapshot }: Job, first: number, count: number, why: AssignmentReason): void {
    const { campaign, job } = snapshot;
    const last = this.assignments.at(-1);
    const goesOn =
      last?.agent === lane.agent &&
      last.lane === lane.pool.kind &&
      last.campaign === campaign &&
      last.job === job &&
      last.first + last.count === first;
    if (goesOn) last.count += count;
    else this.assignments.push({ campaign, job, first, count, agent: lane.agent, lane: lane.pool.kind, why });
  }

  private count(lane: Lane, { campaign, requirement }: Queue, n: number, why: AssignmentReason): void {
    const { pool } = lane;
    const given = this.given.get(lane) ?? this.begin(lane);
    const filled = this.filled.get(pool) ?? { idle: 0, credits: 0 };
    this.filled.set(pool, filled);
    filled.idle += Math.max(0, Math.min(n, lane.slots - given.held));
    filled.credits += n;
    if (this.shared) this.countShares(lane, given, -1);
    given.credits -= n;
    given.held += n;
    const before = given.heldBy.get(campaign.id) ?? 0;
    given.heldBy.set(campaign.id, before + n);
    if (this.shared) {
      const ms = given.heldMs.get(campaign.id) ?? before * USUAL_MS;
      given.heldMs.set(campaign.id, ms + n * (requirement.shardMs ?? USUAL_MS));
    }
    if (requirement.affinity !== "") {
      given.model = requirement.affinity;
      if (!given.models.includes(requirement.affinity))
        given.models = [...given.models, requirement.affinity];
    }
    if (this.shared) this.countShares(lane, given, 1);
    if (why === "starved") given.rescued = true;
    const added = this.added.get(pool) ?? new Set<string>();
    this.added.set(pool, added);
    added.add(campaign.id);
  }

  private countShares({ pool, slots }: Lane, { model = "", heldBy, heldMs }: Given, sign: 1 | -1): void {
    const shares = this.shares.get(pool.kind) ?? new Map<string, number>();
    this.shares.set(pool.kind, shares);
    const models = this.sharesOn.get(pool) ?? new Map<string, Map<string, number>>();
    this.sharesOn.set(pool, models);
    const on = models.get(model) ?? new Map<string, number>();
    models.set(model, on);
    for (const [id, part] of partsOf(slots, heldBy, heldMs)) {
      bump(shares, id, sign * part);
      bump(on, id, sign * part);
    }
  }

  /** Whether there is anybody to share with. */
  private get shared(): boolean {
    return this.standing.campaigns.size > 1;
  }

  private begin(lane: Lane): Given {
    const { credits, held, heldMs, lastModel: model } = lane.now;
    const given: Given = {
      credits,
      held: lane.held,
      heldBy: new Map(held),
      heldMs: this.shared ? new Map(heldMs) : new Map(),
      model,
      models: NONE,
      rescued: false,
    };
    this.given.set(lane, given);
    const lanes = this.lanes.get(lane.pool);
    if (lanes) lanes.push(lane);
    else this.lanes.set(lane.pool, [lane]);
    return given;
  }

  private left(job: Job): Remaining {
    const known = this.remaining.get(job);
    if (known) return known;
    const fresh = new Remaining(job.snapshot);
    this.remaining.set(job, fresh);
    return fresh;
  }

  private mayRetry({ requirement }: Queue, agent: string): (failedOn: readonly string[]) => boolean {
    const { agents } = this.standing;
    const isFeasible = (id: string) => {
      const record = agents.get(id);
      return record?.able === true && requirement.matches.get(record.class)?.ok === true;
    };
    return (failedOn) => mayRetryOn(agent, failedOn, requirement.feasibleAgents, isFeasible);
  }
}
