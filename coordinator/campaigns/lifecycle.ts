/**
 * Applies campaign and job transitions: the state is written under our epoch first, then shown and announced. What a
 * transition asks for beyond that is done here too: closing gates, stopping attempts, sealing.
 *
 * 1. What people see was written before.
 * 2. A job's gate is gone before its manifest is written, so that the manifest is complete.
 * 3. What is SEALING gets sealed, however long the artifact store is away; nobody waits for it.
 */

import { putCas } from "../../shared/artifacts/store.js";
import { count } from "../../shared/benchmark/count.js";
import { canonicalJson, type Json } from "../../shared/benchmark/json.js";
import {
  type CampaignEvent,
  campaignOutcome,
  isTerminal,
  type Outcome,
  transitionCampaign,
} from "../../shared/domain/campaign.js";
import { type JobEvent, jobOutcome, transitionJob } from "../../shared/domain/job.js";
import { rfc3339 } from "../../shared/runtime/clock.js";
import { errorText, SaiError } from "../../shared/runtime/errors.js";
import { del, delRange, put } from "../store/fenced-store.js";
import { keys } from "../store/keys.js";
import type { Op } from "../store/store.js";
import { detached, persistently } from "./background.js";
import { type CampaignEntry, closeJob, isEnded, type JobEntry, tallyJob } from "./board.js";
import { type CampaignParts, write } from "./parts.js";

/** Moves a campaign on. Throws failed_precondition when the event does not fit its state. */
export async function campaignEvent(
  parts: CampaignParts,
  entry: CampaignEntry,
  event: CampaignEvent,
): Promise<void> {
  const campaign = entry.value.id;
  const step = transitionCampaign(entry.value.state, event, parts.clock.wallMs());
  if (!step.ok) throw new SaiError("failed_precondition", `campaign ${campaign}: ${step.reason}`);
  const value = { ...entry.value, state: step.state };
  const close: Op[] = step.effects.some((e) => e.kind === "close_gates")
    ? [delRange(keys.gatesOf(campaign))]
    : [];
  // Shown before the write is answered only to ourselves: a second event must not start from the old state.
  const before = entry.value;
  entry.value = value;
  try {
    await write(parts, { ops: [put(keys.campaign(campaign), value), ...close] });
  } catch (error) {
    entry.value = before;
    throw error;
  }
  if (isTerminal(step.state)) entry.endedMs ??= parts.clock.wallMs();
  const stopReason = "reason" in step.state ? step.state.reason : "";
  for (const effect of step.effects) {
    if (effect.kind === "announce") {
      parts.events.add(
        effect.event,
        { campaign },
        `${value.name} is ${step.state.kind.toLowerCase()}${why(effect)}`,
      );
      parts.log.info({ campaign, state: step.state.kind, reason: effect.reason }, "campaign transition");
    } else if (effect.kind === "wake_scheduler") parts.wake();
    else if (effect.kind === "cancel_attempts") cancelJobs(parts, entry, stopReason);
  }
  if (step.state.kind === "SEALING") detached(parts, sealCampaign(parts, entry));
}

/** Moves a job on in memory; its record is written with the next campaign step or seal. */
export function jobEvent(
  parts: CampaignParts,
  entry: CampaignEntry,
  job: JobEntry,
  event: JobEvent,
): boolean {
  const step = transitionJob(job.state, event, parts.clock.wallMs());
  if (!step.ok) return false;
  job.state = step.state;
  for (const effect of step.effects) {
    if (effect.kind === "announce") {
      const about = { campaign: entry.value.id, job: job.spec.id };
      parts.events.add(
        effect.event,
        about,
        `${job.spec.id} is ${step.state.kind.toLowerCase()}${why(effect)}`,
      );
    } else if (effect.kind === "cancel_attempts") stopAttempts(parts, job, event);
    else if (effect.kind === "wake_scheduler") parts.wake();
  }
  return true;
}

/** Ends a job whose shards have all ended, or that must stop, and the campaign when it was the last one. */
export async function finishJob(
  parts: CampaignParts,
  entry: CampaignEntry,
  job: JobEntry,
  stop?: { outcome: Outcome; reason: string },
): Promise<void> {
  const tally = tallyJob(job);
  const outcome =
    stop?.outcome ??
    jobOutcome({ samples: tally.samples, answered: tally.samplesDone - tally.samplesFailed });
  if (!jobEvent(parts, entry, job, { kind: "finish", outcome, reason: stop?.reason ?? "" })) return;
  await sealJob(parts, entry, job);
  await endIfAllEnded(parts, entry, stop?.reason);
}

