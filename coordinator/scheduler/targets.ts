/**
 * What campaigns and models should have of a pool's slots.
 *
 * 1. Tenants share the slots by weight, as far as each has work; a tenant's campaigns share its part strictly by
 *    priority, equal ones alike. What a campaign holds on other lanes of the same name counts as had already.
 * 2. A campaign's part goes to its models by the work left for them, tilted as far as shares allow so that all models
 *    here run out together: then few lanes have to change their model when a campaign ends.
 *
 * All sums are in the order of names, so that equal snapshots give equal targets.
 */
import { type Pool, SLOT } from "./lanes.js";
import type { Requirement } from "./queues.js";
import type { Standing } from "./standing.js";

/** Shard size aims at this. */
const USUAL_MS = 30_000;
/** Only work that lasts for so many loads on the slots it should have makes lanes load for it. */
const LASTING = Number(process.env["LASTING"] ?? 8);
/** Rounds of tilting; what is left of the difference then does not matter. */
const ROUNDS = 8;

export interface Targets {
  /** Slots of all lanes of the pool's name that a campaign should have. */
  readonly campaigns: ReadonlyMap<string, number>;
  /** Slots of this pool that should be on a model. */
  readonly models: ReadonlyMap<string, number>;
  /** The part of it that each campaign should have. */
  readonly cells: ReadonlyMap<string, ReadonlyMap<string, number>>;
}

interface Part {
  readonly id: string;
  /** Slots it has elsewhere. */
  readonly base: number;
  /** Slots it could use here. */
  readonly demand: number;
}

interface Member extends Part {
  readonly priority: number;
}

/** Work of a campaign for a model. */
interface Cell {
  readonly campaign: string;
  readonly model: string;
  readonly ms: number;
}

export function targetsOf(standing: Standing, pool: Pool): Targets {
  const slots = divide(standing, pool, () => Number.POSITIVE_INFINITY);
  const campaigns = new Map([...slots].map(([id, part]) => [id, part.base + part.here]));
  const cells = workIn(pool);
  const left = new Map<string, number>();
  for (const { campaign, ms } of cells) left.set(campaign, (left.get(campaign) ?? 0) + ms);
  const { maxWaitMs, loadMs = maxWaitMs / 4 } = standing.options;
  const lasting = divide(standing, pool, (id) => (left.get(id) ?? 0) / (LASTING * loadMs));
  const pulls = new Map([...lasting].filter(([, { here }]) => here > 0).map(([id, { here }]) => [id, here]));
  return { campaigns, ...spread(cells.filter(({ campaign }) => pulls.has(campaign)), (id) => pulls.get(id) ?? 0) };
}

/** Invariant 1. */
function divide(
  standing: Standing,
  pool: Pool,
  limit: (campaign: string) => number,
): Map<string, { base: number; here: number }> {
  const ready = new Map<string, number>();
  for (const { campaign, ready: n } of pool.queues.queues) ready.set(campaign.id, (ready.get(campaign.id) ?? 0) + n);
  const tenants = new Map<string, Member[]>();
  const bases = new Map<string, number>();
  for (const id of [...new Set([...ready.keys(), ...pool.shares.keys()])].sort()) {
    const campaign = standing.campaigns.get(id);
    if (!campaign) continue;
    const held = pool.shares.get(id) ?? 0;
    const base = ((standing.shares.get(pool.kind)?.get(id) ?? 0) - held) / SLOT;
    const demand = Math.min(pool.slots, held / SLOT + (ready.get(id) ?? 0), limit(id));
    bases.set(id, base);
    const members = tenants.get(campaign.tenant) ?? [];
    tenants.set(campaign.tenant, members);
    members.push({ id, base, demand, priority: campaign.priority });
  }
  const whole = [...tenants].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, members]) => ({
    ...{ id, base: sum(members, "base"), demand: sum(members, "demand") },
    weight: standing.options.tenantWeights?.get(id) ?? 1,
  }));
  const out = new Map<string, { base: number; here: number }>();
  for (const [tenant, has] of fill(pool.slots, whole)) {
    const members = tenants.get(tenant) ?? [];
    let left = has;
    for (const priority of [...new Set(members.map((m) => m.priority))].sort((a, b) => b - a)) {
      const equals = members.filter((m) => m.priority === priority).map((m) => ({ ...m, weight: 1 }));
      for (const [id, here] of fill(left, equals)) {
        out.set(id, { base: bases.get(id) ?? 0, here });
        left = Math.max(0, left - here);
      }
    }
  }
  return out;
}

