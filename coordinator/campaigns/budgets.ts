/**
 * Campaigns within their budgets: what they have cost is added up from the records of their shards and of failed attempts
 * (board-job.ts), so that a leader that has just begun knows it as well as the last one did.
 *
 * 1. No shard is given out that `mayDispatch` does not allow; a second attempt of one neither.
 * 2. That a campaign is stopped is written before anything ends because of it, and holds for every later leader.
 * 3. What runs when money or GPU hours are reached is finished and counts; what has not begun is asked back. When the time
 *    is over, what runs is stopped.
 * 4. While nodes of before a restart are waited for, nobody knows what runs, and nothing is decided.
 */
import {
  type Budget,
  isOverTime,
  mayTake,
  NOTHING_SPENT,
  reached,
  type Spent,
  spentBy,
} from "../../shared/benchmark/budget.js";
import { jobOutcome } from "../../shared/domain/job.js";
import { put } from "../store/fenced-store.js";
import { keys } from "../store/keys.js";
import type { CampaignValue } from "../store/values.js";
import { detached, persistently } from "./background.js";
import { type CampaignEntry, isEnded, type JobEntry, spendingOf, tallyJob } from "./board.js";
import { finishJob, inTurn, retractUnstarted } from "./lifecycle.js";
import { type CampaignParts, write } from "./parts.js";

/** The budget that holds for a campaign; undefined for one without, and while it is not planned. */
export const budgetOf = ({ value, plan }: CampaignEntry): Budget | undefined => value.budget ?? plan?.budget;

/** What a campaign has cost so far, as far as prices are known. */
export function spentOf({ value, jobs }: CampaignEntry): Spent {
  return value.spent ?? (jobs.length === 0 ? NOTHING_SPENT : spentBy(jobs.map(spendingOf)));
}

/** How long it has run, ms, without pauses; 0 before its first shard began and without a budget of time. */
export function wallOf({ value: { wall } }: CampaignEntry, nowMs: number): number {
  if (wall === undefined) return 0;
  return wall.ranMs + (wall.sinceMs === undefined ? 0 : Math.max(0, nowMs - wall.sinceMs));
}

/** Whether one more shard of a job may be given out. */
export function mayDispatch(entry: CampaignEntry, job: JobEntry): boolean {
  if (entry.value.stopped !== undefined) return false;
  if (stopping.has(entry)) return false;
  const budget = budgetOf(entry);
  if (budget === undefined || (budget.usd === undefined && budget.gpuHours === undefined)) return true;
  const own = spendingOf(job);
  return mayTake(
    budget,
    entry.jobs.map((one) => (one === job ? own : spendingOf(one))),
    own,
  );
}

/** Looks at every campaign with a budget that runs, and stops those that have reached it; called a few times a second. */
export function lookAtBudgets(parts: CampaignParts): void {
  for (const entry of parts.board.list()) {
    if (entry.value.state.kind !== "RUNNING" || budgetOf(entry) === undefined) continue;
    if (entry.jobs.some(({ held }) => held)) continue; // invariant 4
    if (underWay.has(entry)) continue;
    underWay.add(entry);
    detached(
      parts,
      look(parts, entry).finally(() => underWay.delete(entry)),
    );
  }
}

/** Campaigns that are being looked at. */
const underWay = new WeakSet<CampaignEntry>();
/** Those about which is being written that they are stopped: it may be in the store long before that is known here. */
const stopping = new WeakSet<CampaignEntry>();

async function look(parts: CampaignParts, entry: CampaignEntry): Promise<void> {
  const budget = budgetOf(entry);
  if (budget === undefined) return;
  if (budget.wallS !== undefined && entry.value.wall === undefined) {
    if (!entry.jobs.some(hasBegun)) return;
    await note(parts, entry, () => ({ wall: { ranMs: 0, sinceMs: parts.clock.wallMs() } }));
  }
  const wallMs = wallOf(entry, parts.clock.wallMs());
  if (entry.value.stopped === undefined) {
    const why = reached(budget, entry.jobs.map(spendingOf), wallMs);
    if (why === undefined || !entry.jobs.some(({ pending, inFlight }) => pending.size + inFlight > 0)) return;
    const reason = `incomplete: ${why}`;
    stopping.add(entry);
    const isNoted = await note(parts, entry, ({ stopped }) =>
      stopped === undefined ? { stopped: { by: "budget", reason } } : undefined,
    ).finally(() => stopping.delete(entry));
    if (!isNoted) return;
    const about = { campaign: entry.value.id };
    parts.events.add("campaign.budget_reached", about, `${entry.value.name}: ${why}`);
    parts.log.info({ ...about, reason }, "a campaign has reached its budget");
    for (const job of entry.jobs) retractUnstarted(parts, job); // invariant 3
    parts.wake();
  }
  const { stopped } = entry.value;
  if (stopped === undefined) return;
  const isIdle = entry.jobs.every(({ inFlight, twins }) => inFlight + twins.size === 0);
  if (!isIdle && !isOverTime(budget, wallMs)) return;
  await end(parts, entry, stopped.reason);
}

/** Ends what has not ended: jobs with an answer as PARTIAL, those without as FAILED. */
async function end(parts: CampaignParts, entry: CampaignEntry, reason: string): Promise<void> {
  const open = entry.jobs.filter(({ state }) => state.kind === "RUNNING");
  await Promise.all(
    open.map((job) => {
      const { samples, samplesDone, samplesFailed } = tallyJob(job);
      const outcome = jobOutcome({ samples, answered: samplesDone - samplesFailed });
      return finishJob(parts, entry, job, { outcome, reason });
    }),
  );
}

/** Writes a change of a campaign that runs, in its turn; false when there is nothing to change any more. */
async function note(
  parts: CampaignParts,
  entry: CampaignEntry,
  change: (value: CampaignValue) => Partial<CampaignValue> | undefined,
): Promise<boolean> {
  let isNoted = false;
  await persistently(parts, `noting the budget of ${entry.value.id}`, () =>
    inTurn(entry, async () => {
      const changed = isEnded(entry.value.state) ? undefined : change(entry.value);
      if (changed === undefined || entry.value.state.kind !== "RUNNING") return;
      const value = { ...entry.value, ...changed };
      await write(parts, { ops: [put(keys.campaign(value.id), value)] });
      entry.value = value;
      isNoted = true;
    }),
  );
  return isNoted;
}

const hasBegun = ({ begun, done, ran }: JobEntry): boolean => begun.size + done.size + ran.shards > 0;