/** Ends a campaign whose jobs have all ended. */
export async function endIfAllEnded(parts: CampaignParts, entry: CampaignEntry, why?: string): Promise<void> {
  const outcomes = entry.jobs.flatMap((j) => (isEnded(j.state) ? [j.state.kind as Outcome] : []));
  const { kind } = entry.value.state;
  if (outcomes.length < entry.jobs.length || (kind !== "RUNNING" && kind !== "PAUSED")) return;
  const failed = entry.jobs.reduce((sum, j) => sum + tallyJob(j).samplesFailed, 0);
  const reason = why ?? (failed > 0 ? `${count(failed, "sample")} could not be run` : "");
  await campaignEvent(parts, entry, { kind: "finish", outcome: campaignOutcome(outcomes), reason });
}

/** Seals a job that is SEALING, once, whoever asks. */
export function sealJob(parts: CampaignParts, entry: CampaignEntry, job: JobEntry): Promise<void> {
  const what = `sealing job ${job.spec.id} of ${entry.value.id}`;
  job.sealed ??= persistently(parts, what, () => writeSeal(parts, entry, job));
  return job.sealed;
}

/** Closes the gate, writes the manifest of what committed, deletes the shard records. Repeatable. */
async function writeSeal(parts: CampaignParts, entry: CampaignEntry, job: JobEntry): Promise<void> {
  const campaign = entry.value.id;
  const id = job.spec.id;
  await write(parts, {
    ops: [del(keys.gate(campaign, id)), put(keys.job(campaign, id), { campaign, id, state: job.state })],
  });
  await parts.commits.drained();
  const shards = [...job.done].sort(([a], [b]) => a - b).map(([index, done]) => ({ index, ...done }));
  const manifest = { v: 1, campaign, job: id, shards } as unknown as Json;
  job.manifestSha256 = await putCas(parts.artifacts, Buffer.from(canonicalJson(manifest)));
  jobEvent(parts, entry, job, { kind: "sealed" });
  await write(parts, {
    ops: [
      put(keys.job(campaign, id), { campaign, id, state: job.state, manifestSha256: job.manifestSha256 }),
      delRange(keys.doneOf(campaign, id)),
      delRange(keys.failsOf(campaign, id)),
    ],
  });
}

/** Stops all jobs at once; they are sealed with the campaign. */
function cancelJobs(parts: CampaignParts, entry: CampaignEntry, reason: string): void {
  for (const job of entry.jobs) jobEvent(parts, entry, job, { kind: "cancel", reason });
}

/** The stored summary is the final one: it has the outcome and the end, which the state gets only afterwards. */
export async function sealCampaign(parts: CampaignParts, entry: CampaignEntry): Promise<void> {
  const { id } = entry.value;
  for (const job of entry.jobs) if (job.state.kind === "SEALING") await sealJob(parts, entry, job);
  await storeSummary(parts, entry).catch((err) => {
    // A records file that is gone or damaged must not keep the campaign from ending; asking for the summary tells why.
    parts.log.error({ err, campaign: id }, "the summary of a campaign cannot be stored");
    entry.value.warnings.push(`the summary could not be stored: ${errorText(err)}`);
  });
  await persistently(parts, `ending campaign ${id}`, () => campaignEvent(parts, entry, { kind: "sealed" }));
}

async function storeSummary(parts: CampaignParts, entry: CampaignEntry): Promise<void> {
  const { id, state } = entry.value;
  const outcome = state.kind === "SEALING" ? state.outcome : state.kind;
  const summary = await parts.results.summary(id);
  entry.endedMs = parts.clock.wallMs();
  const ended = { state: outcome.toLowerCase(), endedAt: rfc3339(entry.endedMs) };
  const json = canonicalJson(JSON.parse(JSON.stringify({ ...summary, ...ended })));
  await parts.artifacts.put(`run/${id}/summary.json`, Buffer.from(json));
}

/** Tells the agents of a job's open attempts to stop; late results find the gate gone. */
function stopAttempts(parts: CampaignParts, job: JobEntry, event: JobEvent): void {
  const reason = "reason" in event && event.reason !== "" ? event.reason : "the job has ended";
  for (const shard of job.shards) {
    if (!("fence" in shard && "agent" in shard)) continue;
    parts.agents.stop(shard.agent, shard.fence, reason);
    parts.agents.ended(shard.agent, shard.fence);
  }
  closeJob(job);
}

const why = (effect: { reason: string }): string => (effect.reason === "" ? "" : `: ${effect.reason}`);
