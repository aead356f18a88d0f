/**
 * What a quota leaves, divided among its tenant's campaigns before lanes are filled. The quota is one number for all pools
 * and models, and mostly one shard of it is free at a time: without a division whoever comes first in the order of pools
 * would take that one each time.
 *
 * 1. Higher priority first, over all pools; equal campaigns so that each has the same on nodes.
 * 2. A campaign claims what could run at once, and the slots that it is due where other tenants keep all lanes busy: what
 *    it is due is kept for it until a lane there is free, but not for a campaign that got nothing for long.
 * 3. What only waits in agents is divided last, from what those claims leave.
 * 4. Who leaves a part of it unused although slots are free is passed over, and it is divided again; so nothing of a quota
 *    stays unused while there is work that a free slot could take.
 *
 * A tenant all of whose work fits into its quota is not divided, and costs nothing here; neither does one whose quota is
 * used up.
 */
import type { Draft } from "./draft.js";
import type { Pool } from "./lanes.js";
import type { Campaign } from "./queues.js";
import { pour } from "./targets.js";

/** Times that a quota is divided again in a plan; after that it is first come, first served. */
const ROUNDS = 8;
/** Sums of parts of slots may miss a whole number by so much. */
const NEAR = 1e-6;

export class Division {
  /** Shards that campaigns may still be given, of tenants that are divided. */
  private readonly parts = new Map<string, Map<Campaign, number>>();
  /** Invariant 4. */
  private readonly passed = new Set<Campaign>();
  private rounds = 0;

  constructor(private readonly draft: Draft) {}

  /** Shards that a campaign may still be given, as far as its tenant's quota leaves them. */
  partOf(campaign: Campaign): number {
    const parts = this.parts.get(campaign.tenant);
    return parts === undefined ? Number.POSITIVE_INFINITY : (parts.get(campaign) ?? 0);
  }

  spend(campaign: Campaign, n: number): void {
    const parts = this.parts.get(campaign.tenant);
    parts?.set(campaign, Math.max(0, (parts.get(campaign) ?? 0) - n));
  }

  /** Divides what quotas leave. */
  begin(): void {
    for (const tenant of this.draft.standing.options.tenantLimits?.keys() ?? []) {
      const left = this.draft.quotaLeft(tenant);
      const wanting = left === 0 ? [] : this.wanting(tenant);
      if (wanting.length < 2) continue;
      const wanted = wanting.reduce((sum, campaign) => sum + this.draft.ready(campaign), 0);
      if (wanted > left) this.parts.set(tenant, this.claims(wanting, left).parts);
    }
  }

  /** Divides again what is not used (invariant 4); false if there is nothing. */
  again(): boolean {
    let changed = false;
    for (const [tenant, parts] of this.parts) {
      const left = this.draft.quotaLeft(tenant);
      const wanting = left === 0 ? [] : this.wanting(tenant);
      const finds = wanting.filter((campaign) => !this.passed.has(campaign) && this.idle(campaign) > 0);
      const stuck = finds.filter((campaign) => (parts.get(campaign) ?? 0) > 0);
      const unspent = [...parts.values()].reduce((sum, n) => sum + n, 0);
      if (stuck.length === finds.length || (stuck.length === 0 && left <= unspent)) continue;
      for (const campaign of stuck) this.passed.add(campaign); // without any, who finds one had too small a part
      changed = true;
      if (++this.rounds > ROUNDS) this.parts.delete(tenant);
      else this.parts.set(tenant, this.claims(wanting, left).parts);
    }
    return changed;
  }

  /** Adds what may wait in agents (invariant 3). */
  ahead(): void {
    for (const tenant of this.parts.keys()) {
      const left = this.draft.quotaLeft(tenant);
      if (left === 0) continue;
      const wanting = this.wanting(tenant);
      const { parts, rest } = this.claims(wanting, left);
      this.pourInto(parts, wanting, rest, (campaign) => {
        const most = this.room(campaign, (pool) => this.draft.room(pool).credits);
        return Math.max(0, most - (parts.get(campaign) ?? 0));
      });
      this.parts.set(tenant, parts);
    }
  }

  /** From now on only quotas count. */
  end(): void {
    this.parts.clear();
  }

  private wanting(tenant: string): Campaign[] {
    return this.draft.standing.campaignsOf(tenant).filter((campaign) => this.draft.ready(campaign) > 0);
  }

  /** Invariant 2: parts, and what they leave. */
  private claims(wanting: readonly Campaign[], left: number): { parts: Map<Campaign, number>; rest: number } {
    const parts = new Map<Campaign, number>();
    const rest = this.pourInto(parts, wanting, left, (campaign) => {
      if (this.passed.has(campaign)) return 0;
      return Math.min(this.draft.ready(campaign), Math.max(this.idle(campaign), this.due(campaign)));
    });
    return { parts, rest };
  }

