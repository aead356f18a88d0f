/**
 * One pool's part of a plan: its free lanes meet the work that fits them. Work that needs no load is served first, then
 * lanes load what pays, and what is left of the credits is filled with work that waits in the agents.
 */
import type { Draft } from "./draft.js";
import { canGrow, compare, type Due, dueOn, givesWay } from "./fairness.js";
import { bump, type Lane, type Pool, SLOT } from "./lanes.js";
import type { Campaign, Queue, Requirement } from "./queues.js";
import type { AssignmentReason } from "./snapshot.js";

/** Shards at least this long wait one ahead of each slot; of shorter ones as many as run in `AHEAD_MS`. */
const LONG_MS = 5000;
const AHEAD_MS = 2000;
const MOST_AHEAD = 1000;
/** Shard size aims at this. */
const USUAL_MS = 30_000;

interface Rival {
  queue: Queue;
  due: Due;
}

export class Turn {
  /** Lanes with work for their model that another campaign is due for, and how to take the promise back. */
  private readonly contested = new Map<Lane, () => void>();
  /** Shards that contested lanes are kept for. */
  private readonly promised = new Map<Queue, number>();
  /** Campaigns that have nothing to load here any more; once so, it stays so within a plan. */
  private readonly spent = new Set<string>();
  /** One lane at a time goes over to work of which more is left, as what is left changes with it. */
  private shifting = false;
  private readonly models: readonly string[];

  constructor(
    private readonly draft: Draft,
    private readonly pool: Pool,
  ) {
    this.models = [...pool.demand.keys()].sort();
  }

  /** Free slots get work that needs no load, unless another campaign is due there. */
  stay(): void {
    const { all, byModel } = this.pool.idle;
    for (const model of this.models) {
      let { lanes }: { lanes: readonly Lane[] } = (model === "" ? all : byModel.get(model)) ?? NONE;
      // One shard a lane in turn where there is not enough for all, so that work is spread.
      while (lanes.length > 0) {
        const most = this.ready(model) >= lanes.length * (lanes[0]?.slots ?? 1) ? MOST_AHEAD : 1;
        const again: Lane[] = [];
        for (const lane of lanes) {
          if (!this.has(model)) break;
          if (this.serve(lane, Math.min(most, this.draft.idle(lane))) > 0) again.push(lane);
        }
        lanes = again;
      }
    }
  }

  /** Free slots get work whose model must be loaded, those without other work first. */
  load(): void {
    for (const forget of this.contested.values()) forget();
    this.promised.clear();
    for (const lane of this.pool.idle.all.lanes) {
      if (this.spent.size === this.pool.demandOf.size) break;
      if (!this.contested.has(lane) && this.draft.idle(lane) > 0) this.occupy(lane);
    }
    for (const lane of this.contested.keys()) this.occupy(lane);
    this.contested.clear();
  }

  /** Gives a lane's free slots to whom they are due, loading what must be. */
  private occupy(lane: Lane): void {
    while (this.draft.idle(lane) > 0) {
      const holder = this.warmest(lane);
      const rival = holder && (this.rival(lane, holder.campaign)?.queue ?? this.shift(lane, holder));
      const queue = rival ?? holder ?? this.worthLoading(lane);
      if (!queue) return;
      const why = rival ? "takes_over" : holder ? this.why(lane, queue) : "loads";
      if (this.draft.give(lane, queue, this.alone ? this.draft.idle(lane) : 1, why) === 0) return;
    }
  }

  /** What is left of the credits gets work that waits behind what runs, for models that are there. */
  fill(): void {
    const { all, byModel } = this.pool.spare;
    for (const model of this.models) {
      if (!this.has(model)) continue;
      const given = this.draft.lanesOf(this.pool).filter((lane) => model === "" || this.isWarm(lane, model));
      const spare = ((model === "" ? all : byModel.get(model)) ?? NONE).lanes;
      const lanes = [...new Set([...given, ...spare])];
      const each = Math.ceil(this.ready(model) / Math.max(1, lanes.length));
      for (const lane of lanes) {
        if (!this.has(model)) break;
        let left = each;
        while (left > 0) {
          const n = this.serve(lane, left, true);
          if (n === 0) break;
          left -= n;
        }
      }
    }
    for (const forget of this.contested.values()) forget();
  }

