/**
 * Applies campaign and job transitions: the state is written under our epoch first, then shown and announced. What a
 * transition asks for beyond that is done here too: closing gates, taking back or stopping attempts, and sealing.
 *
 * 1. What people see of a campaign was written before.
 * 2. Steps of one campaign take turns, so that the store has them in the order in which they were decided.
 * 3. What is SEALING gets sealed, however long a store is away; nobody waits for it.
 */
import { spentBy } from "../../shared/benchmark/budget.js";
import { count } from "../../shared/benchmark/count.js";
import {
  type CampaignEvent,
  type CampaignState,
  campaignOutcome,
  isTerminal,
  type Outcome,
  transitionCampaign,
} from "../../shared/domain/campaign.js";
import type { Fence } from "../../shared/domain/fence.js";
import { type JobEvent, jobOutcome, transitionJob } from "../../shared/domain/job.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { delRange, put } from "../store/fenced-store.js";
import { keys } from "../store/keys.js";
import type { CampaignValue } from "../store/values.js";
import { detached, persistently } from "./background.js";
import {
  type CampaignEntry,
  closeJob,
  isEnded,
  type JobEntry,
  spendingOf,
  tallyCampaign,
  tallyJob,
} from "./board.js";
import { type CampaignParts, write } from "./parts.js";
import { sealCampaign, sealJob } from "./sealing.js";

/** Moves a campaign on. Throws failed_precondition when the event does not fit its state. */
export async function campaignEvent(
  parts: CampaignParts,
  entry: CampaignEntry,
  event: CampaignEvent,
): Promise<void> {
  const refused = await tryCampaignEvent(parts, entry, event);
  if (refused !== undefined) {
    throw new SaiError("failed_precondition", `campaign ${entry.value.id}: ${refused}`);
  }
}

/** Moves a campaign on; the reason when the event does not fit its state. */
export function tryCampaignEvent(
  parts: CampaignParts,
  entry: CampaignEntry,
  event: CampaignEvent,
): Promise<string | undefined> {
  return inTurn(entry, async () => {
    const step = transitionCampaign(entry.value.state, event, parts.clock.wallMs());
    if (!step.ok) return step.reason;
    const campaign = entry.value.id;
    const value: CampaignValue = { ...entry.value, state: step.state };
    if (isTerminal(step.state)) Object.assign(value, ending(entry, step.state.sinceMs));
    if (value.wall) value.wall = wallIn(step.state.kind, value.wall, step.state.sinceMs);
    const close = step.effects.some((e) => e.kind === "close_gates");
    const ops = [put(keys.campaign(campaign), value), ...(close ? [delRange(keys.gatesOf(campaign))] : [])];
    await write(parts, { ops });
    entry.value = value; // invariant 1
    if (value.endedMs !== undefined) {
      entry.endedMs = value.endedMs;
      detached(parts, parts.board.loaded(entry)); // one more that may be forgotten
    }
    const reason = "reason" in step.state ? step.state.reason : "";
    for (const effect of step.effects) {
      if (effect.kind === "announce") {
        const text = `${value.name} is ${step.state.kind.toLowerCase()}${why(effect)}`;
        parts.events.add(effect.event, { campaign }, text);
        parts.log.info({ campaign, state: step.state.kind, reason: effect.reason }, "campaign transition");
      } else if (effect.kind === "wake_scheduler") jobsEvent(parts, entry, { kind: "resume" });
      else if (effect.kind === "retract_unstarted") jobsEvent(parts, entry, { kind: "pause", reason });
      else if (effect.kind === "cancel_attempts") jobsEvent(parts, entry, { kind: "cancel", reason });
    }
    parts.wake();
    if (step.state.kind === "SEALING") detached(parts, sealCampaign(parts, entry));
    return undefined;
  });
}

/** The clock of a budget of time: it stands while a campaign is paused, and once its work is over. */
function wallIn(
  kind: CampaignState["kind"],
  { ranMs, sinceMs }: NonNullable<CampaignValue["wall"]>,
  nowMs: number,
): NonNullable<CampaignValue["wall"]> {
  const total = ranMs + (sinceMs === undefined ? 0 : Math.max(0, nowMs - sinceMs));
  return kind === "RUNNING" ? { ranMs: total, sinceMs: nowMs } : { ranMs: total };
}

