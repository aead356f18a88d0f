/**
 * Retries by class of failure, never by message text.
 *
 * | class     | meaning                                   | what happens                                            |
 * |-----------|-------------------------------------------|---------------------------------------------------------|
 * | infra     | lost, upload, driver                      | again on another node, at most 5 failed attempts        |
 * | resource  | out of memory                             | again on a larger placement, at most 2                  |
 * | model     | bad output, refusal, context overflow     | a recorded result, not retried                          |
 * | transient | overload, timeouts, connection loss       | tried again inside the attempt, then a recorded result  |
 * | config    | the job cannot run as it is written       | not retried: it would fail everywhere                   |
 * | poison    | an item in flight killed its engine       | suspects run alone; the second report names the sample  |
 */
export type FailureClass = "infra" | "resource" | "model" | "transient" | "config" | "poison";

/** Failed attempts of one shard that count, the one that just failed included. */
export interface FailureCounts {
  infra: number;
  resource: number;
  poison: number;
}

export const NO_FAILURES: FailureCounts = { infra: 0, resource: 0, poison: 0 };

export interface RetryLimits {
  /** `run.retry.max`: counted attempts of all classes together. */
  attempts: number;
  infra: number;
  resource: number;
}

/** Class limits are ceilings; a campaign may set `attempts` lower. */
export const RETRY_LIMITS: RetryLimits = { attempts: 5, infra: 5, resource: 2 };

export type RetryDecision =
  /** Elsewhere: on another node if any is feasible. Larger: where more memory is free. */
  | { kind: "retry"; elsewhere: boolean; larger: boolean }
  /** The attempt itself has recorded what happened; nothing is to be done. */
  | { kind: "recorded" }
  /** The shard is FAILED; its samples get records with this status. */
  | { kind: "give_up"; status: "engine_error" | "oom" };

/** What follows a failure of `failure`, when `counted` holds the shard's failures including this one. */
export function retryDecision(
  failure: FailureClass,
  counted: FailureCounts,
  limits: RetryLimits,
): RetryDecision {
  const spent = counted.infra + counted.resource + counted.poison >= limits.attempts;
  switch (failure) {
    case "infra":
      return spent || counted.infra >= limits.infra
        ? { kind: "give_up", status: "engine_error" }
        : { kind: "retry", elsewhere: true, larger: false };
    case "resource":
      return spent || counted.resource >= limits.resource
        ? { kind: "give_up", status: "oom" }
        : { kind: "retry", elsewhere: true, larger: true };
    case "poison":
      // Here the item is not yet named: it is only suspect. Whoever names one splits the shard instead.
      return spent
        ? { kind: "give_up", status: "engine_error" }
        : { kind: "retry", elsewhere: true, larger: false };
    case "config":
      return { kind: "give_up", status: "engine_error" };
    case "model":
    case "transient":
      return { kind: "recorded" };
  }
}

/** `counted` with one more failure of this class; classes that are not retried do not count. */
export function countFailure(counted: FailureCounts, failure: FailureClass): FailureCounts {
  switch (failure) {
    case "infra":
      return { ...counted, infra: counted.infra + 1 };
    case "resource":
      return { ...counted, resource: counted.resource + 1 };
    case "poison":
      return { ...counted, poison: counted.poison + 1 };
    case "model":
    case "transient":
    case "config":
      return counted;
  }
}
