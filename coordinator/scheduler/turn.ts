/**
 * One pool's part of a plan: its lanes with credits meet the work that fits them, each with the work that `choose` says.
 *
 * 1. A lane may get work only that is offered to it, needs no load or pays for it, and of each tenant only the highest
 *    priority of that. What is so can only cease to be so within a plan (draft.ts, 3), so it need not be looked at twice.
 * 2. A free slot gets something while there is anything of that.
 * 3. Targets (targets.ts) choose among it: a lane stays on its model until that has a whole lane too many; it goes where
 *    most is missing; of a model's campaigns the one furthest under its share is served.
 * 4. A lane changes its model at most once in a plan, and what only waits in the agents is given out last.
 */
import type { Draft, Offer } from "./draft.js";
import type { Lane, Pool } from "./lanes.js";
import { type Campaign, type Queue, servedMs } from "./queues.js";
import type { AssignmentReason } from "./snapshot.js";
import type { Targets } from "./targets.js";

/** Shards at least this long wait one ahead of each slot; of shorter ones as many as run in `AHEAD_MS`. */
const LONG_MS = 5000;
const AHEAD_MS = 2000;
const MOST_AHEAD = 1000;
/** A load is worth it on a lane that will work on the model for so many times as long. */
const PAYS = 4;

export class Turn {
  private readonly offer: Offer;
  private readonly models: readonly string[];
  /** Work of tenants that have some of different priority here, the highest first. */
  private readonly ranks: ReadonlyMap<string, readonly Queue[]>;
  /** Work that waited for its turn longer than `maxWaitMs`, the longest first. */
  private readonly waited: readonly Queue[];
  /** Lanes that had work for their model and yet should load another. */
  private readonly leaving = new Set<Lane>();
  /** Lanes that get nothing more before they have come to rest. */
  private readonly resting = new Set<Lane>();

  constructor(
    private readonly draft: Draft,
    private readonly pool: Pool,
  ) {
    this.offer = draft.offerOf(pool);
    const { queues, demand } = this.offer;
    this.models = [...demand.keys()].sort();
    this.ranks = queues.length === 1 ? new Map() : ranksOf(queues);
    const { maxWaitMs } = draft.standing.options;
    this.waited = queues
      .filter((queue) => draft.nowMs - queue.sinceMs > maxWaitMs && draft.nowMs - servedMs(queue) > maxWaitMs)
      .filter((queue) => !draft.holds(queue))
      .sort((a, b) => a.sinceMs - b.sinceMs);
  }

  /** Lanes that need no load get work. */
  stay(): void {
    for (const model of this.models) {
      const { idle, spare } = this.pool;
      const warm = (model === "" ? idle.all : idle.byModel.get(model))?.lanes ?? [];
      // What starved may have put other lanes on it.
      const given = this.draft.lanesOf(this.pool).filter((lane) => this.draft.isWarm(lane, model));
      let lanes = given.length > 0 ? [...given, ...warm] : warm;
      // One shard a lane in turn where there is not enough for all, so that work is spread.
      while (lanes.length > 0) {
        const most = this.ready(model) >= lanes.length * (lanes[0]?.slots ?? 1) ? MOST_AHEAD : 1;
        const again: Lane[] = [];
        for (const lane of lanes) {
          if (!this.has(model)) break;
          if (!this.draft.isSettled(lane) && this.occupy(lane, false, most)) again.push(lane);
        }
        lanes = again;
      }
      if (!this.mayMove) continue;
      for (const lane of (model === "" ? spare.all : spare.byModel.get(model))?.lanes ?? []) {
        if (!this.has(model)) break;
        if (!this.draft.isSettled(lane)) this.lineUp(lane, false);
      }
    }
  }