  /** Gives a lane work that needs no load; how many shards. */
  private serve(lane: Lane, most: number, ahead = false): number {
    if (most <= 0 || this.contested.has(lane) || this.draft.credits(lane) <= 0) return 0;
    const queue = this.warmest(lane);
    if (!queue) return 0;
    const rival = this.rival(lane, queue.campaign);
    // A lane that is busy is not left for one that is due by its share until it has come to rest: what it still runs
    // would be counted for both.
    if (rival && ahead && rival.due !== "share" && this.room(lane, rival.queue) > 0)
      return this.draft.give(lane, rival.queue, 1, "takes_over");
    if (rival) {
      const forget = this.draft.promise(lane, queue.campaign, rival.queue.campaign);
      bump(this.promised, rival.queue, lane.slots);
      this.contested.set(lane, forget);
      return 0;
    }
    const other = this.shift(lane, queue);
    if (other && !this.shifting) {
      this.shifting = true;
      this.contested.set(lane, () => {});
      return 0;
    }
    const room = ahead ? this.room(lane, queue) : most;
    const n = Math.min(most, room);
    if (n <= 0) return 0;
    return this.draft.give(lane, queue, this.alone ? n : Math.ceil(n / 8), this.why(lane, queue));
  }

  /** How many shards of a queue may be added to what the lane holds. */
  private room(lane: Lane, { requirement, jobs }: Queue): number {
    const ran = jobs[0]?.snapshot.ran;
    const shardMs = ran && ran.shards > 0 ? ran.ms / ran.shards : (requirement.shardMs ?? LONG_MS);
    const ahead = shardMs >= LONG_MS ? 1 : Math.min(MOST_AHEAD, Math.ceil(AHEAD_MS / Math.max(shardMs, 0.1)));
    return lane.slots * (1 + ahead) - this.draft.held(lane);
  }

  /** The work that comes first among what needs no load: for the model the lane is on, or none, else for a loaded one. */
  private warmest(lane: Lane): Queue | undefined {
    const { demand } = this.pool;
    const current = this.draft.model(lane);
    const first = this.first(lane, [demand.get(""), current === undefined ? undefined : demand.get(current)]);
    if (first) return first;
    const others = lane.warm.filter((model) => model !== current);
    return others.length === 0
      ? undefined
      : this.first(
          lane,
          others.map((model) => demand.get(model)),
        );
  }

  /**
   * Of the campaigns that come first, or have less than a lane more than that, the one whose work is most of it for
   * this model: who can run elsewhere as well leaves the lane to those who cannot.
   */
  private first(lane: Lane, sets: readonly (ReadonlySet<Queue> | undefined)[]): Queue | undefined {
    const offered: Queue[] = [];
    let best: Queue | undefined;
    for (const set of sets)
      for (const queue of set ?? []) {
        if (!this.draft.offers(queue, lane.agent)) continue;
        offered.push(queue);
        if (!best || this.compare(queue, best) < 0) best = queue;
      }
    if (!best || offered.length === 1) return best;
    const { campaign: first } = best;
    let most = this.bound(best);
    for (const queue of offered) {
      const { campaign } = queue;
      if (campaign === first || campaign.tenant !== first.tenant || campaign.priority !== first.priority)
        continue;
      if (givesWay(this.draft, this.pool.kind, campaign, first, SLOT * lane.slots)) continue;
      const bound = this.bound(queue);
      if (bound > most || (bound === most && best.campaign !== first && this.compare(queue, best) < 0)) {
        best = queue;
        most = bound;
      }
    }
    return best;
  }

  /** Which part of a campaign's work in this pool needs the model of this queue. */
  private bound(queue: Queue): number {
    let sum = 0;
    let own = 0;
    for (const other of this.pool.demandOf.get(queue.campaign.id) ?? []) {
      const ms = this.draft.ready(other) * (other.requirement.shardMs ?? USUAL_MS);
      sum += ms;
      if (other.requirement.affinity === queue.requirement.affinity) own += ms;
    }
    return own / sum;
  }

