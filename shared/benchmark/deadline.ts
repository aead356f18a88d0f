/**
 * How long an attempt may take: every try of every sample its whole timeout, every pause before one its longest, and the
 * model may have to be loaded first. What a suite may ask for is far beyond that any timer or message can hold, so there
 * is an end to it.
 */
import type { JobSpec } from "./plan.js";

/** Longest pause before a sample is tried again, ms, whatever the suite or the server asks for. */
export const LONGEST_PAUSE_MS = 60_000;

const LOAD_ALLOWANCE_MS = 15 * 60_000;
const LONGEST_ATTEMPT_MS = 7 * 24 * 3_600_000;

/** Time for an attempt on so many samples of a job, its warm-up included, whole ms, at most a week. */
export function attemptDeadlineMs(
  { generation, warmup, load }: Pick<JobSpec, "generation" | "warmup" | "load">,
  samples: number,
): number {
  const { timeoutS, maxRetries, requestDelayS = 0 } = generation;
  if (load) {
    const windowMs = load.durationMs + load.drainMs + warmup * timeoutS * 1000;
    return Math.min(LONGEST_ATTEMPT_MS, Math.round(samples * windowMs + LOAD_ALLOWANCE_MS));
  }
  const sampleMs = (maxRetries + 1) * (timeoutS + requestDelayS) * 1000 + maxRetries * LONGEST_PAUSE_MS;
  return Math.min(LONGEST_ATTEMPT_MS, Math.round((warmup + samples) * sampleMs + LOAD_ALLOWANCE_MS));
}
