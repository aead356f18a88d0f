/**
 * Retrying: a new campaign that runs again what an ended one has no answer to. Samples keep the ordinals and names they
 * have in the first campaign of the chain, so that pairs match and results merge.
 *
 * Run again are samples without a record and those that ended as engine_error, timeout, oom or cancelled. Wrong answers,
 * answers that cannot be read and refusals are results. Poison is not run again either: it has killed its engine twice.
 *
 * 1. Only an ended campaign is retried, and only once: its retry is what can be retried next.
 * 2. What is planned depends on ended campaigns alone, so that it is the same when it is planned again.
 * 3. Nothing is planned while a manifest of the chain cannot be read: samples with an answer would be run again.
 */
import type { Budget } from "../../shared/benchmark/budget.js";
import { count } from "../../shared/benchmark/count.js";
import { canonicalJson } from "../../shared/benchmark/json.js";
import { windowOf } from "../../shared/benchmark/load/load-spec.js";
import type { Plan } from "../../shared/benchmark/plan.js";
import type { ResultRecord, Status } from "../../shared/benchmark/record.js";
import { campaignId } from "../../shared/domain/ids.js";
import { SaiError } from "../../shared/runtime/errors.js";
import { sha256 } from "../../shared/runtime/hash.js";
import type { CampaignValue } from "../store/values.js";
import { type CampaignEntry, isEnded } from "./board.js";
import { type ChainShard, chainShards, loadedChain } from "./board-chain.js";
import { budgetOf } from "./budgets.js";
import { inTurn } from "./lifecycle.js";
import { storeCampaign } from "./new-campaign.js";
import type { CampaignParts } from "./parts.js";
import { planCampaign } from "./plan.js";

export interface RetryOptions {
  /** Empty for none. */
  idempotencyKey: string;
  /** That of the retried campaign unless given. */
  priority?: number;
  /** Limits that are not given are those of the retried campaign. It counts for the retry alone. */
  budget?: Budget;
}

/**
 * Stores and starts the retry of an ended campaign; returns what the idempotency key already names if it does. Throws
 * failed_precondition when it has not ended, was retried already, or has an answer to every sample.
 */
export function retryCampaign(
  parts: CampaignParts,
  entry: CampaignEntry,
  { idempotencyKey, priority, budget }: RetryOptions,
): Promise<CampaignEntry> {
  const requestSha256 = sha256(
    canonicalJson({
      ...{ retryOf: entry.value.id, priority: priority ?? null },
      ...(budget && { budget: { ...budget } }),
    }),
  );
  return inTurn(entry, async () => {
    let plan: Omit<Plan, "campaign"> | undefined;
    const made = await storeCampaign(
      parts,
      { idempotencyKey, requestSha256, tenant: entry.value.tenant },
      async () => {
        checkRetriable(entry);
        plan = await planRetry(parts, entry);
        return retryValue(parts, entry, priority, budget && { ...budgetOf(entry), ...budget });
      },
    );
    if (made.isNew && plan) {
      const known = { ...plan, campaign: made.entry.value.id };
      void planCampaign(parts, made.entry, () => Promise.resolve(known));
    }
    return made.entry;
  });
}

/** The plan of a campaign that was submitted as a retry. Throws when what it retries is not there. */
export async function planOfRetry(parts: CampaignParts, entry: CampaignEntry): Promise<Plan> {
  const { id, retryOf = "" } = entry.value;
  const before = parts.board.campaign(retryOf);
  if (before === undefined) throw new SaiError("not_found", `there is no campaign ${retryOf} to retry`);
  return { ...(await planRetry(parts, before)), campaign: id };
}

function checkRetriable(entry: CampaignEntry): void {
  const { id, state } = entry.value;
  if (!isEnded(state)) {
    const hint = "wait until it has ended, or cancel it";
    throw new SaiError("failed_precondition", `campaign ${id} has not ended`, { hint });
  }
  const newer = entry.retriedBy.at(-1);
  if (newer === undefined) return;
  const hint = `\`sai campaign retry ${newer}\` runs again what that has no answer to either`;
  throw new SaiError("failed_precondition", `campaign ${id} was retried as ${newer}`, { hint });
}

