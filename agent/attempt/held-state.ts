/**
 * An attempt on its agent: INTERRUPTED → ACCEPTED → RUNNING → SPOOLED → UPLOADED, or FAILED; and over. What is over is
 * forgotten, so that it has no state.
 *
 * 1. Nothing starts without the coordinator's word: a new assignment, or KEEP for what a crash cut short.
 * 2. What somebody must still hear of (UPLOADED, FAILED) ends only by the coordinator's word.
 */

/** `Result` and `Failure` are what the coordinator is told. */
export type HeldState<Result, Failure> =
  /** Cut short by the end of this agent; waits for KEEP or STOP. */
  | { kind: "INTERRUPTED" }
  /** Waits for a slot; `resumes` from its journal. */
  | { kind: "ACCEPTED"; resumes: boolean }
  /** `freed`: it has given its device back, and is only being put away. Times are monotonic ms. */
  | { kind: "RUNNING"; sinceMs: number; freed: boolean }
  /** Complete in its journal; the artifact store does not have it yet. */
  | { kind: "SPOOLED"; result: Result }
  /** Waits for the coordinator's answer. */
  | { kind: "UPLOADED"; result: Result }
  /** Waits for the coordinator to have heard of it. */
  | { kind: "FAILED"; failure: Failure };
export type HeldKind = HeldState<unknown, unknown>["kind"];

export type HeldEvent<Result, Failure> =
  /** The coordinator wants it to go on. */
  | { kind: "keep" }
  /** It has a slot. */
  | { kind: "start"; nowMs: number }
  /** Its last sample has run. */
  | { kind: "free" }
  /** All its records are in the journal, and where the coordinator can have them if `stored`. */
  | { kind: "complete"; result: Result; stored: boolean }
  | { kind: "stored" }
  | { kind: "fail"; failure: Failure }
  /** The coordinator's last word about a result or failure. */
  | { kind: "acknowledge" }
  /** Given back unstarted. */
  | { kind: "retract" }
  /** Nobody wants it any more, or the agent stops. */
  | { kind: "stop" };
export type HeldEventKind = HeldEvent<unknown, unknown>["kind"];

/** The state after `event`, `over` if nothing is left to hold, or undefined if the event does not fit. */
export function transitionHeld<Result, Failure>(
  state: HeldState<Result, Failure>,
  event: HeldEvent<Result, Failure>,
): HeldState<Result, Failure> | "over" | undefined {
  switch (event.kind) {
    case "keep":
      return state.kind === "INTERRUPTED" ? { kind: "ACCEPTED", resumes: true } : undefined;
    case "start":
      if (state.kind !== "ACCEPTED") return undefined;
      return { kind: "RUNNING", sinceMs: event.nowMs, freed: false };
    case "free":
      return state.kind === "RUNNING" && !state.freed ? { ...state, freed: true } : undefined;
    case "complete":
      if (state.kind !== "RUNNING" && state.kind !== "INTERRUPTED") return undefined;
      return { kind: event.stored ? "UPLOADED" : "SPOOLED", result: event.result };
    case "stored":
      return state.kind === "SPOOLED" ? { kind: "UPLOADED", result: state.result } : undefined;
    case "fail":
      if (state.kind === "UPLOADED" || state.kind === "FAILED") return undefined;
      return { kind: "FAILED", failure: event.failure };
    case "acknowledge":
      return state.kind === "UPLOADED" || state.kind === "FAILED" ? "over" : undefined;
    case "retract":
      return state.kind === "ACCEPTED" && !state.resumes ? "over" : undefined;
    case "stop":
      return "over";
  }
}

/** Counts against what a lane may hold at once: it waits for a device or has one. */
export const isActive = (state: HeldState<unknown, unknown>): boolean =>
  state.kind === "ACCEPTED" || (state.kind === "RUNNING" && !state.freed);

/** The result that waits for the artifact store or the coordinator, if any. */
export const waitingResult = <Result>(state: HeldState<Result, unknown>): Result | undefined =>
  state.kind === "SPOOLED" || state.kind === "UPLOADED" ? state.result : undefined;
