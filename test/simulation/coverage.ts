/**
 * What a long run must have done often enough to prove anything: begun each kind of fault, and taken each step that the
 * state machines take under these faults. A step that is allowed and stands here neither as expected nor as seldom is
 * never taken by the whole: nobody sends the event, or what comes before it closes the way (an attempt that has not
 * begun is given back before it could be orphaned).
 */
import { FAULT_KINDS } from "./faults.js";

/** Runs of at least so many schedules are held to it. */
const SCHEDULES = 20_000;
const AT_LEAST = 100;

/** What was done less than it must be in a run of so many schedules; shorter runs are not judged. */
export function uncovered(
  schedules: number,
  faults: ReadonlyMap<string, number>,
  steps: ReadonlyMap<string, number>,
): string[] {
  if (schedules < SCHEDULES) return [];
  const seldom = (counts: ReadonlyMap<string, number>, names: readonly string[]) =>
    names
      .filter((name) => (counts.get(name) ?? 0) < AT_LEAST)
      .map((name) => `${name} ${counts.get(name) ?? 0}`);
  return [...seldom(faults, FAULT_KINDS), ...seldom(steps, STEPS)];
}

/**
 * Taken often. Left out are coincidences of two rare things that a run meets a few times only: a result, a failure or a
 * deadline that overtakes the news before it (ASSIGNED or ACCEPTED to DONE, FAILED, and PENDING by withdrawal), a last
 * loss of many (ORPHANED to FAILED), a cancellation in the ms before RUNNING (PLANNED to SEALING), a drain within the ms of a reconciliation, and the loss of a node that drains.
 */
export const STEPS: readonly string[] = [
  "agent: CONNECTING hello → RECONCILING",
  "agent: CONNECTING lose → LOST",
  "agent: DRAINING heartbeat → DRAINING",
  "agent: DRAINING hello → RECONCILING",
  "agent: DRAINING undrain → READY",
  "agent: LOST hello → RECONCILING",
  "agent: READY disconnect → SUSPECT",
  "agent: READY drain → DRAINING",
  "agent: READY heartbeat → READY",
  "agent: READY hello → RECONCILING",
  "agent: READY suspect → SUSPECT",
  "agent: RECONCILING heartbeat → RECONCILING",
  "agent: RECONCILING hello → RECONCILING",
  "agent: RECONCILING lose → LOST",
  "agent: RECONCILING reconciled → READY",
  "agent: SUSPECT drain → DRAINING",
  "agent: SUSPECT heartbeat → READY",
  "agent: SUSPECT hello → RECONCILING",
  "agent: SUSPECT lose → LOST",
  "campaign: PAUSED cancel → SEALING",
  "campaign: PAUSED finish → SEALING",
  "campaign: PAUSED resume → RUNNING",
  "campaign: PLANNED start → RUNNING",
  "campaign: RUNNING cancel → SEALING",
  "campaign: RUNNING finish → SEALING",
  "campaign: RUNNING pause → PAUSED",
  "campaign: SEALING sealed → CANCELLED",
  "campaign: SEALING sealed → FAILED",
  "campaign: SEALING sealed → PARTIAL",
  "campaign: SEALING sealed → SUCCEEDED",
  "campaign: SUBMITTED cancel → CANCELLED",
  "campaign: SUBMITTED plan → PLANNED",
  "job: PAUSED cancel → SEALING",
  "job: PAUSED finish → SEALING",
  "job: PAUSED resume → RUNNING",
  "job: PLANNED open → RUNNING",
  "job: RUNNING cancel → SEALING",
  "job: RUNNING finish → SEALING",
  "job: RUNNING pause → PAUSED",
  "job: SEALING sealed → CANCELLED",
  "job: SEALING sealed → FAILED",
  "job: SEALING sealed → PARTIAL",
  "job: SEALING sealed → SUCCEEDED",
  "shard: ACCEPTED commit → DONE",
  "shard: ACCEPTED fail → PENDING",
  "shard: ACCEPTED give_back → PENDING",
  "shard: ACCEPTED start → RUNNING",
  "shard: ACCEPTED upload → UPLOADED",
  "shard: ASSIGNED accept → ACCEPTED",
  "shard: ASSIGNED give_back → PENDING",
  "shard: ASSIGNED start → RUNNING",
  "shard: ORPHANED expire → PENDING",
  "shard: PENDING adopt → ACCEPTED",
  "shard: PENDING adopt → RUNNING",
  "shard: PENDING assign → ASSIGNED",
  "shard: PENDING give_up → FAILED",
  "shard: RUNNING commit → DONE",
  "shard: RUNNING fail → PENDING",
  "shard: RUNNING give_up → FAILED",
  "shard: RUNNING orphan → ORPHANED",
  "shard: RUNNING split → SPLIT",
  "shard: RUNNING upload → UPLOADED",
  "shard: RUNNING withdraw → PENDING",
  "shard: UPLOADED commit → DONE",
];