  /** The work that is due on a lane instead of its holder's. */
  private rival(lane: Lane, holder: Campaign): Rival | undefined {
    if (this.alone) return undefined;
    let best: Rival | undefined;
    for (const [id, queues] of this.pool.demandOf) {
      if (id === holder.id) continue;
      for (const queue of queues) {
        if (this.draft.ready(queue) <= (this.promised.get(queue) ?? 0)) continue;
        if (best && !this.isBetter(queue, best.queue, lane)) continue;
        const due = dueOn(this.draft, lane, holder, queue);
        if (!due || !this.pays(queue, lane) || !this.draft.offers(queue, lane.agent)) continue;
        if (!this.isOutranked(queue, lane)) best = { queue, due };
      }
    }
    return best;
  }

  /** Whether its tenant has work of higher priority for the lane: a lane that goes over to the tenant goes to that. */
  private isOutranked({ campaign }: Queue, lane: Lane): boolean {
    for (const queues of this.pool.demandOf.values()) {
      for (const queue of queues) {
        const { tenant, priority } = queue.campaign;
        if (tenant !== campaign.tenant || priority <= campaign.priority) break;
        if (this.draft.ready(queue) > 0 && this.pays(queue, lane) && this.draft.offers(queue, lane.agent))
          return true;
      }
    }
    return false;
  }

  /**
   * Work for another model, of which so much more is left for each lane that this one had better go over to it: so
   * models run out together, and not many lanes are left to load another at the end.
   */
  private shift(lane: Lane, holder: Queue): Queue | undefined {
    const { draft, pool } = this;
    const { campaign, requirement } = holder;
    const others = draft.slotsOn(requirement) - lane.slots;
    if (requirement.affinity === "" || others <= 0 || !isKnown(requirement, others)) return undefined;
    let most = (draft.ready(requirement) * (requirement.shardMs ?? USUAL_MS)) / others + this.loadMs;
    let best: Queue | undefined;
    for (const [model, queues] of pool.demand) {
      if (model === "" || model === requirement.affinity) continue;
      const [some] = queues;
      if (!some || this.perSlot(some, lane) < most) continue;
      if (!isKnown(some.requirement, draft.slotsOn(some.requirement))) continue;
      const queue = this.first(lane, [queues]);
      if (!queue) continue;
      const to = queue.campaign;
      // It would have to give the lane back.
      if (to !== campaign && givesWay(draft, pool.kind, to, campaign, SLOT * lane.slots)) continue;
      most = this.perSlot(queue, lane);
      best = queue;
    }
    return best;
  }

  /**
   * What a lane without work should load: of the campaigns that are about as much behind as those which cannot get more
   * otherwise, the model of which most is left.
   */
  private worthLoading(lane: Lane): Queue | undefined {
    const { draft, pool } = this;
    const slots = SLOT * lane.slots;
    let campaigns = [...pool.demandOf.keys()].flatMap((id) => {
      const campaign = this.spent.has(id) ? undefined : draft.standing.campaigns.get(id);
      return campaign ? [campaign] : [];
    });
    while (campaigns.length > 0) {
      const stuck = campaigns.filter((campaign) => !canGrow(draft, pool, campaign, slots));
      const first = firstOf(draft, pool.kind, stuck.length > 0 ? stuck : campaigns);
      const alike = campaigns.filter((campaign) => !givesWay(draft, pool.kind, campaign, first, slots));
      const best = this.mostLeft(lane, alike);
      if (best) return best;
      campaigns = campaigns.filter((campaign) => !alike.includes(campaign));
    }
    return undefined;
  }

