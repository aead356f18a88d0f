/**
 * A campaign's life: SUBMITTED → PLANNED → RUNNING ⇄ PAUSED → SEALING → SUCCEEDED | PARTIAL | FAILED | CANCELLED.
 *
 * 1. A terminal state answers every event with a refusal; trying again is a new campaign.
 * 2. Only SEALING leads to a terminal state once a plan exists, because gates and done records must be folded into the
 *    job manifests first. Before that there is nothing to seal, so SUBMITTED may end at once.
 * 3. Pausing lets running shards finish and commit; cancelling does not.
 *
 * Times are wall ms since 1970, for people.
 */
import { refuse, type Transition } from "./transition.js";

/** How a campaign or a job can end. */
export type Outcome = "SUCCEEDED" | "PARTIAL" | "FAILED" | "CANCELLED";

/** Samples and shards of a job or campaign, by how they stand. */
export interface Tally {
  samples: number;
  /** With a committed record. */
  samplesDone: number;
  /** Of those, without an answer. */
  samplesFailed: number;
  /** Journaled by attempts that run. */
  samplesRunning: number;
  /** Shards that were split are counted by their children. */
  shards: number;
  shardsDone: number;
}

export type CampaignState =
  | { kind: "SUBMITTED"; sinceMs: number }
  | { kind: "PLANNED"; sinceMs: number; planSha256: string }
  | { kind: "RUNNING"; sinceMs: number; planSha256: string }
  | { kind: "PAUSED"; sinceMs: number; planSha256: string; reason: string }
  | { kind: "SEALING"; sinceMs: number; planSha256: string; outcome: Outcome; reason: string }
  | { kind: Outcome; sinceMs: number; planSha256?: string; reason: string };
export type CampaignKind = CampaignState["kind"];

export type CampaignEvent =
  /** The plan artifact is written. */
  | { kind: "plan"; planSha256: string }
  /** The request cannot be planned. */
  | { kind: "refuse"; reason: string }
  /** All gates are open. */
  | { kind: "start" }
  | { kind: "pause"; reason: string }
  | { kind: "resume" }
  | { kind: "cancel"; reason: string }
  /** Every job has ended. */
  | { kind: "finish"; outcome: Outcome; reason: string }
  /** Manifests and summary are written and the shard records deleted. */
  | { kind: "sealed" };

export type CampaignEffect =
  | { kind: "open_gates" }
  | { kind: "wake_scheduler" }
  /** Take back what agents hold and have not begun; running shards go on. */
  | { kind: "retract_unstarted" }
  /** Stop what runs; its results will find the gate gone. */
  | { kind: "cancel_attempts" }
  | { kind: "close_gates" }
  | { kind: "write_summary" }
  /** Tell those who watch: `campaign.<verb>`. */
  | { kind: "announce"; event: string; reason: string };

export const isTerminal = (state: { kind: string }): boolean =>
  state.kind === "SUCCEEDED" ||
  state.kind === "PARTIAL" ||
  state.kind === "FAILED" ||
  state.kind === "CANCELLED";

const announce = (verb: string, reason = ""): CampaignEffect => ({
  kind: "announce",
  event: `campaign.${verb}`,
  reason,
});

/** The state after `event` at wall time `nowMs`, and what to do about it. */
export function transitionCampaign(
  state: CampaignState,
  event: CampaignEvent,
  nowMs: number,
): Transition<CampaignState, CampaignEffect> {
  const seal = (planSha256: string, outcome: Outcome, reason: string, first: CampaignEffect[]) => ({
    ok: true as const,
    state: { kind: "SEALING" as const, sinceMs: nowMs, planSha256, outcome, reason },
    effects: [...first, { kind: "write_summary" as const }, announce("sealing", reason)],
  });
  switch (state.kind) {
    case "SUBMITTED":
      switch (event.kind) {
        case "plan":
          return {
            ok: true,
            state: { kind: "PLANNED", sinceMs: nowMs, planSha256: event.planSha256 },
            effects: [{ kind: "open_gates" }, announce("planned")],
          };
        case "refuse":
          return {
            ok: true,
            state: { kind: "FAILED", sinceMs: nowMs, reason: event.reason },
            effects: [announce("failed", event.reason)],
          };
        case "cancel":
          return {
            ok: true,
            state: { kind: "CANCELLED", sinceMs: nowMs, reason: event.reason },
            effects: [announce("cancelled", event.reason)],
          };
        default:
          return refuse(state, event);
      }
    case "PLANNED":
    case "RUNNING":
    case "PAUSED": {
      const { planSha256 } = state;
      switch (event.kind) {
        case "start":
          if (state.kind !== "PLANNED") return refuse(state, event);
          return {
            ok: true,
            state: { kind: "RUNNING", sinceMs: nowMs, planSha256 },
            effects: [{ kind: "wake_scheduler" }, announce("running")],
          };
        case "pause":
          if (state.kind !== "RUNNING") return refuse(state, event);
          return {
            ok: true,
            state: { kind: "PAUSED", sinceMs: nowMs, planSha256, reason: event.reason },
            effects: [{ kind: "retract_unstarted" }, announce("paused", event.reason)],
          };
        case "resume":
          if (state.kind !== "PAUSED") return refuse(state, event);
          return {
            ok: true,
            state: { kind: "RUNNING", sinceMs: nowMs, planSha256 },
            effects: [{ kind: "wake_scheduler" }, announce("running")],
          };
        case "cancel":
          return seal(planSha256, "CANCELLED", event.reason, [
            { kind: "close_gates" },
            { kind: "cancel_attempts" },
          ]);
        case "finish":
          if (state.kind === "PLANNED") return refuse(state, event, "its gates are not all open");
          return seal(planSha256, event.outcome, event.reason, [{ kind: "close_gates" }]);
        default:
          return refuse(state, event);
      }
    }
    case "SEALING":
      if (event.kind !== "sealed") return refuse(state, event);
      return {
        ok: true,
        state: {
          kind: state.outcome,
          sinceMs: nowMs,
          planSha256: state.planSha256,
          reason: state.reason,
        },
        effects: [announce(state.outcome.toLowerCase(), state.reason)],
      };
    default:
      return refuse(state, event, "it has ended"); // invariant 1
  }
}

/** What a campaign becomes when its jobs ended like this; a campaign without jobs has nothing to fail at. */
export function campaignOutcome(jobs: readonly Outcome[]): Outcome {
  const all = (outcome: Outcome) => jobs.every((j) => j === outcome);
  if (all("SUCCEEDED")) return "SUCCEEDED";
  if (all("CANCELLED")) return "CANCELLED";
  return all("FAILED") ? "FAILED" : "PARTIAL";
}
