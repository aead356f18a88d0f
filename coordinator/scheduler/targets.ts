/**
 * What campaigns and models should have of a pool's slots.
 *
 * 1. Tenants share the slots by weight, as far as each has work; a tenant's campaigns share its part strictly by
 *    priority, equal ones alike. What a campaign holds on other lanes of the same name counts as had already.
 * 2. A campaign's part goes to its models by the work left for them, tilted as far as shares allow so that all models
 *    here run out together: then few lanes have to change their model when a campaign ends.
 * 3. Lanes are not loaded for the sake of a share that will not last: for models, a campaign counts with no more slots
 *    than its work keeps busy for `LASTING` loads.
 *
 * All sums are in the order of names, so that equal snapshots give equal targets.
 */
import { type Pool, SLOT } from "./lanes.js";
import type { Layout } from "./layout.js";
import type { Campaign, Queue, Requirement } from "./queues.js";
import { USUAL_MS } from "./snapshot.js";
import type { Standing } from "./standing.js";

const LASTING = 16;
/** Rounds of tilting at most, and which part of the difference does not matter. */
const ROUNDS = 8;
const NEAR = 0.002;

interface Part {
  /** Slots it has elsewhere. */
  base: number;
  /** Slots it could use here. */
  demand: number;
  /** Slots it should have here. */
  slots: number;
  readonly weight: number;
}

interface Tenant extends Part {
  /** Slots its work could use here. */
  wanted: number;
  /** Slots its quota leaves it, with those elsewhere. */
  readonly most: number;
  /** Its campaigns by priority. */
  readonly ranks: Map<number, Part[]>;
}

export class Targets {
  private readonly layout: Layout;
  /** By row. */
  private readonly parts: Part[] = [];
  private readonly tenants = new Map<string, Tenant>();
  /** Slots that are divided. */
  private readonly slots: number;
  /** Work left by cell, and by row, ms. */
  private readonly ms: Float64Array;
  private readonly leftMs: number[] = [];
  /** The part of a campaign's slots here that should be on a model, by cell. */
  private readonly cells: Float64Array;
  /** By row: slots of all lanes of the pool's name that a campaign should have. */
  private readonly goals: number[];
  /** Slots of this pool that should be on a model. */
  private readonly models: Float64Array;

  constructor(standing: Standing, pool: Pool) {
    this.layout = pool.layout;
    this.ms = new Float64Array(this.layout.size);
    this.slots = pool.slots - this.count(standing, pool);
    this.measure(pool);
    this.divide();
    this.cells = new Float64Array(this.layout.size);
    const models = this.spread(this.cells);
    this.goals = this.parts.map(({ base, slots }) => base + slots);
    const { maxWaitMs, loadMs = maxWaitMs / 4 } = standing.options;
    this.models = this.shorten(LASTING * loadMs) ? this.spread(new Float64Array(this.layout.size)) : models;
  }

  /** Slots of all lanes of the pool's name that a campaign with work here should have. */
  ofCampaign(campaign: Campaign): number {
    return this.goals[this.layout.rowOf.get(campaign) ?? -1] ?? 0;
  }

  /** Slots of this pool that should be on a model that there is work for. */
  ofModel(model: string): number {
    return this.models[this.layout.models.indexOf(model)] ?? 0;
  }

  /** Slots of this pool that should be on a queue's model and its campaign's. */
  ofCell(queue: Queue): number {
    return this.cells[this.layout.cellOf.get(queue)?.at ?? -1] ?? 0;
  }

  /** Who holds what; slots here of campaigns that have no more work for them. */
  private count(standing: Standing, pool: Pool): number {
    const { tenantWeights, tenantLimits } = standing.options;
    const held = standing.shares.get(pool.kind);
    const tenantOf = ({ tenant }: Campaign): Tenant => {
      const known = this.tenants.get(tenant);
      if (known) return known;
      const weight = tenantWeights?.get(tenant) ?? 1;
      const most = tenantLimits?.get(tenant) ?? Number.POSITIVE_INFINITY;
      const fresh = { base: 0, demand: 0, slots: 0, wanted: 0, most, weight, ranks: new Map() };
      this.tenants.set(tenant, fresh);
      return fresh;
    };
    for (const { campaign } of this.layout.rows) {
      const here = pool.shares.get(campaign.id) ?? 0;
      const base = ((held?.get(campaign.id) ?? 0) - here) / SLOT;
      const part = { base, demand: here / SLOT, slots: 0, weight: 1 };
      this.parts.push(part);
      const tenant = tenantOf(campaign);
      tenant.base += base;
      const rank = tenant.ranks.get(campaign.priority);
      if (rank) rank.push(part);
      else tenant.ranks.set(campaign.priority, [part]);
    }
    let others = 0;
    for (const [id, slots] of held ?? []) {
      const campaign = standing.campaigns.get(id);
      if (!campaign || this.layout.rowOf.has(campaign)) continue;
      const tenant = this.tenants.get(campaign.tenant);
      if (tenant) tenant.base += slots / SLOT;
      others += pool.shares.get(id) ?? 0;
    }
    return others / SLOT;
  }