  /** Invariant 1: adds to parts what campaigns could use; what is left then. */
  private pourInto(
    parts: Map<Campaign, number>,
    wanting: readonly Campaign[],
    left: number,
    mostOf: (campaign: Campaign) => number,
  ): number {
    let rest = left;
    for (const rank of ranksOf(wanting)) {
      if (rest === 0) break; // what lower ones could use need not be known
      const claims = rank.map((campaign) => {
        const base = campaign.attempts + this.draft.takenOf(campaign) + (parts.get(campaign) ?? 0);
        return { campaign, base, demand: mostOf(campaign), slots: 0, weight: 1 };
      });
      pour(rest, claims);
      const whole = claims.map(({ slots }) => Math.floor(slots + NEAR));
      rest -= whole.reduce((sum, n) => sum + n, 0);
      const rests = claims.map((claim, i) => ({ i, claim, over: claim.slots - (whole[i] ?? 0) }));
      for (const { i } of rests.filter(({ over }) => over > NEAR).sort(this.byTurn)) {
        if (rest === 0) break;
        whole[i] = (whole[i] ?? 0) + 1;
        rest--;
      }
      claims.forEach(({ campaign }, i) => {
        parts.set(campaign, (parts.get(campaign) ?? 0) + (whole[i] ?? 0));
      });
    }
    return rest;
  }

  /** Who gets one that cannot be parted: what waited for long; then what need not be loaded; then what waits longest. */
  private readonly byTurn = (
    a: { claim: { campaign: Campaign }; over: number },
    b: { claim: { campaign: Campaign }; over: number },
  ): number => {
    if (Math.abs(a.over - b.over) > NEAR) return b.over - a.over;
    const [x, y] = [a.claim.campaign, b.claim.campaign];
    return (
      Number(this.waitedMs(y) > this.maxWaitMs) - Number(this.waitedMs(x) > this.maxWaitMs) ||
      Number(this.isWarm(y)) - Number(this.isWarm(x)) ||
      this.waitedMs(y) - this.waitedMs(x) ||
      x.createdMs - y.createdMs ||
      (x.id < y.id ? -1 : 1)
    );
  };

  /** Shards of a campaign that could run at once. */
  private idle(campaign: Campaign): number {
    return this.room(campaign, (pool) => this.draft.room(pool).idle);
  }

  /** Slots that it should have and has not; none when it got nothing for long: it seems that it cannot use them. */
  private due(campaign: Campaign): number {
    const waitedMs = this.waitedMs(campaign);
    if (waitedMs > 2 * this.maxWaitMs) return 0;
    let due = 0;
    for (const pool of poolsOf(campaign)) {
      const has = this.draft.share(pool.kind, campaign.id);
      due += Math.max(0, this.draft.targets(pool).ofCampaign(campaign) - has);
    }
    return Math.max(Math.floor(due + NEAR), Number(waitedMs > this.maxWaitMs && due > NEAR));
  }

  /** Shards of a campaign for which there is room in pools. */
  private room(campaign: Campaign, roomIn: (pool: Pool) => number): number {
    let ready = 0;
    for (const queue of campaign.queues) {
      const left = this.draft.ready(queue);
      if (left > 0 && queue.requirement.pools.some((pool) => roomIn(pool) > 0)) ready += left;
    }
    if (ready === 0) return 0;
    let room = 0;
    for (const pool of poolsOf(campaign)) room += roomIn(pool);
    return Math.min(ready, room);
  }

  private isWarm(campaign: Campaign): boolean {
    for (const { ready, requirement } of campaign.queues) {
      const { affinity, pools } = requirement;
      if (
        ready > 0 &&
        pools.some(({ idle }) => (affinity === "" ? idle.all.lanes.length > 0 : idle.byModel.has(affinity)))
      )
        return true;
    }
    return false;
  }

  private waitedMs({ queues }: Campaign): number {
    let ms = Number.NEGATIVE_INFINITY;
    for (const { sinceMs } of queues) ms = Math.max(ms, sinceMs);
    return this.draft.nowMs - ms;
  }

  private get maxWaitMs(): number {
    return this.draft.standing.options.maxWaitMs;
  }
}

/** Where a campaign has work that fits. */
function poolsOf(campaign: Campaign): Set<Pool> {
  const pools = new Set<Pool>();
  for (const { ready, requirement } of campaign.queues)
    if (ready > 0) for (const pool of requirement.pools) pools.add(pool);
  return pools;
}

/** Campaigns of equal priority, the highest first. */
function ranksOf(campaigns: readonly Campaign[]): Campaign[][] {
  const ranks = new Map<number, Campaign[]>();
  for (const campaign of campaigns) {
    const rank = ranks.get(campaign.priority);
    if (rank) rank.push(campaign);
    else ranks.set(campaign.priority, [campaign]);
  }
  return [...ranks].sort(([a], [b]) => b - a).map(([, rank]) => rank);
}