  /** Lanes load what pays: first those with nothing else to do. */
  load(): void {
    if (!this.mayMove) return;
    const { idle, spare } = this.pool;
    for (const lane of idle.all.lanes) {
      if (!this.anythingPays(lane)) break;
      if (!this.leaving.has(lane) && !this.draft.isSettled(lane)) this.occupy(lane, true, lane.slots);
    }
    for (const lane of this.leaving) if (this.draft.idle(lane) > 0) this.occupy(lane, true, lane.slots);
    for (const lane of this.leaving) if (!this.draft.isSettled(lane)) this.lineUp(lane, true);
    for (const lane of spare.all.lanes) {
      if (!this.anythingPays(lane)) break;
      if (!this.draft.isSettled(lane)) this.lineUp(lane, true);
    }
  }

  /** What is left of the credits gets work that waits behind what runs, for the models that lanes are on. */
  fill(): void {
    for (const model of this.models) {
      if (!this.has(model)) continue;
      const lanes = this.lanesOn(model);
      const each = Math.ceil(this.ready(model) / Math.max(1, lanes.length));
      for (const lane of lanes) {
        if (!this.has(model)) break;
        for (let left = each; left > 0; ) {
          const queue =
            this.draft.credits(lane) > 0 ? this.best(lane, ["", this.draft.model(lane)]) : undefined;
          const room = queue ? Math.min(left, this.room(lane, queue)) : 0;
          if (!queue || room <= 0) break;
          left -= this.draft.give(
            lane,
            queue,
            this.alone ? room : Math.ceil(room / 8),
            this.why(lane, queue),
          );
        }
      }
    }
  }

  /** Lanes that may get more for a model: those this plan gave something, and those that were busy. */
  private lanesOn(model: string): readonly Lane[] {
    const { all, byModel } = this.pool.spare;
    const spare = (model === "" ? all : byModel.get(model))?.lanes ?? [];
    const given = this.draft.lanesOf(this.pool);
    const lanes = given.length === 0 ? spare : [...new Set([...given, ...spare])];
    if (model === "" && this.resting.size === 0) return lanes;
    return lanes.filter(
      (lane) => !this.resting.has(lane) && (model === "" || this.draft.model(lane) === model),
    );
  }

  /** Gives a lane's free slots what is due to it, at most so many; whether it still has some and may get more. */
  private occupy(lane: Lane, mayLoad: boolean, most: number): boolean {
    for (let left = most; left > 0; ) {
      const idle = this.draft.idle(lane);
      const queue = idle > 0 ? this.choose(lane) : undefined;
      if (!queue) {
        this.draft.settle(lane);
        return false;
      }
      if (!mayLoad && !this.draft.isWarm(lane, queue.requirement.affinity)) {
        this.leaving.add(lane);
        return false;
      }
      left -= this.draft.give(lane, queue, this.alone ? Math.min(left, idle) : 1, this.why(lane, queue));
    }
    if (this.draft.idle(lane) > 0) return true;
    this.draft.settle(lane);
    return false;
  }

  /** Says on which model a lane without free slot goes on; if that is another, it gets the first shard for it. */
  private lineUp(lane: Lane, mayLoad: boolean): void {
    const queue = this.choose(lane);
    const stays =
      !queue || queue.requirement.affinity === "" || queue.requirement.affinity === this.draft.model(lane);
    if (queue && !stays) {
      if (!mayLoad && !this.draft.isWarm(lane, queue.requirement.affinity)) {
        this.leaving.add(lane);
        return;
      }
      if (this.room(lane, queue) > 0) this.draft.give(lane, queue, 1, this.why(lane, queue));
      else this.resting.add(lane);
    }
    this.draft.settle(lane);
  }

  /** Invariant 3. */
  private choose(lane: Lane): Queue | undefined {
    if (this.alone) return this.best(lane, this.models);
    const model = this.draft.model(lane);
    const own = this.best(lane, ["", model]);
    const due = own && this.overdue(lane, own);
    if (due) return due;
    if (own && this.under(own) > 0) return own;
    let [warm, cold]: [Queue | undefined, Queue | undefined] = [undefined, undefined];
    for (const other of this.models) {
      if (other === "" || other === model) continue;
      const queue = this.best(lane, [other]);
      if (!queue) continue;
      if (!this.draft.isWarm(lane, queue.requirement.affinity))
        cold = cold && this.under(cold) >= this.under(queue) ? cold : queue;
      else if (!warm || this.under(warm) < this.under(queue)) warm = queue;
    }
    if (warm && this.under(warm) > 0) return warm;
    if (cold && this.under(cold) >= lane.slots / 2) return cold;
    return own ?? warm ?? cold;
  }

