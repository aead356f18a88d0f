/**
 * A node as the leader sees it: CONNECTING → RECONCILING → READY → DRAINING; READY → SUSPECT → LOST. Whether it is
 * cordoned is a separate word (`Cordon`), because people may cordon a node in any state.
 *
 * 1. Only READY takes work; only READY can become SUSPECT.
 * 2. A new session (connect, hello) may begin in any state: the newer one counts, and what the node held is reconciled.
 * 3. LOST comes from silence, and orphans what the node held, or from a goodbye, and gives it back: whoever stops on
 *    purpose has it in its journals, so it is no failure. Neither is evidence against a sample.
 * 4. Only READY and SUSPECT can begin to drain: a node that is not reconciled yet is reconciled first, so that what it
 *    was told to keep goes on.
 *
 * Times are monotonic ms of the coordinator.
 */
import { refuse, type Transition } from "./transition.js";

export type AgentState =
  | { kind: "CONNECTING"; lastSeenMs: number }
  | { kind: "RECONCILING"; lastSeenMs: number; incarnation: bigint }
  | { kind: "READY"; lastSeenMs: number; incarnation: bigint }
  | { kind: "SUSPECT"; lastSeenMs: number; incarnation: bigint }
  | { kind: "DRAINING"; lastSeenMs: number; incarnation: bigint; reason: string }
  | { kind: "LOST"; sinceMs: number; reason: string };
export type AgentKind = AgentState["kind"];

/**
 * What people want of a node: to take work, to take no more, or to be emptied within a time (0: however long it takes).
 * `untilWallMs` is when that time is over, by the wall clock of the coordinator that was asked.
 */
export type Cordon =
  | { kind: "open" }
  | { kind: "cordoned"; reason: string }
  | { kind: "draining"; reason: string; deadlineMs: number; untilWallMs: number };

export type AgentEvent =
  /** A stream was opened in its name. */
  | { kind: "connect" }
  /** Its Hello; a lower incarnation than the known one is an old process that must go. */
  | { kind: "hello"; incarnation: bigint }
  /** Verdicts given, spool resent, store probe read back. */
  | { kind: "reconciled" }
  | { kind: "heartbeat" }
  /** Its stream broke without a Bye. */
  | { kind: "disconnect" }
  /** Silent for the suspect time. */
  | { kind: "suspect" }
  /** Silent for the lost time. */
  | { kind: "lose" }
  | { kind: "drain"; reason: string }
  /** It may take work again. */
  | { kind: "undrain" }
  | { kind: "bye"; reason: string };

export type AgentEffect =
  /** Compare what it holds with what is known and answer with verdicts. */
  | { kind: "reconcile" }
  | { kind: "wake_scheduler" }
  | { kind: "retract_unstarted" }
  | { kind: "orphan_attempts" }
  /** What it held goes to others at no cost. */
  | { kind: "give_back_attempts" }
  | { kind: "announce"; event: string; reason: string };

const announce = (verb: string, reason = ""): AgentEffect => ({
  kind: "announce",
  event: `node.${verb}`,
  reason,
});

/** The state after `event` at monotonic `nowMs`, and what to do about it. */
export function transitionAgent(
  state: AgentState,
  event: AgentEvent,
  nowMs: number,
): Transition<AgentState, AgentEffect> {
  const lost = (
    reason: string,
    attempts: "orphan_attempts" | "give_back_attempts",
  ): Transition<AgentState, AgentEffect> => ({
    ok: true,
    state: { kind: "LOST", sinceMs: nowMs, reason },
    effects: [{ kind: attempts }, announce("lost", reason)],
  });
  switch (event.kind) {
    case "connect":
      if (state.kind === "CONNECTING") return refuse(state, event);
      return { ok: true, state: { kind: "CONNECTING", lastSeenMs: nowMs }, effects: [] };
    case "hello": {
      if ("incarnation" in state && event.incarnation < state.incarnation) {
        return refuse(state, event, `incarnation ${event.incarnation} is older than ${state.incarnation}`);
      }
      return {
        ok: true,
        state: { kind: "RECONCILING", lastSeenMs: nowMs, incarnation: event.incarnation },
        effects: [{ kind: "reconcile" }, announce("reconciling")],
      };
    }
    case "reconciled":
      if (state.kind !== "RECONCILING") return refuse(state, event);
      return {
        ok: true,
        state: { kind: "READY", lastSeenMs: nowMs, incarnation: state.incarnation },
        effects: [{ kind: "wake_scheduler" }, announce("ready")],
      };
    case "heartbeat":
      if (state.kind === "LOST" || state.kind === "CONNECTING") return refuse(state, event, "hello first");
      if (state.kind === "SUSPECT") {
        return {
          ok: true,
          state: { kind: "READY", lastSeenMs: nowMs, incarnation: state.incarnation },
          effects: [{ kind: "wake_scheduler" }, announce("ready")],
        };
      }
      return { ok: true, state: { ...state, lastSeenMs: nowMs }, effects: [] };
    case "suspect":
    case "disconnect":
      if (state.kind !== "READY") return refuse(state, event);
      return {
        ok: true,
        state: { kind: "SUSPECT", lastSeenMs: state.lastSeenMs, incarnation: state.incarnation },
        effects: [announce("suspect", event.kind === "disconnect" ? "its stream broke" : "silent")],
      };
    case "lose":
      return state.kind === "LOST" || state.kind === "READY"
        ? refuse(state, event)
        : lost("silent too long", "orphan_attempts");
    case "drain":
      if (state.kind !== "READY" && state.kind !== "SUSPECT") return refuse(state, event); // invariant 4
      return {
        ok: true,
        state: {
          kind: "DRAINING",
          lastSeenMs: state.lastSeenMs,
          incarnation: state.incarnation,
          reason: event.reason,
        },
        effects: [{ kind: "retract_unstarted" }, announce("draining", event.reason)],
      };
    case "undrain":
      if (state.kind !== "DRAINING") return refuse(state, event);
      return {
        ok: true,
        state: { kind: "READY", lastSeenMs: state.lastSeenMs, incarnation: state.incarnation },
        effects: [{ kind: "wake_scheduler" }, announce("ready")],
      };
    case "bye":
      return state.kind === "LOST" ? refuse(state, event) : lost(event.reason, "give_back_attempts");
  }
}

export interface SilenceTimers {
  /** Default 3 heartbeat intervals. */
  suspectAfterMs: number;
  /** Default 6 heartbeat intervals. */
  lostAfterMs: number;
}

/** The event a node's silence amounts to at `nowMs`, one step at a time; undefined while it is heard from. */
export function silence(
  state: AgentState,
  nowMs: number,
  timers: SilenceTimers,
): { kind: "suspect" } | { kind: "lose" } | undefined {
  if (state.kind === "LOST") return undefined;
  const silentMs = nowMs - state.lastSeenMs;
  if (state.kind === "READY") return silentMs >= timers.suspectAfterMs ? { kind: "suspect" } : undefined;
  return silentMs >= timers.lostAfterMs ? { kind: "lose" } : undefined;
}

/** Invariant 1, and not cordoned. */
export const takesWork = (state: AgentState, cordon: Cordon): boolean =>
  state.kind === "READY" && cordon.kind === "open";
