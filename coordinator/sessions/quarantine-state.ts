/**
 * Whether a node is to blame for what fails on it. Judged by the last shards that ended there: most failed in ways that a
 * node can cause, they were of several jobs, and other nodes did work of the same jobs well. It takes no new work for a
 * while then, longer each time, and is tried again.
 *
 * 1. Never without others that do well: what fails everywhere is not the node's fault.
 * 2. A fleet keeps most of its nodes (`mostQuarantined`): of one or two none is taken out, of three or four one may be,
 *    and of more at most a fifth.
 * 3. What a named sample has killed counts for nobody (`exonerated`).
 */
export interface QuarantineLimits {
  /** Shards that must have ended on a node. */
  window: number;
  /** Jobs that the failed ones must be of. */
  jobs: number;
  /** Share of them above which failures are the node's. */
  share: number;
  /** Share of a larger fleet that may be out at once. */
  fleetShare: number;
  /** How long it lasts, ms: the first time, the second, …; the last one stays. */
  termsMs: readonly number[];
}

export const QUARANTINE_LIMITS: QuarantineLimits = {
  ...{ window: 20, jobs: 3, share: 0.5, fleetShare: 0.2 },
  termsMs: [5, 15, 60].map((minutes) => minutes * 60_000),
};

/** How a shard ended on a node. */
export interface Ending {
  campaign: string;
  job: string;
  /** Why it failed; absent for a result. */
  failed?: {
    /** The attempt, which may say it more than once. */
    fence: string;
    /** Samples in flight when the engine's process died. */
    samples: readonly number[];
  };
}

export type Quarantine =
  | { kind: "none" }
  /** Until `endMs` (monotonic) it takes nothing new; `untilWallMs` says the same to people and later leaders. */
  | { kind: "quarantined"; level: number; reason: string; forMs: number; endMs: number; untilWallMs: number }
  /** It takes work again; the next time is longer unless it does well. */
  | { kind: "probation"; level: number; reason: string };

/** The last endings with one more; failures that are told again change nothing. */
export function ended(endings: readonly Ending[], one: Ending, { window }: QuarantineLimits): Ending[] {
  const fence = one.failed?.fence;
  if (fence !== undefined && endings.some(({ failed }) => failed?.fence === fence)) return [...endings];
  return [...endings.slice(Math.max(0, endings.length + 1 - window)), one];
}

/** Invariant 3: endings without the failures that a sample caused. */
export const exonerated = (
  endings: readonly Ending[],
  { campaign, job, sample }: { campaign: string; job: string; sample: number },
): Ending[] =>
  endings.filter((one) => {
    return one.campaign !== campaign || one.job !== job || !one.failed?.samples.includes(sample);
  });

/** Why a node is to be quarantined, from its last endings and the other nodes'; undefined if it is not. */
export function blame(
  own: readonly Ending[],
  others: Iterable<readonly Ending[]>,
  { window, jobs, share }: QuarantineLimits,
): string | undefined {
  const failed = own.filter((one) => one.failed !== undefined);
  if (own.length < window || failed.length <= share * window) return undefined;
  const failing = new Set(failed.map(jobOf));
  if (failing.size < jobs) return undefined;
  let [done, lost] = [0, 0];
  for (const endings of others)
    for (const one of endings) {
      if (!failing.has(jobOf(one))) continue;
      if (one.failed === undefined) done++;
      else lost++;
    }
  if (done === 0 || lost > share * (done + lost)) return undefined; // invariant 1
  const elsewhere = `of those jobs elsewhere ${lost} of ${done + lost}`;
  return `${failed.length} of its last ${own.length} shards failed, of ${failing.size} jobs; ${elsewhere}`;
}

/** Whether a node that was quarantined has done well since. */
export const isWell = (own: readonly Ending[], { window, share }: QuarantineLimits): boolean =>
  own.length >= window && own.filter((one) => one.failed !== undefined).length <= share * window;

/** How many nodes of a fleet may be out at once (invariant 2). */
export function mostQuarantined(nodes: number, { fleetShare }: QuarantineLimits): number {
  if (nodes < 3) return 0;
  return Math.max(1, Math.floor(nodes * fleetShare));
}

/** How long a quarantine of this level lasts, ms; the first is 1. */
export const termMs = (level: number, { termsMs }: QuarantineLimits): number =>
  termsMs[Math.min(level, termsMs.length) - 1] ?? 0;

const jobOf = ({ campaign, job }: Ending): string => `${campaign}/${job}`;