  /** Of the work for some models that a lane may get, that of the campaign furthest under its share. */
  private best(lane: Lane, models: readonly (string | undefined)[]): Queue | undefined {
    let best: Queue | undefined;
    let most = 0;
    for (const model of models)
      for (const queue of (model === undefined ? undefined : this.offer.demand.get(model)?.queues) ?? []) {
        if (!this.may(lane, queue)) continue;
        const lacks = this.alone ? 0 : this.lacks(queue);
        if (best && (lacks < most || (lacks === most && isOlder(best, queue)))) continue;
        if (this.isOutranked(lane, queue)) continue;
        best = queue;
        most = lacks;
      }
    return best;
  }

  /** Invariant 1, without priority. */
  private may(lane: Lane, queue: Queue, parts = true): boolean {
    if (!this.draft.offers(queue, lane.agent, parts)) return false;
    const { affinity } = queue.requirement;
    if (this.draft.isWarm(lane, affinity) || this.pays(queue, lane.slots)) return true;
    // What is loaded for one is there for all.
    const others = this.offer.demand.get(affinity)?.queues ?? [];
    return others.some((other) => this.pays(other, lane.slots) && this.draft.offers(other, lane.agent));
  }

  /** Whether its tenant has work of higher priority for the lane, also when that has used its part of a quota. */
  private isOutranked(lane: Lane, { campaign }: Queue): boolean {
    for (const queue of this.ranks.get(campaign.tenant) ?? []) {
      if (queue.campaign.priority <= campaign.priority) return false;
      if (this.may(lane, queue, false)) return true;
    }
    return false;
  }

  /**
   * Whether loading its model on one lane more is worth it: nobody is on it, or nobody knows how long its shards take,
   * or it waits too long, or the lane would work on it at least `PAYS` times as long as loading takes.
   */
  private pays({ requirement, sinceMs }: Queue, slots: number): boolean {
    const { maxWaitMs, loadMs = maxWaitMs / 4 } = this.draft.standing.options;
    const { shardMs, affinity } = requirement;
    if (shardMs === undefined || this.draft.nowMs - sinceMs > maxWaitMs) return true;
    const on = requirement.pools.reduce((sum, pool) => sum + this.draft.slotsOn(pool, affinity), 0);
    return on === 0 || (this.draft.ready(requirement) * shardMs) / (on + slots) >= PAYS * loadMs;
  }

  /** Whether any work here would be loaded on a lane like this. */
  private anythingPays({ slots }: Lane): boolean {
    return this.offer.queues.some(
      (queue) => queue.requirement.affinity !== "" && this.draft.open(queue) > 0 && this.pays(queue, slots),
    );
  }

  /** Where more campaigns than lanes have work, they take turns: what waited too long, on a lane that had its model as long. */
  private overdue(lane: Lane, own: Queue): Queue | undefined {
    const { maxWaitMs } = this.draft.standing.options;
    const { modelSinceMs = Number.NEGATIVE_INFINITY } = lane.now;
    if (this.draft.nowMs - modelSinceMs <= maxWaitMs || this.draft.model(lane) !== lane.now.lastModel)
      return undefined;
    return this.waited.find(
      (queue) =>
        queue.campaign !== own.campaign &&
        (queue.campaign.tenant === own.campaign.tenant || this.under(queue) > 0) &&
        !this.draft.holds(queue) &&
        !this.isSomewhere(queue) &&
        this.may(lane, queue) &&
        !this.isOutranked(lane, queue),
    );
  }

  /** Whether any lane is on its model, and so will come to it. */
  private isSomewhere({ requirement: { pools, affinity } }: Queue): boolean {
    return pools.some((pool) => pool.slotsOn.has(affinity) || this.draft.slotsOn(pool, affinity) > 0);
  }

