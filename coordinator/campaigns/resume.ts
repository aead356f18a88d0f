/** Going on with what an earlier leader had begun: planning, opening gates, sealing. Each may be repeated at any point. */
import { errorText } from "../../shared/runtime/errors.js";
import { detached } from "./background.js";
import { type CampaignEntry, isComplete, isEnded } from "./board.js";
import { campaignEvent, endIfAllEnded, finishJob, jobEvent, sealCampaign, sealJob } from "./lifecycle.js";
import type { CampaignParts } from "./parts.js";
import { openAndStart, planCampaign } from "./plan.js";
import { type CampaignRequest, prepareRequest } from "./submit.js";

/** Plans a SUBMITTED campaign again from its request, or starts a PLANNED one. */
export async function resumePlanning(parts: CampaignParts, entry: CampaignEntry): Promise<void> {
  if (entry.value.state.kind === "PLANNED") return openAndStart(parts, entry);
  try {
    const prepared = await prepareRequest(parts, entry.value.request as unknown as CampaignRequest);
    if (prepared.ok) return await planCampaign(parts, entry, prepared);
    const [first] = prepared.findings;
    await campaignEvent(parts, entry, { kind: "refuse", reason: `planning failed: ${first?.message ?? ""}` });
  } catch (error) {
    if (parts.store.lost.aborted || entry.value.state.kind !== "SUBMITTED") return;
    await campaignEvent(parts, entry, { kind: "refuse", reason: `planning failed: ${errorText(error)}` });
  }
}

/** Ends the jobs whose shards have all ended, seals what is to be sealed, and ends the campaign if that was all. */
export async function resumeSealing(parts: CampaignParts, entry: CampaignEntry): Promise<void> {
  const { state } = entry.value;
  if (state.kind === "SEALING") {
    for (const job of entry.jobs) {
      if (!isEnded(job.state)) jobEvent(parts, entry, job, { kind: "cancel", reason: state.reason });
    }
    return sealCampaign(parts, entry);
  }
  for (const job of entry.jobs) {
    if (job.state.kind === "SEALING") {
      detached(
        parts,
        sealJob(parts, entry, job).then(() => endIfAllEnded(parts, entry)),
      );
    } else if (!isEnded(job.state) && isComplete(job)) detached(parts, finishJob(parts, entry, job));
  }
  if (entry.jobs.every((job) => isEnded(job.state))) await endIfAllEnded(parts, entry);
}
