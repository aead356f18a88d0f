/**
 * A shard's life: PENDING → ASSIGNED → ACCEPTED → RUNNING → UPLOADED → DONE | FAILED | SPLIT; a lost agent makes it
 * ORPHANED → PENDING, and a PENDING one is adopted by the agent that comes back with it, or runs it still after a change
 * of leaders. Durable are only DONE, FAILED, SPLIT and the counted failures; all else is the leader's memory and may be
 * forgotten.
 *
 * 1. The first record wins, whatever its fence: `commit`, `split` and `give_up` say what was written, so they end any
 *    open shard, also a PENDING one.
 * 2. Messages about another attempt than the current one change nothing (they name the wrong fence).
 * 3. Only infra, resource and poison failures count; LOST counts as infra, a retraction costs nothing.
 */
import { type Fence, fenceText, sameFence } from "./fence.js";
import {
  countFailure,
  type FailureClass,
  type FailureCounts,
  NO_FAILURES,
  type RetryLimits,
  retryDecision,
} from "./retry.js";
import { refuse, type Transition } from "./transition.js";

/** What an open shard remembers of attempts that failed. */
export interface ShardHistory {
  failures: FailureCounts;
  /** Nodes that failed it; others are preferred. */
  failedOn: readonly string[];
}

/** What the samples of a shard that is given up count as. */
export type GivenUpStatus = "engine_error" | "oom" | "poison";

interface Held extends ShardHistory {
  fence: Fence;
  agent: string;
}

export type ShardState =
  | ({ kind: "PENDING" } & ShardHistory)
  /** Sent to the agent; retracted at the deadline (monotonic ms of the coordinator) unless accepted. */
  | ({ kind: "ASSIGNED"; acceptByMs: number } & Held)
  | ({ kind: "ACCEPTED" } & Held)
  | ({ kind: "RUNNING"; sinceMs: number } & Held)
  | ({ kind: "UPLOADED" } & Held)
  /** Its agent is lost, the attempt may still come back. */
  | ({ kind: "ORPHANED"; sinceMs: number } & Held)
  | { kind: "DONE"; fence: Fence }
  /** Attempts exhausted; its samples get records with this status. */
  | { kind: "FAILED"; status: GivenUpStatus; reason: string }
  /** Its samples run as these other shards. */
  | { kind: "SPLIT"; children: readonly number[] };
export type ShardKind = ShardState["kind"];

export type ShardEvent =
  | { kind: "assign"; fence: Fence; agent: string; acceptByMs: number }
  /** An agent holds it under an earlier leader's fence, or came back with it. */
  | { kind: "adopt"; fence: Fence; agent: string; running: boolean }
  | { kind: "accept"; fence: Fence }
  | { kind: "start"; fence: Fence }
  | { kind: "upload"; fence: Fence }
  /** The done record is written. */
  | { kind: "commit"; fence: Fence }
  /** Rejected, retracted, or not accepted in time; `notify` when the agent may not know that. */
  | { kind: "give_back"; fence: Fence; reason: string; notify?: boolean }
  /** Taken from its agent on purpose, begun or not; costs nothing. `notify` when the agent is to stop it. */
  | { kind: "withdraw"; fence: Fence; reason: string; notify: boolean }
  | { kind: "fail"; fence: Fence; class: FailureClass; message: string; limits: RetryLimits }
  /** Its agent is lost. */
  | { kind: "orphan"; fence: Fence }
  /** The agent does not come back, or came back without it. */
  | { kind: "expire"; fence: Fence; limits: RetryLimits }
  /** The split record is written. */
  | { kind: "split"; children: readonly number[] }
  /** The record of a shard that is given up without an attempt of its own is written. */
  | { kind: "give_up"; status: GivenUpStatus; reason: string };

export type AttemptEndKind = "COMMITTED" | "SUPERSEDED" | "FAILED" | "LOST" | "RETRACTED";

export type ShardEffect =
  /** The attempt is over for the leader; `notify` when its agent must be told to stop. */
  | { kind: "end_attempt"; fence: Fence; agent: string; end: AttemptEndKind; notify: boolean }
  /** Schedulable again. */
  | { kind: "requeue"; reason: string }
  /** Record the failure durably: a counted failure, or the shard's end. */
  | { kind: "record_failure"; fence: Fence; class: FailureClass; reason: string }
  | { kind: "fail_samples"; status: GivenUpStatus; reason: string };

export const PENDING_SHARD: ShardState = { kind: "PENDING", failures: NO_FAILURES, failedOn: [] };

type Step = Transition<ShardState, ShardEffect>;