  /** Slots that its model has too few of here; of work that needs no load, its campaign. */
  private under({ campaign, requirement: { affinity } }: Queue): number {
    if (affinity === "") return this.due(campaign);
    return this.targets.ofModel(affinity) - this.draft.slotsOn(this.pool, affinity);
  }

  /** Slots that a campaign has too few of. */
  private due(campaign: Campaign): number {
    return this.targets.ofCampaign(campaign) - this.draft.share(this.pool.kind, campaign.id);
  }

  /** The same, and a little of those it has too few of on the queue's model, so that its models run out together. */
  private lacks(queue: Queue): number {
    const { campaign, requirement } = queue;
    if (this.models.length === 1) return this.due(campaign);
    const on = this.draft.shareOn(this.pool, requirement.affinity, campaign.id);
    return this.due(campaign) + (this.targets.ofCell(queue) - on) / 4;
  }

  /** How many shards of a queue may be added to what the lane holds. */
  private room(lane: Lane, { requirement, jobs }: Queue): number {
    const ran = jobs[0]?.snapshot.ran;
    const shardMs = ran && ran.shards > 0 ? ran.ms / ran.shards : (requirement.shardMs ?? LONG_MS);
    const ahead = shardMs >= LONG_MS ? 1 : Math.min(MOST_AHEAD, Math.ceil(AHEAD_MS / Math.max(shardMs, 0.1)));
    return lane.slots * (1 + ahead) - this.draft.held(lane);
  }

  private why(lane: Lane, { requirement }: Queue): AssignmentReason {
    const { affinity } = requirement;
    if (affinity === "") return "no_load";
    const model = this.draft.model(lane);
    if (affinity === model) return "stays";
    if (this.draft.isWarm(lane, affinity)) return "loaded";
    const others = model === undefined ? [] : (this.offer.demand.get(model)?.queues ?? []);
    return others.some((queue) => this.draft.offers(queue, lane.agent)) ? "takes_over" : "loads";
  }

  /** Whether there is only one queue, so that nothing is to be chosen. */
  private get alone(): boolean {
    return this.offer.queues.length === 1;
  }

  /** Whether there is work for any model that must be loaded. */
  private get mayMove(): boolean {
    return this.models.length > 1 || this.models[0] !== "";
  }

  private get targets(): Targets {
    return this.draft.targets(this.pool);
  }

  private has(model: string): boolean {
    for (const queue of this.offer.demand.get(model)?.queues ?? [])
      if (this.draft.open(queue) > 0) return true;
    return false;
  }

  private ready(model: string): number {
    let sum = 0;
    for (const queue of this.offer.demand.get(model)?.queues ?? []) sum += this.draft.open(queue);
    return sum;
  }
}

/** Queues of tenants that have different priorities, by tenant, the highest first. */
function ranksOf(queues: readonly Queue[]): Map<string, Queue[]> {
  const tenants = new Map<string, Queue[]>();
  for (const queue of queues) {
    const own = tenants.get(queue.campaign.tenant);
    if (own) own.push(queue);
    else tenants.set(queue.campaign.tenant, [queue]);
  }
  for (const [tenant, own] of tenants) {
    if (own.every(({ campaign }) => campaign.priority === own[0]?.campaign.priority)) tenants.delete(tenant);
    else own.sort((a, b) => b.campaign.priority - a.campaign.priority);
  }
  return tenants;
}

/** Whether of two that lack the same `a` comes first: it waits longer, or is the older campaign's. */
function isOlder(a: Queue, b: Queue): boolean {
  const [x, y] = [a.campaign, b.campaign];
  const order = a.sinceMs - b.sinceMs || x.createdMs - y.createdMs;
  if (order !== 0) return order < 0;
  return x === y ? byPlan(a) < byPlan(b) : x.id < y.id;
}

const byPlan = ({ jobs, requirement }: Queue): string => `${jobs[0]?.snapshot.job} ${requirement.key}`;
