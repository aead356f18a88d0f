/**
 * Who comes first, and when a lane leaves the work it has a model for.
 *
 * Tenants share the slots of a kind of lane by their weights; within a tenant higher priority goes first, and campaigns
 * of equal priority share alike. A share is counted in slots held now (so over time in slot-seconds), not in shards.
 * Where no load is in the way, who has least goes first.
 *
 * Changing a model costs a load, so a lane stays with a campaign until another is due:
 * - its own tenant has work of higher priority; or
 * - the other cannot get more where its models are, and would, with the lane, still hold no more than two thirds of what
 *   the campaign holds besides it (one lane aside; so lanes change hands seldom, and not to and fro); or
 * - the other holds nothing where it could run and waited longer than `maxWaitMs`, and the lane had the model as long:
 *   where there are more campaigns than lanes they take turns.
 */
import type { Draft } from "./draft.js";
import { type Lane, type Pool, SLOT } from "./lanes.js";
import type { Campaign, Queue } from "./queues.js";

/** Why a campaign may take a lane over. */
export type Due = "priority" | "share" | "waited";

/** Negative if `a` comes before `b` on lanes of this name; never 0 for different campaigns. */
export function compare(draft: Draft, kind: string, a: Campaign, b: Campaign): number {
  if (a.tenant !== b.tenant) {
    const [x, y] = [a, b].map(({ tenant }) => draft.tenantShare(kind, tenant) / weight(draft, tenant));
    return (x ?? 0) - (y ?? 0) || (a.tenant < b.tenant ? -1 : 1);
  }
  return (
    b.priority - a.priority ||
    draft.share(kind, a) - draft.share(kind, b) ||
    a.createdMs - b.createdMs ||
    (a.id < b.id ? -1 : 1)
  );
}

/**
 * Whether `a` has so much more than `b` that it gives way to it by `slots` even if that costs a load. Without load
 * `compare` decides. `less` is what `a` has on the lane in question.
 */
export function givesWay(
  draft: Draft,
  kind: string,
  a: Campaign,
  b: Campaign,
  slots: number,
  less: { campaign: number; tenant: number } = NOTHING,
): boolean {
  if (a.tenant !== b.tenant) {
    const has = draft.tenantShare(kind, a.tenant) - less.tenant;
    const counts = (has - spared(has, slots)) / weight(draft, a.tenant);
    return counts >= (draft.tenantShare(kind, b.tenant) + slots) / weight(draft, b.tenant);
  }
  if (a.priority !== b.priority) return b.priority > a.priority;
  const has = draft.share(kind, a) - less.campaign;
  return has - spared(has, slots) >= draft.share(kind, b) + slots;
}
const NOTHING = { campaign: 0, tenant: 0 };

/** What somebody may have more than others before lanes change their models for it: a third, in whole lanes. */
const spared = (has: number, slots: number): number => Math.floor(has / 3 / slots) * slots;

/** Whether `queue` may take a lane over from `holder`, which has work for the model the lane is on. */
export function dueOn(draft: Draft, lane: Lane, holder: Campaign, queue: Queue): Due | undefined {
  const { campaign } = queue;
  const { kind } = lane.pool;
  const slots = SLOT * lane.slots;
  if (campaign.tenant === holder.tenant && campaign.priority !== holder.priority)
    return campaign.priority > holder.priority ? "priority" : undefined;
  const less = { campaign: draft.part(lane, holder.id), tenant: draft.tenantPart(lane, holder.tenant) };
  if (givesWay(draft, kind, holder, campaign, slots, less) && !canGrow(draft, lane.pool, campaign, slots))
    return "share";
  const mayWait = campaign.tenant === holder.tenant || draft.tenantShare(kind, campaign.tenant) === 0;
  return mayWait && waitedLong(draft, lane, queue) ? "waited" : undefined;
}

/**
 * Whether a campaign will get more in a pool without any load: lanes that are on one of its models are held by others
 * who have more, and go to it when they are free.
 */
export function canGrow(draft: Draft, pool: Pool, campaign: Campaign, slots: number): boolean {
  for (const queue of pool.demandOf.get(campaign.id) ?? []) {
    if (draft.ready(queue) === 0) continue;
    for (const { kind, heldOn } of queue.requirement.pools) {
      if (kind !== pool.kind) continue;
      for (const id of heldOn.get(queue.requirement.affinity)?.keys() ?? []) {
        const other = id === campaign.id ? undefined : draft.standing.campaigns.get(id);
        if (!other || (other.tenant === campaign.tenant && other.priority !== campaign.priority)) continue;
        if (givesWay(draft, kind, other, campaign, slots)) return true;
      }
    }
  }
  return false;
}

function waitedLong(draft: Draft, lane: Lane, queue: Queue): boolean {
  const { maxWaitMs } = draft.standing.options;
  const sinceMs = lane.now.modelSinceMs ?? Number.NEGATIVE_INFINITY;
  return draft.nowMs - queue.sinceMs > maxWaitMs && draft.nowMs - sinceMs > maxWaitMs && !draft.holds(queue);
}

/** Whether work waited so long that it goes first whatever its priority. */
export function hasStarved(draft: Draft, queue: Queue): boolean {
  return draft.nowMs - queue.sinceMs > starvedAfterMs(draft) && !draft.holds(queue);
}

export const starvedAfterMs = ({ standing: { options } }: Draft): number =>
  options.starvedAfterMs ?? 5 * options.maxWaitMs;

const weight = ({ standing: { options } }: Draft, tenant: string): number =>
  options.tenantWeights?.get(tenant) ?? 1;
