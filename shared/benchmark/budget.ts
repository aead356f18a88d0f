/**
 * Budgets: what a campaign may cost, and whether another shard of it may be given out. What has ended counts with what it
 * took, what is on its way with what shards of its job took so far, on average.
 *
 * 1. A shard is given out only while what was spent, what is on its way and the shard itself are thought to be within the
 *    budget. So it is overrun by no more than what is on its way differs from the average.
 * 2. A job of which no shard has ended says nothing about its shards: it has one on its way at a time, counted like those of
 *    the dearest job there is. As long as no job of the campaign says anything, one shard runs alone.
 * 3. The budget is reached when it is spent, or nothing is on its way and nothing more may be given out.
 */

export interface Budget {
  usd?: number;
  gpuHours?: number;
  /** Seconds from the first shard's begin, without pauses. */
  wallS?: number;
}

/** What attempts took: USD where the price is known, hours of whole GPUs. */
export interface Spent {
  usd: number;
  gpuHours: number;
}

export const NOTHING_SPENT: Spent = { usd: 0, gpuHours: 0 };

export const addSpent = (a: Spent, b: Spent): Spent => ({
  usd: a.usd + b.usd,
  gpuHours: a.gpuHours + b.gpuHours,
});

/** What is known of a job's shards. */
export interface JobSpending {
  /** By all of its attempts that are over. */
  spent: Spent;
  /** Shards with a result. */
  ended: number;
  /** Attempts on nodes. */
  onTheWay: number;
  /** Shards that could be given out now, or soon. */
  waiting: number;
}

const LIMITS = ["usd", "gpuHours"] as const;
type Limit = (typeof LIMITS)[number];

/** Sums of decimal fractions are not exact. */
const ROUNDING = 1 + 1e-9;

export const spentBy = (jobs: readonly JobSpending[]): Spent =>
  jobs.reduce((sum, { spent }) => addSpent(sum, spent), NOTHING_SPENT);

/** Whether `job`, one of `jobs`, may be given one shard more (invariants 1 and 2). */
export function mayTake(budget: Budget, jobs: readonly JobSpending[], job: JobSpending): boolean {
  return LIMITS.every((limit) => {
    const most = budget[limit];
    if (most === undefined) return true;
    const spent = sumOf(jobs, ({ spent }) => spent[limit]);
    if (spent >= most) return false;
    const dearest = dearestShard(jobs, limit);
    if (dearest === undefined) return sumOf(jobs, ({ onTheWay }) => onTheWay) === 0;
    if (job.ended === 0 && job.onTheWay > 0) return false;
    const onTheWay = sumOf(jobs, (one) => one.onTheWay * (perShard(one, limit) ?? dearest));
    const next = perShard(job, limit) ?? dearest;
    return spent + onTheWay + next <= most * ROUNDING;
  });
}

/** Why nothing more is given out for good; undefined while more may be (invariant 3). `wallMs`: how long it has run. */
export function reached(budget: Budget, jobs: readonly JobSpending[], wallMs: number): string | undefined {
  if (isOverTime(budget, wallMs)) return `${wallText(budget)} reached, what ran was stopped`;
  const waiting = jobs.filter((job) => job.waiting > 0);
  if (waiting.length === 0) return undefined; // what runs is all there is
  const spent = spentBy(jobs);
  for (const limit of LIMITS) {
    const most = budget[limit];
    if (most !== undefined && spent[limit] >= most) {
      return `budget of ${amount(limit, most)} reached after ${amount(limit, spent[limit])}`;
    }
  }
  const isIdle = jobs.every(({ onTheWay }) => onTheWay === 0);
  if (!isIdle || waiting.some((job) => mayTake(budget, jobs, job))) return undefined;
  const limit = LIMITS.find((one) => waiting.every((job) => !mayTake({ [one]: budget[one] }, jobs, job)));
  const [which, most] = limit === undefined ? [] : [limit, budget[limit]];
  if (which === undefined || most === undefined) return "its budgets leave room for no shard more";
  const next = Math.min(...waiting.map((job) => perShard(job, which) ?? dearestShard(jobs, which) ?? 0));
  return `budget of ${amount(which, most)} reached after ${amount(which, spent[which])}: another shard takes about ${amount(which, next)}`;
}

/** A limit of time ends what runs; the others let it finish. */
export const isOverTime = ({ wallS }: Budget, wallMs: number): boolean =>
  wallS !== undefined && wallMs >= wallS * 1000;

const wallText = ({ wallS = 0 }: Budget): string => `budget of ${wallS} s`;

/** `2.00 USD`, `0.0031 USD`, `1.5 GPU hours`. */
export function amount(limit: Limit, value: number): string {
  const digits = value === 0 || value >= 0.1 ? 2 : Math.min(8, 1 - Math.floor(Math.log10(value)));
  return `${value.toFixed(digits)} ${limit === "usd" ? "USD" : "GPU hours"}`;
}

/** The limits as people read them. */
export function budgetText(budget: Budget): string {
  const parts = LIMITS.flatMap((limit) => {
    const most = budget[limit];
    return most === undefined ? [] : [amount(limit, most)];
  });
  return [...parts, ...(budget.wallS === undefined ? [] : [`${budget.wallS} s`])].join(", ");
}

const sumOf = (jobs: readonly JobSpending[], of: (job: JobSpending) => number): number =>
  jobs.reduce((sum, job) => sum + of(job), 0);

/** What a shard of the job took; undefined before the first has ended. */
const perShard = ({ spent, ended }: JobSpending, limit: Limit): number | undefined =>
  ended === 0 ? undefined : spent[limit] / ended;

function dearestShard(jobs: readonly JobSpending[], limit: Limit): number | undefined {
  const known = jobs.flatMap((job) => perShard(job, limit) ?? []);
  return known.length === 0 ? undefined : known.reduce((a, b) => Math.max(a, b));
}
