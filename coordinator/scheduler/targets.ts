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
import type { Requirement } from "./queues.js";
import type { Standing } from "./standing.js";

export interface Targets {
  /** Slots of all lanes of the pool's name that a campaign should have. */
  readonly campaigns: ReadonlyMap<string, number>;
  /** Slots of this pool that should be on a model, by model. */
  readonly models: ReadonlyMap<string, number>;
  /** The part of a campaign's slots here that should be on a model, by model and campaign. */
  readonly cells: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

/** Shard size aims at this. */
const USUAL_MS = 30_000;
const LASTING = Number(process.env["LASTING"] ?? 16);
/** Rounds of tilting; what is left of the difference then does not matter. */
const ROUNDS = 8;

/** A campaign in a pool. */
interface Member {
  readonly id: string;
  readonly tenant: string;
  readonly priority: number;
  /** Slots it has elsewhere. */
  readonly base: number;
  /** Slots it could use here. */
  demand: number;
  /** Slots it should have here. */
  slots: number;
  readonly work: Cell[];
  /** Of all its work here, ms. */
  leftMs: number;
}

/** Work of a campaign for a model. */
interface Cell {
  /** Which of the models. */
  readonly model: number;
  ms: number;
  slots: number;
}

export function targetsOf(standing: Standing, pool: Pool): Targets {
  const names = [...pool.demand.keys()].sort();
  const members = membersOf(standing, pool, names);
  const weights = standing.options.tenantWeights;
  divide(pool.slots, members, weights);
  spread(members, names.length);
  const campaigns = new Map(members.map(({ id, base, slots }) => [id, base + slots]));
  const cells = new Map(names.map((name) => [name, new Map<string, number>()]));
  for (const { id, work } of members)
    for (const { model, slots } of work) cells.get(names[model] ?? "")?.set(id, slots);
  const { maxWaitMs, loadMs = maxWaitMs / 4 } = standing.options;
  for (const member of members) member.demand = Math.min(member.demand, member.leftMs / (LASTING * loadMs));
  divide(pool.slots, members, weights);
  const models = spread(members, names.length);
  return { campaigns, cells, models: new Map(names.map((name, i) => [name, models[i] ?? 0])) };
}

function membersOf(standing: Standing, pool: Pool, names: readonly string[]): Member[] {
  const held = standing.shares.get(pool.kind);
  const members = new Map<string, Member>();
  const member = (id: string): Member | undefined => {
    const known = members.get(id);
    const campaign = known ?? standing.campaigns.get(id);
    if (known || !campaign) return known;
    const { tenant, priority } = campaign;
    const here = pool.shares.get(id) ?? 0;
    const base = ((held?.get(id) ?? 0) - here) / SLOT;
    const fresh = { id, tenant, priority, base, demand: here / SLOT, slots: 0, work: [], leftMs: 0 };
    members.set(id, fresh);
    return fresh;
  };
  for (const id of pool.shares.keys()) member(id);
  const usualMs = usualIn(pool);
  const at = new Map(names.map((name, i) => [name, i]));
  for (const { campaign, requirement, ready } of pool.queues.queues) {
    const own = member(campaign.id);
    if (!own) continue;
    const ms = ready * (measured(requirement, pool) ?? usualMs);
    const model = at.get(requirement.affinity) ?? 0;
    const cell = own.work.find((c) => c.model === model);
    if (cell) cell.ms += ms;
    else own.work.push({ model, ms, slots: 0 });
    own.leftMs += ms;
    own.demand = Math.min(pool.slots, own.demand + ready);
  }
  return [...members.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Of work that has not been measured a shard is thought to take as long as of the others. */
function usualIn(pool: Pool): number {
  let [n, ms] = [0, 0];
  const seen = new Set<Requirement>();
  for (const { requirement } of pool.queues.queues) {
    const shardMs = seen.has(requirement) ? undefined : measured(requirement, pool);
    seen.add(requirement);
    if (shardMs === undefined) continue;
    n++;
    ms += shardMs;
  }
  return n === 0 ? USUAL_MS : ms / n;
}

/** How long a shard takes, once enough ran: those that end first are the short ones. */
const measured = ({ ran, affinity, shardMs }: Requirement, pool: Pool): number | undefined =>
  ran.shards >= Math.max(8, 2 * (pool.slotsOn.get(affinity) ?? 0)) ? shardMs : undefined;

/** Invariant 1: sets the slots of each. */
function divide(slots: number, members: readonly Member[], weights?: ReadonlyMap<string, number>): void {
  const tenants = new Map<string, Part & { members: Member[] }>();
  for (const member of members) {
    const { tenant, base, demand } = member;
    const weight = weights?.get(tenant) ?? 1;
    const whole = tenants.get(tenant) ?? { base: 0, demand: 0, slots: 0, weight, members: [] };
    tenants.set(tenant, whole);
    whole.base += base;
    whole.demand += demand;
    whole.members.push(member);
  }
  pour(slots, [...tenants.values()]);
  for (const whole of tenants.values()) {
    const ranks = new Map<number, Member[]>();
    for (const member of whole.members) {
      const rank = ranks.get(member.priority);
      if (rank) rank.push(member);
      else ranks.set(member.priority, [member]);
    }
    let left = whole.slots;
    for (const [, rank] of [...ranks].sort(([a], [b]) => b - a)) {
      pour(left, rank);
      for (const member of rank) left = Math.max(0, left - member.slots);
    }
  }
}

interface Part {
  base: number;
  demand: number;
  readonly weight?: number;
  slots: number;
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
  const steps = parts.flatMap(({ base, demand, weight = 1 }) => [
    { level: base / weight, slope: weight },
    { level: (base + demand) / weight, slope: -weight },
  ]);
  steps.sort((a, b) => a.level - b.level);
  let [level, slope, left] = [steps[0]?.level ?? 0, 0, slots];
  for (const step of steps) {
    const more = (step.level - level) * slope;
    if (slope > 0 && more >= left) break;
    left -= more;
    level = step.level;
    slope += step.slope;
  }
  if (slope > 0) level += left / slope;
  for (const part of parts)
    part.slots = Math.min(part.demand, Math.max(0, level * (part.weight ?? 1) - part.base));
}

/** Invariant 2, by proportional fitting in which the shares have the last word; slots of each model. */
function spread(members: readonly Member[], models: number): Float64Array {
  const rows = members.filter(({ slots, work }) => slots > 0 && work.length > 0);
  for (const { slots, work } of members) if (slots === 0) for (const cell of work) cell.slots = 0;
  const due = new Float64Array(models);
  let [whole, slots] = [0, 0];
  for (const row of rows) {
    slots += row.slots;
    whole += row.leftMs;
    for (const { model, ms } of row.work) due[model] = (due[model] ?? 0) + ms;
  }
  const tilt = new Float64Array(models).fill(1);
  for (let round = 0; ; round++) {
    const has = new Float64Array(models);
    for (const row of rows) {
      let total = 0;
      for (const { model, ms } of row.work) total += ms * (tilt[model] ?? 1);
      for (const cell of row.work) {
        cell.slots = (row.slots * cell.ms * (tilt[cell.model] ?? 1)) / total;
        has[cell.model] = (has[cell.model] ?? 0) + cell.slots;
      }
    }
    if (round === ROUNDS || rows.length === 1) return has;
    for (let m = 0; m < models; m++) {
      const [own = 0, wanted = 0, by = 1] = [has[m], due[m], tilt[m]];
      if (own > 0) tilt[m] = (by * slots * wanted) / whole / own;
    }
  }
}