/** The state after `event` at monotonic `nowMs`, and what to do about it. */
export function transitionShard(state: ShardState, event: ShardEvent, nowMs: number): Step {
  if (state.kind === "DONE" || state.kind === "FAILED" || state.kind === "SPLIT") {
    return refuse(state, event, "it has ended");
  }
  switch (event.kind) {
    case "commit": // invariant 1
      return closed(state, { kind: "DONE", fence: event.fence }, event.fence);
    case "split":
      return closed(state, { kind: "SPLIT", children: event.children });
    case "give_up":
      return closed(state, { kind: "FAILED", status: event.status, reason: event.reason });
  }
  const history: ShardHistory = { failures: state.failures, failedOn: state.failedOn };

  if (state.kind === "PENDING") {
    if (event.kind === "assign") {
      const { fence, agent, acceptByMs } = event;
      return { ok: true, state: { kind: "ASSIGNED", fence, agent, acceptByMs, ...history }, effects: [] };
    }
    if (event.kind !== "adopt") return refuse(state, event);
    const held: Held = { fence: event.fence, agent: event.agent, ...history };
    const adopted: ShardState = event.running
      ? { kind: "RUNNING", sinceMs: nowMs, ...held }
      : { kind: "ACCEPTED", ...held };
    return { ok: true, state: adopted, effects: [] };
  }

  if (event.kind === "assign" || event.kind === "adopt") return refuse(state, event);
  if (!sameFence(state.fence, event.fence)) {
    return refuse(state, event, `it is held under ${fenceText(state.fence)}`); // invariant 2
  }
  const held: Held = { fence: state.fence, agent: state.agent, ...history };
  const go = (next: ShardState): Step => ({ ok: true, state: next, effects: [] });
  switch (event.kind) {
    case "accept":
      return state.kind === "ASSIGNED" ? go({ kind: "ACCEPTED", ...held }) : refuse(state, event);
    case "start":
      return state.kind === "ASSIGNED" || state.kind === "ACCEPTED"
        ? go({ kind: "RUNNING", sinceMs: nowMs, ...held })
        : refuse(state, event);
    case "upload":
      return state.kind === "UPLOADED" ? refuse(state, event) : go({ kind: "UPLOADED", ...held });
    case "give_back":
      if (state.kind !== "ASSIGNED" && state.kind !== "ACCEPTED") return refuse(state, event, "it has begun");
      return {
        ok: true,
        state: { kind: "PENDING", ...history },
        effects: [
          {
            kind: "end_attempt",
            fence: state.fence,
            agent: state.agent,
            end: "RETRACTED",
            notify: event.notify === true,
          },
          { kind: "requeue", reason: event.reason },
        ],
      };
    case "withdraw":
      if (state.kind === "UPLOADED") return refuse(state, event, "its result is being committed");
      return {
        ok: true,
        state: { kind: "PENDING", ...history },
        effects: [
          {
            kind: "end_attempt",
            fence: state.fence,
            agent: state.agent,
            end: "RETRACTED",
            notify: event.notify,
          },
          { kind: "requeue", reason: event.reason },
        ],
      };
    case "fail":
      return fail(held, event.class, event.message, event.limits, "FAILED");
    case "orphan":
      return state.kind === "ORPHANED"
        ? refuse(state, event)
        : go({ kind: "ORPHANED", sinceMs: nowMs, ...held });
    case "expire":
      if (state.kind !== "ORPHANED") return refuse(state, event);
      return fail(held, "infra", `${state.agent} was lost`, event.limits, "LOST");
  }
}

/** A record ends the shard; an attempt that did not write it is superseded, and its agent told. */
function closed(
  state: Exclude<ShardState, { kind: "DONE" | "FAILED" | "SPLIT" }>,
  end: ShardState,
  by?: Fence,
): Step {
  if (state.kind === "PENDING") return { ok: true, state: end, effects: [] };
  const { fence, agent } = state;
  const own = by !== undefined && sameFence(fence, by);
  return {
    ok: true,
    state: end,
    effects: [{ kind: "end_attempt", fence, agent, end: own ? "COMMITTED" : "SUPERSEDED", notify: !own }],
  };
}

function fail(
  held: Held,
  failure: FailureClass,
  reason: string,
  limits: RetryLimits,
  end: "FAILED" | "LOST",
): Step {
  const { fence, agent } = held;
  const failures = countFailure(held.failures, failure);
  const decision = retryDecision(failure, failures, limits);
  const effects: ShardEffect[] = [
    { kind: "end_attempt", fence, agent, end, notify: false },
    { kind: "record_failure", fence, class: failure, reason },
  ];
  const failedOn = held.failedOn.includes(agent) ? held.failedOn : [...held.failedOn, agent];
  switch (decision.kind) {
    case "retry":
      return {
        ok: true,
        state: { kind: "PENDING", failures, failedOn },
        effects: [...effects, { kind: "requeue", reason }],
      };
    case "give_up":
      return {
        ok: true,
        state: { kind: "FAILED", status: decision.status, reason },
        effects: [...effects, { kind: "fail_samples", status: decision.status, reason }],
      };
    case "recorded":
      // Model and transient failures are records inside a result; an attempt that fails with one broke the rule.
      return {
        ok: false,
        reason: `${failure} failures are recorded in the result, not reported as failed attempts`,
      };
  }
}