  /** How much is left of everything, and how many slots could work on it. */
  private measure(pool: Pool): void {
    const times = timesIn(pool, this.layout.requirements);
    this.layout.rows.forEach(({ campaign, cells }, row) => {
      const part = this.parts[row];
      let left = 0;
      for (const { at, queues } of cells) {
        let ms = 0;
        for (const { ready, requirement } of queues) {
          ms += ready * (times.get(requirement) ?? USUAL_MS);
          if (part) part.demand += ready;
        }
        this.ms[at] = ms;
        left += ms;
      }
      this.leftMs[row] = left;
      if (!part) return;
      part.demand = Math.min(part.demand, pool.slots);
      const tenant = this.tenants.get(campaign.tenant);
      if (tenant) tenant.wanted += part.demand;
    });
  }

  /** Invariant 1. */
  private divide(): void {
    for (const tenant of this.tenants.values())
      tenant.demand = Math.min(tenant.wanted, Math.max(0, tenant.most - tenant.base));
    pour(this.slots, [...this.tenants.values()]);
    for (const { slots, ranks } of this.tenants.values()) {
      let left = slots;
      for (const [, rank] of [...ranks].sort(([a], [b]) => b - a)) {
        pour(left, rank);
        for (const part of rank) left = Math.max(0, left - part.slots);
      }
    }
  }

  /** Invariant 3: divides anew as if campaigns that end soon could use less; false if there are none. */
  private shorten(lastingMs: number): boolean {
    let less = false;
    this.layout.rows.forEach(({ campaign }, row) => {
      const part = this.parts[row];
      const most = (this.leftMs[row] ?? 0) / lastingMs;
      if (!part || part.demand <= most) return;
      const tenant = this.tenants.get(campaign.tenant);
      if (tenant) tenant.wanted -= part.demand - most;
      part.demand = most;
      less = true;
    });
    if (less) this.divide();
    return less;
  }

  /** Invariant 2, by proportional fitting in which the shares have the last word: fills in cells; slots of each model. */
  private spread(cells: Float64Array): Float64Array {
    const { models, rows } = this.layout;
    const due = new Float64Array(models.length);
    let [whole, slots] = [0, 0];
    rows.forEach((row, at) => {
      const part = this.parts[at]?.slots ?? 0;
      if (part <= 0) return;
      slots += part;
      whole += this.leftMs[at] ?? 0;
      for (const cell of row.cells) due[cell.model] = (due[cell.model] ?? 0) + (this.ms[cell.at] ?? 0);
    });
    const tilt = new Float64Array(models.length).fill(1);
    for (let round = 0; ; round++) {
      const has = new Float64Array(models.length);
      for (let at = 0; at < rows.length; at++) {
        const part = this.parts[at]?.slots ?? 0;
        const row = rows[at]?.cells ?? [];
        let total = 0;
        for (const cell of row) total += (this.ms[cell.at] ?? 0) * (tilt[cell.model] ?? 1);
        for (const cell of row) {
          const own = total > 0 ? (part * (this.ms[cell.at] ?? 0) * (tilt[cell.model] ?? 1)) / total : 0;
          cells[cell.at] = own;
          has[cell.model] = (has[cell.model] ?? 0) + own;
        }
      }
      let worst = 0;
      for (let model = 0; model < models.length; model++) {
        const own = has[model] ?? 0;
        if (own === 0) continue;
        const by = (slots * (due[model] ?? 0)) / whole / own;
        tilt[model] = (tilt[model] ?? 1) * by;
        worst = Math.max(worst, Math.abs(by - 1));
      }
      if (worst < NEAR || round === ROUNDS || rows.length === 1) return has;
    }
  }
}

/**
 * How long shards take, ms; of work that has not been measured they are thought to take as long as the others. Measured is
 * where enough ran: those that end first are the short ones.
 */
function timesIn(pool: Pool, requirements: readonly Requirement[]): Map<Requirement, number> {
  const times = new Map<Requirement, number>();
  let sum = 0;
  for (const requirement of requirements) {
    const { ran, affinity, shardMs } = requirement;
    if (shardMs === undefined || ran.shards < Math.max(8, 2 * (pool.slotsOn.get(affinity) ?? 0))) continue;
    times.set(requirement, shardMs);
    sum += shardMs;
  }
  const usualMs = times.size === 0 ? USUAL_MS : sum / times.size;
  for (const requirement of requirements) if (!times.has(requirement)) times.set(requirement, usualMs);
  return times;
}

/**
 * Divides slots so that all that want more have the same for their weight, with what they have elsewhere, as if poured
 * over all of them like water.
 */
export function pour(slots: number, parts: readonly Part[]): void {
  const wanted = parts.reduce((sum, { demand }) => sum + demand, 0);
  if (wanted <= slots) {
    for (const part of parts) part.slots = part.demand;
    return;
  }
  const at = (level: number): number => {
    let sum = 0;
    for (const part of parts) sum += share(part, level);
    return sum;
  };
  // It is a straight line from one of these levels to the next.
  const levels = new Float64Array(2 * parts.length);
  parts.forEach(({ base, demand, weight }, i) => {
    levels[2 * i] = base / weight;
    levels[2 * i + 1] = (base + demand) / weight;
  });
  levels.sort();
  let [low, high] = [0, levels.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (at(levels[middle] ?? 0) <= slots) low = middle;
    else high = middle;
  }
  const [from = 0, to = 0] = [levels[low], levels[high]];
  const less = at(from);
  const level = from + ((to - from) * (slots - less)) / (at(to) - less);
  for (const part of parts) part.slots = share(part, level);
}

const share = ({ base, demand, weight }: Part, level: number): number =>
  Math.min(demand, Math.max(0, level * weight - base));
