/**
 * One try of a shard on one agent under one fence: ASSIGNED → ACCEPTED → RUNNING → UPLOADED, and one of seven ends.
 * An end is final for the attempt, not for the shard: a LOST attempt's results may still arrive and commit.
 */
import type { Fence } from "./fence.js";
import type { FailureClass } from "./retry.js";
import { refuse, type Transition } from "./transition.js";

interface Who {
  fence: Fence;
  agent: string;
}

export type AttemptState =
  | ({ kind: "ASSIGNED" } & Who)
  | ({ kind: "ACCEPTED" } & Who)
  | ({ kind: "RUNNING"; sinceMs: number } & Who)
  | ({ kind: "UPLOADED" } & Who)
  /** Its result is the shard's. */
  | ({ kind: "COMMITTED" } & Who)
  /** Another attempt committed first. */
  | ({ kind: "SUPERSEDED" } & Who)
  /** The job's gate was gone. */
  | ({ kind: "CLOSED" } & Who)
  | ({ kind: "FAILED"; class: FailureClass; message: string } & Who)
  /** Its agent stayed away too long. */
  | ({ kind: "LOST" } & Who)
  | ({ kind: "CANCELLED" } & Who)
  /** Given back unstarted; costs the shard nothing. */
  | ({ kind: "RETRACTED" } & Who);
export type AttemptKind = AttemptState["kind"];

export type AttemptEvent =
  | { kind: "accept" }
  | { kind: "start" }
  | { kind: "upload" }
  | { kind: "verdict"; verdict: "COMMITTED" | "SUPERSEDED" | "CLOSED" }
  | { kind: "fail"; class: FailureClass; message: string }
  | { kind: "lose" }
  | { kind: "cancel" }
  /** Rejected by the agent, or given back on request. */
  | { kind: "retract" };

export type AttemptEffect =
  /** The agent's devices and credit are free again. */
  { kind: "release" };

const ENDS: ReadonlySet<AttemptKind> = new Set([
  "COMMITTED",
  "SUPERSEDED",
  "CLOSED",
  "FAILED",
  "LOST",
  "CANCELLED",
  "RETRACTED",
]);
export const isEnd = (state: AttemptState): boolean => ENDS.has(state.kind);

/** The state after `event` at `nowMs`, and what to do about it. */
export function transitionAttempt(
  state: AttemptState,
  event: AttemptEvent,
  nowMs: number,
): Transition<AttemptState, AttemptEffect> {
  if (isEnd(state)) return refuse(state, event, "it has ended");
  const who: Who = { fence: state.fence, agent: state.agent };
  const go = (next: AttemptState): Transition<AttemptState, AttemptEffect> => ({
    ok: true,
    state: next,
    effects: isEnd(next) ? [{ kind: "release" }] : [],
  });
  switch (event.kind) {
    case "accept":
      return state.kind === "ASSIGNED" ? go({ kind: "ACCEPTED", ...who }) : refuse(state, event);
    case "start":
      // Accepted and Started are coalesced on the wire, so a start may be the first that is heard.
      return state.kind === "ASSIGNED" || state.kind === "ACCEPTED"
        ? go({ kind: "RUNNING", sinceMs: nowMs, ...who })
        : refuse(state, event);
    case "upload":
      return state.kind === "UPLOADED" ? refuse(state, event) : go({ kind: "UPLOADED", ...who });
    case "verdict":
      return state.kind === "UPLOADED" ? go({ kind: event.verdict, ...who }) : refuse(state, event);
    case "fail":
      return go({ kind: "FAILED", class: event.class, message: event.message, ...who });
    case "lose":
      return go({ kind: "LOST", ...who });
    case "cancel":
      return go({ kind: "CANCELLED", ...who });
    case "retract":
      return state.kind === "ASSIGNED" || state.kind === "ACCEPTED"
        ? go({ kind: "RETRACTED", ...who })
        : refuse(state, event, "it has begun");
  }
}