function retryValue(
  parts: CampaignParts,
  { value }: CampaignEntry,
  priority = value.priority,
  budget = value.budget,
): CampaignValue {
  const createdMs = parts.clock.wallMs();
  const { name, description, suiteSha256, request, tenant } = value;
  return {
    id: campaignId(createdMs, parts.random),
    ...{ name, description, priority, createdMs, suiteSha256, request },
    ...(tenant === undefined ? {} : { tenant }),
    ...(budget === undefined ? {} : { budget }),
    state: { kind: "SUBMITTED", sinceMs: createdMs },
    warnings: [],
    retryOf: value.id,
  };
}

/** What a retry of `entry` runs. Throws failed_precondition when that is nothing. */
async function planRetry(parts: CampaignParts, entry: CampaignEntry): Promise<Omit<Plan, "campaign">> {
  const chain = await loadedChain(parts.board, entry);
  const [first] = chain;
  if (first?.plan === undefined) {
    const hint = "correct its suite and submit it again";
    throw new SaiError("failed_precondition", `campaign ${entry.value.id} was never planned`, { hint });
  }
  for (const each of chain) checkReadable(each);
  let poison = 0;
  const jobs: Plan["jobs"] = [];
  for (const job of first.plan.jobs) {
    const open = await unanswered(parts, chain, job.id, job.samples);
    poison += open.poison;
    const { ordinals } = open;
    if (ordinals.length === 0) continue;
    jobs.push({ ...job, samples: ordinals.length, retry: { campaign: first.value.id, ordinals } });
  }
  if (jobs.length > 0) return { ...first.plan, jobs };
  const but =
    poison === 0 ? "" : `; ${count(poison, "sample")} that killed the engine twice will not be run again`;
  throw new SaiError(
    "failed_precondition",
    `campaign ${entry.value.id} has nothing to retry: no sample lacks an answer${but}`,
    { hint: "submit the suite again to repeat samples that have one" },
  );
}

/** Invariant 3. */
function checkReadable({ value, jobs }: CampaignEntry): void {
  const job = jobs.find(({ unreadable }) => unreadable !== undefined);
  if (job === undefined) return;
  throw new SaiError(
    "failed_precondition",
    `what job ${job.spec.id} of campaign ${value.id} has answered is not known: ${job.unreadable}`,
    { hint: "restore that file in the artifact store, or submit the suite again to run every sample anew" },
  );
}

const RUN_AGAIN: ReadonlySet<string> = new Set<Status>(["engine_error", "timeout", "oom", "cancelled"]);

/** A window of a load is run again as a whole, and only when nothing in it was answered. */
const isAnswerOf = ({ ordinal, status }: ResultRecord, window: number): boolean =>
  windowOf(ordinal) === window && !RUN_AGAIN.has(status);

/** Ordinals of a job's samples without an answer over a chain, ascending, and how many are poison. */
async function unanswered(
  parts: CampaignParts,
  chain: readonly CampaignEntry[],
  job: string,
  samples: number,
): Promise<{ ordinals: number[]; poison: number }> {
  const answered = new Uint8Array(samples);
  let poison = 0;
  for (const shard of chainShards(chain, job).flat()) {
    const again = await toRunAgain(parts, shard);
    for (const ordinal of shard.ordinals) if (!again.has(ordinal)) answered[ordinal] = 1;
    if (shard.done.kind === "failed" && shard.done.status === "poison") poison += shard.ordinals.length;
  }
  const ordinals: number[] = [];
  for (let ordinal = 0; ordinal < samples; ordinal++) if (answered[ordinal] === 0) ordinals.push(ordinal);
  return { ordinals, poison };
}

/** Of a shard's samples those to be run again; its records are read only when its counts say that there are any. */
async function toRunAgain(
  parts: CampaignParts,
  { entry, job, index, done, ordinals }: ChainShard,
): Promise<ReadonlySet<number>> {
  if (done.kind === "failed") return new Set(RUN_AGAIN.has(done.status) ? ordinals : []);
  const any = Object.entries(done.counts).some(([status, n]) => n > 0 && RUN_AGAIN.has(status));
  if (!any) return new Set();
  const records = await parts.results.ofShard(entry, job, index, done);
  if (job.spec.load) return new Set(ordinals.filter((window) => !records.some((r) => isAnswerOf(r, window))));
  return new Set(records.flatMap(({ status, ordinal }) => (RUN_AGAIN.has(status) ? [ordinal] : [])));
}
