/**
 * A plan in the making: what has been given out so far, laid over the standing snapshot, which stays as it is.
 *
 * 1. No lane gets more than its credits, no shard is given out twice.
 * 2. Shares count what is held and what this plan adds, so that a choice sees those before it.
 */
import { mayRetryOn } from "./feasible.js";
import { bump, type Lane, type Pool, SLOT, weightOf } from "./lanes.js";
import type { Campaign, Job, Queue, Requirement } from "./queues.js";
import { Remaining } from "./remaining.js";
import type { Assignment, AssignmentReason } from "./snapshot.js";
import type { Standing } from "./standing.js";

/** A lane with what the plan gives it. */
interface Given {
  credits: number;
  held: number;
  readonly heldBy: Map<string, number>;
  model: string | undefined;
  rescued: boolean;
}

/** Slots that campaigns and tenants hold on the lanes of one name. */
interface Shares {
  readonly campaigns: Map<string, number>;
  readonly tenants: Map<string, number>;
}

export class Draft {
  readonly assignments: Assignment[] = [];
  private readonly given = new Map<Lane, Given>();
  private readonly lanes = new Map<Pool, Lane[]>();
  private readonly remaining = new Map<Job, Remaining>();
  /** Shards given out. */
  private readonly taken = new Map<Job | Queue | Requirement, number>();
  private readonly shares = new Map<string, Shares>();
  /** By lane name and campaign: attempts added. */
  private readonly added = new Map<string, number>();
  private readonly slotsAdded = new Map<string, number>();

  constructor(
    readonly standing: Standing,
    readonly nowMs: number,
  ) {}

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

  /** Whether it serves no more work that starved for now. */
  rescued(lane: Lane, everyMs: number): boolean {
    const { rescuedMs = Number.NEGATIVE_INFINITY } = lane.now;
    return this.given.get(lane)?.rescued === true || this.nowMs - rescuedMs < everyMs;
  }

  /** Slots of the lane that a campaign holds. */
  part(lane: Lane, campaign: string): number {
    const given = this.given.get(lane);
    const attempts = (given?.heldBy ?? lane.now.held).get(campaign) ?? 0;
    return weightOf(lane.slots, attempts, this.held(lane));
  }

  /** The same of all campaigns of a tenant. */
  tenantPart(lane: Lane, tenant: string): number {
    let sum = 0;
    for (const id of (this.given.get(lane)?.heldBy ?? lane.now.held).keys())
      if (this.standing.campaigns.get(id)?.tenant === tenant) sum += this.part(lane, id);
    return sum;
  }

  /** Slots a campaign holds on lanes of this name. */
  share(kind: string, campaign: Campaign): number {
    return this.sharesOf(kind).campaigns.get(campaign.id) ?? 0;
  }

  tenantShare(kind: string, tenant: string): number {
    return this.sharesOf(kind).tenants.get(tenant) ?? 0;
  }

  /** Counts a lane as if `to` had it and `from` had not; the answer takes that back. */
  promise(lane: Lane, from: Campaign, to: Campaign): () => void {
    const { campaigns, tenants } = this.sharesOf(lane.pool.kind);
    const part = this.part(lane, from.id);
    const slots = SLOT * lane.slots;
    const move = (sign: 1 | -1) => {
      bump(campaigns, from.id, -sign * part);
      bump(tenants, from.tenant, -sign * part);
      bump(campaigns, to.id, sign * slots);
      bump(tenants, to.tenant, sign * slots);
    };
    move(1);
    return () => move(-1);
  }

  /** Shards left. */
  ready(of: Job | Queue | Requirement): number {
    return of.ready - (this.taken.get(of) ?? 0);
  }

  /** Whether the campaign of a queue holds anything where the queue could run. */
  holds({ campaign, requirement }: Queue): boolean {
    return requirement.pools.some(
      (pool) => pool.heldBy.has(campaign.id) || this.added.has(`${pool.key}\n${campaign.id}`),
    );
  }

  /** Slots of lanes that are on the model of a requirement and suit it. */
  slotsOn({ pools, affinity }: Requirement): number {
    let sum = 0;
    for (const pool of pools) {
      sum += pool.slotsOn.get(affinity) ?? 0;
      if (this.slotsAdded.size > 0) sum += this.slotsAdded.get(`${pool.key}\n${affinity}`) ?? 0;
    }
    return sum;
  }

  /** Whether an agent may have something of a queue. */
  offers(queue: Queue, agent: string): boolean {
    if (this.ready(queue) === 0) return false;
    const may = this.mayRetry(queue, agent);
    return queue.jobs.some((job) => this.ready(job) > 0 && this.left(job).offers(may));
  }

  /** Gives a lane up to `most` shards of a queue, first in plan order first; how many it gave. */
  give(lane: Lane, queue: Queue, most: number, why: AssignmentReason): number {
    const limit = Math.min(most, this.credits(lane));
    const may = this.mayRetry(queue, lane.agent);
    let n = 0;
    for (const job of queue.jobs) {
      while (n < limit && this.ready(job) > 0) {
        const range = this.left(job).take(limit - n, may);
        if (range === undefined) break;
        const count = range.to - range.from;
        n += count;
        for (const of of [job, queue, queue.requirement]) bump(this.taken, of, count);
        this.note(lane, job, range.from, count, why);
      }
      if (n >= limit) break;
    }
    if (n > 0) this.count(lane, queue, n, why);
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
    const { pool, slots } = lane;
    const { campaigns, tenants } = this.sharesOf(pool.kind);
    const given = this.given.get(lane) ?? this.begin(lane);
    const move = (sign: 1 | -1) => {
      for (const [id, attempts] of given.heldBy) {
        const part = sign * weightOf(slots, attempts, given.held);
        bump(campaigns, id, part);
        const tenant = this.standing.campaigns.get(id)?.tenant;
        if (tenant !== undefined) bump(tenants, tenant, part);
      }
    };
    move(-1);
    given.credits -= n;
    given.held += n;
    given.heldBy.set(campaign.id, (given.heldBy.get(campaign.id) ?? 0) + n);
    const { affinity } = requirement;
    if (affinity !== "" && affinity !== given.model) {
      if (given.model !== undefined) bump(this.slotsAdded, `${pool.key}\n${given.model}`, -slots);
      bump(this.slotsAdded, `${pool.key}\n${affinity}`, slots);
      given.model = affinity;
    }
    move(1);
    bump(this.added, `${pool.key}\n${campaign.id}`, n);
    if (why === "starved") given.rescued = true;
  }

  private begin(lane: Lane): Given {
    const { credits, held, lastModel } = lane.now;
    const given = { credits, held: lane.held, heldBy: new Map(held), model: lastModel, rescued: false };
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

  private sharesOf(kind: string): Shares {
    const known = this.shares.get(kind);
    if (known) return known;
    const campaigns = new Map(this.standing.shares.get(kind));
    const tenants = new Map<string, number>();
    for (const [id, slots] of campaigns) {
      const tenant = this.standing.campaigns.get(id)?.tenant;
      if (tenant !== undefined) bump(tenants, tenant, slots);
    }
    const fresh = { campaigns, tenants };
    this.shares.set(kind, fresh);
    return fresh;
  }
}