/** Steps that take turns: those of a campaign (invariant 2), or what is too large to be there twice. */
export interface Turns {
  turn?: Promise<unknown>;
}

/** Runs `step` after all steps of theirs that were asked for before. */
export function inTurn<T>(turns: Turns, step: () => Promise<T>): Promise<T> {
  const mine = (turns.turn ?? Promise.resolve()).then(step);
  turns.turn = mine.catch(() => {});
  return mine;
}

/** What is written down of a campaign that ends: all that a list of campaigns shows. */
const ending = (entry: CampaignEntry, nowMs: number): Partial<CampaignValue> => ({
  tally: { ...tallyCampaign(entry), samplesRunning: 0 },
  spent: spentBy(entry.jobs.map(spendingOf)),
  // Its work was over when sealing began; that is the same however often sealing was tried.
  endedMs: entry.value.state.kind === "SEALING" ? entry.value.state.sinceMs : nowMs,
  simulated: entry.jobs.some((job) => job.spec.model.engine === "simulated"),
});

/** Moves those jobs of a campaign on that the event fits. */
function jobsEvent(parts: CampaignParts, entry: CampaignEntry, event: JobEvent): void {
  for (const job of entry.jobs) jobEvent(parts, entry, job, event);
}

/** Moves a job on in memory, false when the event does not fit; its record is written when it is sealed. */
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
      const text = `${job.spec.id} is ${step.state.kind.toLowerCase()}${why(effect)}`;
      parts.events.add(effect.event, about, text);
    } else if (effect.kind === "cancel_attempts") stopAttempts(parts, job, event);
    else if (effect.kind === "retract_unstarted") retractUnstarted(parts, job);
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
  const { samples, samplesDone, samplesFailed } = tallyJob(job);
  const outcome = stop?.outcome ?? jobOutcome({ samples, answered: samplesDone - samplesFailed });
  parts.notices.flush();
  if (!jobEvent(parts, entry, job, { kind: "finish", outcome, reason: stop?.reason ?? "" })) return;
  await sealJob(parts, entry, job);
  await finishCampaign(parts, entry);
}

/** Ends a campaign all of whose jobs have ended; nothing when it has others, or is ending already. */
export async function finishCampaign(parts: CampaignParts, entry: CampaignEntry): Promise<void> {
  const outcomes = entry.jobs.flatMap((j) => (isEnded(j.state) ? [j.state.kind as Outcome] : []));
  if (outcomes.length < entry.jobs.length) return;
  const stopped = entry.jobs.flatMap(({ state }) => ("reason" in state && state.reason) || []);
  const failed = tallyCampaign(entry).samplesFailed;
  const reason =
    entry.value.stopped?.reason ??
    stopped[0] ??
    (failed > 0 ? `${count(failed, "sample")} could not be run` : "");
  const event: CampaignEvent = { kind: "finish", outcome: campaignOutcome(outcomes), reason };
  const what = `finishing campaign ${entry.value.id}`;
  await persistently(parts, what, async () => void (await tryCampaignEvent(parts, entry, event)));
}

/** Asks for what agents hold and have not begun; what they do not give back goes on. */
export function retractUnstarted(parts: CampaignParts, job: JobEntry): void {
  const byAgent = new Map<string, Fence[]>();
  for (const shard of job.shards) {
    if (shard.kind !== "ASSIGNED" && shard.kind !== "ACCEPTED") continue;
    byAgent.set(shard.agent, [...(byAgent.get(shard.agent) ?? []), shard.fence]);
  }
  for (const [agent, fences] of byAgent) parts.agents.retract(agent, fences);
}

/** Tells the agents of a job's open attempts to stop; late results find the gate gone. */
function stopAttempts(parts: CampaignParts, job: JobEntry, event: JobEvent): void {
  const reason = "reason" in event && event.reason !== "" ? event.reason : "the job has ended";
  for (const shard of job.shards) {
    if (!("fence" in shard && "agent" in shard)) continue;
    parts.agents.stop(shard.agent, shard.fence, reason);
    parts.agents.ended(shard.agent, shard.fence);
  }
  for (const { agent, fence } of job.twins.values()) {
    parts.agents.stop(agent, fence, reason);
    parts.agents.ended(agent, fence);
  }
  closeJob(job);
}

const why = (effect: { reason: string }): string => (effect.reason === "" ? "" : `: ${effect.reason}`);
