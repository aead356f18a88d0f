/** What a leader gives out of a campaign with a budget: nothing once it is stopped, and no more than is left of it. */
import type { Board } from "../../coordinator/campaigns/board.js";
import type { CampaignValue } from "../../coordinator/store/values.js";
import type { Fail } from "./violations.js";
import { MOST_SHARDS } from "./workload.js";

export class BudgetWatch {
  constructor(
    private readonly campaigns: ReadonlyMap<string, CampaignValue>,
    private readonly fail: Fail,
  ) {}

  /** A leader has given out one attempt more; `leads`: nobody leads after it, so that agents listen to it. */
  given(board: Board, campaign: string, leads: boolean): void {
    const entry = board.campaign(campaign);
    if (entry === undefined) return;
    const stopped = this.campaigns.get(campaign)?.stopped;
    if (stopped !== undefined && leads)
      this.fail("budgets are kept", `an attempt of ${campaign} is given out: ${stopped.reason}`);
    const most = MOST_SHARDS.get(entry.value.name);
    if (most === undefined) return;
    let shards = 0;
    for (const { done, inFlight, twins } of entry.jobs) {
      for (const { kind } of done.values()) shards += Number(kind === "result");
      shards += inFlight + twins.size;
    }
    if (shards > most)
      this.fail("budgets are kept", `${shards} shards of ${campaign} ran or run, its budget is for ${most}`);
  }
}