  /** Of work that pays the one most is left of, of each tenant only what comes first by priority. */
  private mostLeft(lane: Lane, campaigns: readonly Campaign[]): Queue | undefined {
    const paying = new Map<string, Queue[]>();
    for (const { id, tenant, priority } of campaigns) {
      let pays = false;
      for (const queue of this.pool.demandOf.get(id) ?? []) {
        if (this.draft.ready(queue) === 0 || !this.pays(queue, lane)) continue;
        pays = true;
        if (!this.draft.offers(queue, lane.agent)) continue;
        const others = paying.get(tenant);
        const before = others?.[0]?.campaign.priority ?? priority;
        if (others && priority === before) others.push(queue);
        else if (!others || priority > before) paying.set(tenant, [queue]);
      }
      if (!pays) this.spent.add(id);
    }
    let best: Queue | undefined;
    for (const queues of paying.values()) {
      for (const queue of queues) {
        const more = best ? this.perSlot(queue, lane) - this.perSlot(best, lane) : 1;
        if (!best || more > 0 || (more === 0 && this.compare(queue, best) < 0)) best = queue;
      }
    }
    return best;
  }

  /**
   * Whether loading its model on one lane more is worth it: nobody is on it, or nobody knows how long its shards take,
   * or it waits too long, or the lane would work on it at least as long as loading takes.
   */
  private pays(queue: Queue, lane: Lane): boolean {
    const { requirement, sinceMs } = queue;
    if (requirement.affinity === "" || this.isWarm(lane, requirement.affinity)) return true;
    const { maxWaitMs } = this.draft.standing.options;
    if (requirement.shardMs === undefined || this.draft.nowMs - sinceMs > maxWaitMs) return true;
    return this.draft.slotsOn(requirement) === 0 || this.perSlot(queue, lane) >= this.loadMs * PAYS;
  }

  /** Work left for each slot if this lane had the model as well, ms. */
  private perSlot({ requirement }: Queue, lane: Lane): number {
    const ms = this.draft.ready(requirement) * (requirement.shardMs ?? USUAL_MS);
    return ms / (this.draft.slotsOn(requirement) + lane.slots);
  }

  private get loadMs(): number {
    const { maxWaitMs, loadMs } = this.draft.standing.options;
    return loadMs ?? maxWaitMs / 4;
  }

  /** Of campaigns the one that comes first, of its models the one most is left of. */
  private isBetter(a: Queue, b: Queue, lane: Lane): boolean {
    if (a.campaign !== b.campaign) return this.compare(a, b) < 0;
    const more = this.perSlot(a, lane) - this.perSlot(b, lane);
    return more === 0 ? byPlan(a, b) < 0 : more > 0;
  }

  private compare(a: Queue, b: Queue): number {
    if (a.campaign === b.campaign) return byPlan(a, b);
    return compare(this.draft, this.pool.kind, a.campaign, b.campaign);
  }

  private why(lane: Lane, { requirement: { affinity } }: Queue): AssignmentReason {
    if (affinity === "") return "no_load";
    return affinity === this.draft.model(lane) ? "stays" : "loaded";
  }

  private isWarm(lane: Lane, model: string): boolean {
    return this.draft.model(lane) === model || lane.warm.includes(model);
  }

  /** Whether only one campaign has work here. */
  private get alone(): boolean {
    return this.pool.demandOf.size === 1;
  }

  private has(model: string): boolean {
    for (const queue of this.pool.demand.get(model) ?? []) if (this.draft.ready(queue) > 0) return true;
    return false;
  }

  private ready(model: string): number {
    let sum = 0;
    for (const queue of this.pool.demand.get(model) ?? []) sum += this.draft.ready(queue);
    return sum;
  }
}

/** A load is worth it on a lane that will work on the model for so many times as long. */
const PAYS = 2;
const NONE: { lanes: readonly Lane[] } = { lanes: [] };

function firstOf(draft: Draft, kind: string, campaigns: readonly Campaign[]): Campaign {
  return campaigns.reduce((first, c) => (compare(draft, kind, c, first) < 0 ? c : first));
}

/** Whether enough shards ran to tell how long they take: those that end first are the short ones. */
const isKnown = ({ ran }: Requirement, slots: number): boolean => ran.shards >= Math.max(8, 2 * slots);

const byPlan = (a: Queue, b: Queue): number => {
  const [x, y] = [a, b].map(({ jobs, requirement }) => `${jobs[0]?.snapshot.job} ${requirement.key}`);
  return (x ?? "") < (y ?? "") ? -1 : 1;
};