const sum = <K extends string>(parts: readonly Record<K, number>[], key: K): number =>
  parts.reduce((total, part) => total + part[key], 0);

/**
 * Divides slots so that all that want more have the same for their weight, with what they have elsewhere, as if poured
 * over all of them like water.
 */
export function fill(slots: number, parts: readonly (Part & { weight: number })[]): Map<string, number> {
  if (sum(parts, "demand") <= slots) return new Map(parts.map(({ id, demand }) => [id, demand]));
  const steps = parts.flatMap(({ base, demand, weight }) => [
    { level: base / weight, slope: weight },
    { level: (base + demand) / weight, slope: -weight },
  ]);
  steps.sort((a, b) => a.level - b.level);
  let [level, slope, left] = [steps[0]?.level ?? 0, 0, slots];
  for (const step of steps) {
    const more = (step.level - level) * slope;
    if (more >= left && slope > 0) break;
    left -= more;
    level = step.level;
    slope += step.slope;
  }
  if (slope > 0) level += left / slope;
  return new Map(
    parts.map(({ id, base, demand, weight }) => [id, Math.min(demand, Math.max(0, level * weight - base))]),
  );
}

/** Work left by campaign and model, in the order of names. */
function workIn(pool: Pool): Cell[] {
  const { queues } = pool.queues;
  const known = [...new Set(queues.map(({ requirement }) => requirement))].filter((r) => isKnown(r, pool));
  const usualMs = known.length === 0 ? USUAL_MS : known.reduce((ms, r) => ms + (r.shardMs ?? 0), 0) / known.length;
  const cells = new Map<string, Cell>();
  for (const { campaign, requirement, ready } of queues) {
    const model = requirement.affinity;
    const key = `${campaign.id}\n${model}`;
    const ms = ready * ((isKnown(requirement, pool) ? requirement.shardMs : undefined) ?? usualMs);
    cells.set(key, { campaign: campaign.id, model, ms: ms + (cells.get(key)?.ms ?? 0) });
  }
  return [...cells.values()];
}

/** Whether enough shards ran to tell how long they take: those that end first are the short ones. */
const isKnown = ({ ran, affinity }: Requirement, pool: Pool): boolean =>
  ran.shards >= Math.max(8, 2 * (pool.slotsOn.get(affinity) ?? 0));

/** Invariant 2: proportional fitting, with the shares as the side that is kept. */
function spread(
  cells: readonly Cell[],
  slotsOf: (campaign: string) => number,
): Pick<Targets, "models" | "cells"> {
  const campaigns = new Map<string, Cell[]>();
  const work = new Map<string, number>();
  let whole = 0;
  for (const cell of cells) {
    const row = campaigns.get(cell.campaign);
    if (row) row.push(cell);
    else campaigns.set(cell.campaign, [cell]);
    work.set(cell.model, (work.get(cell.model) ?? 0) + cell.ms);
    whole += cell.ms;
  }
  const rows = [...campaigns].map(([id, row]) => ({ id, slots: slotsOf(id), row }));
  const slots = sum(rows, "slots");
  const tilt = new Map([...work.keys()].map((model) => [model, 1]));
  for (let round = 0; ; round++) {
    const parts = new Map([...work.keys()].map((model) => [model, new Map<string, number>()]));
    const models = new Map([...work.keys()].map((model) => [model, 0]));
    for (const { id, slots: part, row } of rows) {
      const total = row.reduce((t, { model, ms }) => t + ms * (tilt.get(model) ?? 1), 0);
      for (const { model, ms } of row) {
        const own = (part * ms * (tilt.get(model) ?? 1)) / total;
        models.set(model, (models.get(model) ?? 0) + own);
        parts.get(model)?.set(id, own);
      }
    }
    if (round >= ROUNDS || rows.length === 1) return { models, cells: parts };
    for (const [model, ms] of work) {
      const has = models.get(model) ?? 0;
      if (has > 0) tilt.set(model, ((tilt.get(model) ?? 1) * slots * ms) / whole / has);
    }
  }
}
