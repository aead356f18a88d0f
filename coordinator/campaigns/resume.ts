/**
 * Going on with what an earlier leader had begun: planning, opening gates, sealing. Each may be repeated at any point and
 * goes on until it is done or we no longer lead.
 */
import { type CampaignEntry, isComplete } from "./board.js";
import { finishCampaign, finishJob, jobEvent } from "./lifecycle.js";
import type { CampaignParts } from "./parts.js";
import { planCampaign, start } from "./plan.js";
import { planOfRetry } from "./retry.js";
import { sealCampaign, sealJob } from "./sealing.js";
import { endIfDone } from "./shard-steps.js";
import { planOfSubmitted } from "./submit.js";

/** Plans a campaign that was acknowledged, or opens the gates that are not open yet. */
export async function resumePlanning(parts: CampaignParts, entry: CampaignEntry): Promise<void> {
  const { kind } = entry.value.state;
  const planOf = entry.value.retryOf === undefined ? planOfSubmitted : planOfRetry;
  if (kind === "SUBMITTED") await planCampaign(parts, entry, () => planOf(parts, entry));
  else if (kind === "PLANNED") await start(parts, entry);
}

/**
 * Ends what had come to its end, or was being ended, when the last leader went: jobs and campaigns. The board has the
 * campaign's jobs, restored.
 */
export async function resumeSealing(parts: CampaignParts, entry: CampaignEntry): Promise<void> {
  const { state } = entry.value;
  if (state.kind === "SEALING") {
    for (const job of entry.jobs) {
      // Its campaign was stopped before the job could be marked.
      jobEvent(parts, entry, job, { kind: "cancel", reason: state.reason });
    }
    await sealCampaign(parts, entry);
    return;
  }
  if (state.kind !== "RUNNING" && state.kind !== "PAUSED") return;
  const ending: Promise<void>[] = [];
  for (const job of entry.jobs) {
    if (job.state.kind === "SEALING") ending.push(sealJob(parts, entry, job));
    else if (isComplete(job)) ending.push(finishJob(parts, entry, job));
    else endIfDone(parts, entry, job);
  }
  await Promise.all(ending);
  await finishCampaign(parts, entry);
}
