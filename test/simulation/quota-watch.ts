/** What a tenant may have at once: open campaigns in the store, and attempts that a leader gives out. */
import type { Board } from "../../coordinator/campaigns/board.js";
import { type Tenants, tenantOf } from "../../coordinator/campaigns/quotas.js";
import type { CampaignValue } from "../../coordinator/store/values.js";
import { isTerminal } from "../../shared/domain/campaign.js";
import type { Fail } from "./violations.js";

export class QuotaWatch {
  constructor(
    private readonly tenants: Tenants,
    private readonly campaigns: ReadonlyMap<string, CampaignValue>,
    private readonly fail: Fail,
  ) {}

  /** A campaign was written. */
  stored(value: CampaignValue): void {
    const tenant = tenantOf(value);
    const most = this.tenants.get(tenant)?.maxCampaigns;
    if (most === undefined) return;
    const open = [...this.campaigns.values()].filter((c) => tenantOf(c) === tenant && !isTerminal(c.state));
    if (open.length > most) this.fail("quotas are kept", `${tenant} has ${open.length} open campaigns`);
  }

  /** A leader has given out one attempt more; what an agent came back with may be more than a quota. */
  given(board: Board, campaign: string): void {
    const value = board.campaign(campaign)?.value;
    const tenant = value && tenantOf(value);
    const most = tenant === undefined ? undefined : this.tenants.get(tenant)?.maxRunningShards;
    if (most === undefined) return;
    const own = board.list().filter((entry) => tenantOf(entry.value) === tenant);
    const now = own
      .flatMap(({ jobs }) => jobs)
      .reduce((sum, { inFlight, twins }) => sum + inFlight + twins.size, 0);
    if (now > most) this.fail("quotas are kept", `${tenant} is given an attempt more and has ${now}`);
  }
}
