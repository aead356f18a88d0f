/**
 * Whether a node is to blame for what fails on it. Judged by the last shards that ended there: most failed in ways that a
 * node can cause, they were of several jobs, and other nodes did work of the same jobs well. It takes no new work for a
 * while then, longer each time, and is tried again.
 *
 * 1. Never without others that do well: what fails everywhere is not the node's fault.
 * 2. A fleet keeps most of its nodes (`mostQuarantined`): of one or two none is taken out, of three or four one may be,
 *    and of more at most a fifth.
 * 3. What a named sample has killed counts for nobody, and a quarantine that is due to it ends (`isStillBlamed`).
 * 4. What others did is asked for only when the node's own endings speak against it.
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

/** How many shards ended well and how many did not. */
export interface Tally {
  done: number;
  failed: number;
}

/** Why a node is to be quarantined, from its last endings and how the same jobs went elsewhere; undefined if it is not. */
export function blame(
  own: readonly Ending[],
  elsewhere: (jobs: ReadonlySet<string>) => Tally,
  limits: QuarantineLimits,
): string | undefined {
  if (own.length < limits.window) return undefined;
  const jobs = failingJobs(own, limits);
  if (jobs === undefined) return undefined;
  const others = elsewhere(jobs); // invariant 4
  const all = others.done + others.failed;
  if (others.done === 0 || others.failed > limits.share * all) return undefined; // invariant 1
  const here = `${failures(own)} of its last ${own.length} shards failed, of ${jobs.size} jobs`;
  return `${here}; of those jobs elsewhere ${others.failed} of ${all}`;
}

/** Whether what is left of the endings that led to a quarantine would do for one (invariant 3). */
export const isStillBlamed = (own: readonly Ending[], limits: QuarantineLimits): boolean =>
  failingJobs(own, limits) !== undefined;

/** The jobs that fail here, if enough shards fail and of enough jobs. */
function failingJobs(
  own: readonly Ending[],
  { window, jobs, share }: QuarantineLimits,
): Set<string> | undefined {
  if (failures(own) <= share * window) return undefined;
  const failing = new Set(own.flatMap((one) => (one.failed === undefined ? [] : [jobOf(one)])));
  return failing.size < jobs ? undefined : failing;
}

/** Whether a node that was quarantined has done well since. */
export const isWell = (own: readonly Ending[], { window, share }: QuarantineLimits): boolean =>
  own.length >= window && failures(own) <= share * window;

/** How many nodes of a fleet may be out at once (invariant 2). */
export function mostQuarantined(nodes: number, { fleetShare }: QuarantineLimits): number {
  if (nodes < 3) return 0;
  return Math.max(1, Math.floor(nodes * fleetShare));
}

/** How long a quarantine of this level lasts, ms; the first is 1. */
export const termMs = (level: number, { termsMs }: QuarantineLimits): number =>
  termsMs[Math.min(level, termsMs.length) - 1] ?? 0;

export const jobOf = ({ campaign, job }: Pick<Ending, "campaign" | "job">): string => `${campaign}/${job}`;

const failures = (own: readonly Ending[]): number => own.filter((one) => one.failed !== undefined).length;
