/** Other rules for the answers of a campaign: its suite with another parsing, other truth, metrics or thresholds. */
import type { Summary } from "../../shared/benchmark/summary.js";
import { planOf } from "../../shared/suites/prepare.js";
import type { CampaignParts } from "./parts.js";
import { type CampaignRequest, prepareRequest, refused } from "./request.js";

/**
 * The summary that the campaign would have by the suite of `request`, or by its own suite as this version scores it. Nothing
 * is asked of a model and nothing is stored. Throws not_found; invalid_argument for a suite that asks something else.
 */
export async function rescoreCampaign(
  parts: Pick<CampaignParts, "results"> & Parameters<typeof prepareRequest>[0],
  campaign: string,
  request: CampaignRequest | undefined,
): Promise<Summary> {
  if (request === undefined) return parts.results.rescore(campaign);
  const prepared = await prepareRequest(parts, request);
  if (!prepared.ok) throw refused(prepared);
  const { jobs, compat } = planOf(prepared, campaign);
  const items = Object.fromEntries(prepared.datasets.map((dataset) => [dataset.sha256, dataset.items]));
  return parts.results.rescore(campaign, { jobs, items, ...(compat === undefined ? {} : { compat }) });
}
