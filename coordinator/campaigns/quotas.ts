/**
 * Tenants: whose a campaign is, the share it has of the fleet, and how much it may have of it at once. Weights and quotas
 * come from the configuration.
 *
 * 1. A quota refuses what is new; what was accepted or given out goes on.
 * 2. No more campaigns of a tenant are open than its quota says, also when several are submitted at once: each counts
 *    from the moment it is looked at, as on its way until it is on the board.
 */
import { count } from "../../shared/benchmark/count.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { bump } from "../scheduler/lanes.js";
import { DEFAULT_TENANT } from "../scheduler/snapshot.js";
import { type Board, isEnded } from "./board.js";

export interface TenantTerms {
  /** Share beside the other tenants. */
  weight: number;
  /** Campaigns that have not ended; undefined for as many as they like. */
  maxCampaigns: number | undefined;
  /** Shards on nodes at once, those that wait there included; undefined for as many as there is room for. */
  maxRunningShards: number | undefined;
}

/** By name; a tenant that is not named has weight 1 and no quota. */
export type Tenants = ReadonlyMap<string, TenantTerms>;

export const tenantOf = ({ tenant = DEFAULT_TENANT }: { tenant?: string | undefined }): string => tenant;

export class CampaignQuotas {
  /** Campaigns on their way to the store, by tenant. */
  private readonly coming = new Map<string, number>();

  constructor(
    private readonly tenants: Tenants,
    private readonly board: Pick<Board, "list">,
  ) {}

  /**
   * Stores one more campaign of a tenant; `store` calls `listed` in the step in which it is on the board. Throws
   * resource_exhausted when its quota is used up, and what `store` throws.
   */
  async within<T>(tenant: string, store: (listed: () => void) => Promise<T>): Promise<T> {
    const most = this.tenants.get(tenant)?.maxCampaigns;
    if (most === undefined) return store(() => {});
    const coming = this.coming.get(tenant) ?? 0;
    const open = this.board
      .list()
      .filter(({ value }) => tenantOf(value) === tenant && !isEnded(value.state)).length;
    if (open + coming >= most) {
      const what = `tenant ${tenant} has ${count(open + coming, "campaign")} that have not ended`;
      throw new SaiError("resource_exhausted", `${what}, its quota max_campaigns is ${most}`, {
        hint: `wait until one has ended, or raise coordinator.tenants.${tenant}.max_campaigns`,
      });
    }
    this.coming.set(tenant, coming + 1); // invariant 2
    let isComing = true;
    const arrived = () => {
      if (isComing) bump(this.coming, tenant, -1);
      isComing = false;
    };
    try {
      return await store(arrived);
    } finally {
      arrived();
    }
  }
}
