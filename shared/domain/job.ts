/**
 * A job's life, in step with its campaign's: SUBMITTED → PLANNED → RUNNING ⇄ PAUSED → SEALING → SUCCEEDED | PARTIAL |
 * FAILED | CANCELLED. Its gate is open in RUNNING and PAUSED and nowhere else: every done, fail and split record
 * compares the gate's create revision, so nothing commits once SEALING has deleted it.
 *
 * Times are wall ms since 1970, for people.
 */
import { isTerminal, type Outcome } from "./campaign.js";
import { refuse, type Transition } from "./transition.js";

export type JobState =
  | { kind: "SUBMITTED" }
  | { kind: "PLANNED"; samples: number; shardSize: number }
  | { kind: "RUNNING"; samples: number; shardSize: number; gate: bigint }
  | { kind: "PAUSED"; samples: number; shardSize: number; gate: bigint; reason: string }
  | { kind: "SEALING"; samples: number; shardSize: number; outcome: Outcome; reason: string }
  | { kind: Outcome; endedMs: number; reason: string };
export type JobKind = JobState["kind"];

export type JobEvent =
  /** It stands in a written plan. */
  | { kind: "plan"; samples: number; shardSize: number }
  /** Its gate exists; `gate` is the create revision. */
  | { kind: "open"; gate: bigint }
  | { kind: "pause"; reason: string }
  | { kind: "resume" }
  | { kind: "cancel"; reason: string }
  /** Every shard is done or failed, or enough samples failed to stop. */
  | { kind: "finish"; outcome: Outcome; reason: string }
  | { kind: "sealed" };

export type JobEffect =
  | { kind: "open_gate" }
  | { kind: "delete_gate" }
  | { kind: "wake_scheduler" }
  | { kind: "retract_unstarted" }
  | { kind: "cancel_attempts" }
  /** List the done records and write the job manifest from them. */
  | { kind: "write_manifest" }
  /** Delete done and fail records. */
  | { kind: "delete_records" }
  | { kind: "announce"; event: string; reason: string };

const announce = (verb: string, reason = ""): JobEffect => ({
  kind: "announce",
  event: `job.${verb}`,
  reason,
});

/** The state after `event` at wall time `nowMs`, and what to do about it. */
export function transitionJob(
  state: JobState,
  event: JobEvent,
  nowMs: number,
): Transition<JobState, JobEffect> {
  if (isTerminal(state)) return refuse(state, event, "it has ended");
  const ended = (kind: Outcome, reason: string, effects: JobEffect[]) => ({
    ok: true as const,
    state: { kind, endedMs: nowMs, reason },
    effects: [...effects, announce(kind.toLowerCase(), reason)],
  });
  switch (state.kind) {
    case "SUBMITTED":
      if (event.kind === "cancel") return ended("CANCELLED", event.reason, []);
      if (event.kind !== "plan") return refuse(state, event);
      return {
        ok: true,
        state: { kind: "PLANNED", samples: event.samples, shardSize: event.shardSize },
        effects: [{ kind: "open_gate" }, announce("planned")],
      };
    case "PLANNED": {
      // Its gate may be on its way in the same batch as others, hence the deletion on cancel.
      const { samples, shardSize } = state;
      if (event.kind === "cancel") return sealing(samples, shardSize, "CANCELLED", event.reason);
      if (event.kind !== "open") return refuse(state, event);
      return {
        ok: true,
        state: { kind: "RUNNING", samples, shardSize, gate: event.gate },
        effects: [{ kind: "wake_scheduler" }, announce("running")],
      };
    }
    case "RUNNING":
    case "PAUSED": {
      const { samples, shardSize, gate } = state;
      if (event.kind === "cancel") return sealing(samples, shardSize, "CANCELLED", event.reason);
      if (event.kind === "finish") return sealing(samples, shardSize, event.outcome, event.reason);
      if (event.kind === "pause" && state.kind === "RUNNING") {
        return {
          ok: true,
          state: { kind: "PAUSED", samples, shardSize, gate, reason: event.reason },
          effects: [{ kind: "retract_unstarted" }, announce("paused", event.reason)],
        };
      }
      if (event.kind === "resume" && state.kind === "PAUSED") {
        return {
          ok: true,
          state: { kind: "RUNNING", samples, shardSize, gate },
          effects: [{ kind: "wake_scheduler" }, announce("running")],
        };
      }
      return refuse(state, event);
    }
    case "SEALING":
      if (event.kind !== "sealed") return refuse(state, event);
      return ended(state.outcome, state.reason, [{ kind: "delete_records" }]);
    default:
      return refuse(state, event);
  }
}

function sealing(
  samples: number,
  shardSize: number,
  outcome: Outcome,
  reason: string,
): Transition<JobState, JobEffect> {
  return {
    ok: true,
    state: { kind: "SEALING", samples, shardSize, outcome, reason },
    // Also after a full finish: a duplicate attempt of some shard may still run.
    effects: [
      { kind: "delete_gate" },
      { kind: "cancel_attempts" },
      { kind: "write_manifest" },
      announce("sealing", reason),
    ],
  };
}

/** How a job's samples ended, as far as its outcome needs to know. */
export interface SampleCounts {
  samples: number;
  /** ok, parse_error, refused. */
  answered: number;
}

/** SUCCEEDED when every sample was answered, FAILED when none was, PARTIAL in between. */
export function jobOutcome(counts: SampleCounts): Outcome {
  if (counts.answered >= counts.samples) return "SUCCEEDED";
  return counts.answered === 0 ? "FAILED" : "PARTIAL";
}
