/**
 * The brake: when so much goes silent at once that the fault is more likely ours (a network, this process, the store)
 * than theirs, nobody is declared lost and nothing goes elsewhere.
 *
 * 1. Engages when more than 20 % of the nodes, and at least 5, are overdue or were lost within 60 s; when this
 *    process's loop was late by more than 1 s; or when the state store does not answer, or is full, so
 *    that nothing that follows could be written.
 * 2. Releases when all its causes have been gone for 60 s.
 * 3. When lost nodes are the only cause it gives way after 5 min: then 5 % of the fleet a minute may be declared lost.
 * 4. An operator's release holds until the causes have been gone once; then the brake may engage again.
 *
 * Times are monotonic ms.
 */
export type BrakeCause = "mass_loss" | "loop_lag" | "store" | "store_full";

export interface BrakeLimits {
  lossShare: number;
  lossMin: number;
  lossWindowMs: number;
  loopLagMs: number;
  /** Causes must be gone for so long. */
  holdMs: number;
  /** When loss alone gives way. */
  giveWayMs: number;
  /** Share of the fleet that may then be declared lost in a minute. */
  shareAMinute: number;
}

export const BRAKE_LIMITS: BrakeLimits = {
  lossShare: 0.2,
  lossMin: 5,
  lossWindowMs: 60_000,
  loopLagMs: 1000,
  holdMs: 60_000,
  giveWayMs: 300_000,
  shareAMinute: 0.05,
};

export type BrakeState =
  | { kind: "released"; overruled: boolean }
  | {
      kind: "engaged";
      sinceMs: number;
      /** Why, each with when it was last seen. */
      causes: { readonly [cause in BrakeCause]?: number };
      /** Nodes that may be declared lost all the same (invariant 3). */
      allowance: number;
      allowanceAtMs: number;
    };

/** What there is to see at one look. */
export interface BrakeSigns {
  /** Nodes that are not lost. */
  nodes: number;
  /** Of those, silent for longer than the lost time. */
  overdue: number;
  /** Others that were declared lost by silence within the loss window, each counted once. */
  recentlyLost: number;
  /** How late this process's loop was since the last look. */
  loopLagMs: number;
  /** The state store takes our writes. */
  storeAnswers: boolean;
  /** It does not because it is full. */
  storeFull: boolean;
}

export const RELEASED: BrakeState = { kind: "released", overruled: false };

/** The state at `nowMs` after a look at the signs. */
export function lookAtBrake(
  state: BrakeState,
  signs: BrakeSigns,
  nowMs: number,
  limits: BrakeLimits = BRAKE_LIMITS,
): BrakeState {
  const seen = causesOf(signs, limits);
  if (state.kind === "released") {
    if (seen.length === 0) return RELEASED;
    if (state.overruled) return state; // invariant 4
    return {
      kind: "engaged",
      sinceMs: nowMs,
      causes: stamped({}, seen, nowMs),
      allowance: 0,
      allowanceAtMs: nowMs,
    };
  }
  const causes = stamped(state.causes, seen, nowMs);
  const last = Math.max(...Object.values(causes));
  if (seen.length === 0 && nowMs - last >= limits.holdMs) return RELEASED;
  return { ...state, causes, ...allowanceOf(state, signs, seen, nowMs, limits) };
}

/** Releases by an operator's word. */
export const overrule = (): BrakeState => ({ kind: "released", overruled: true });

/** How many of the overdue nodes may be declared lost now. */
export const mayLose = (state: BrakeState, overdue: number): number =>
  state.kind === "released" ? overdue : Math.min(overdue, Math.floor(state.allowance));

/** `state` after `n` nodes were declared lost under the brake. */
export const spent = (state: BrakeState, n: number): BrakeState =>
  state.kind === "released" ? state : { ...state, allowance: state.allowance - n };

/** One sentence for people; empty when released. */
export function brakeText(state: BrakeState): string {
  if (state.kind === "released") return "";
  const words = {
    mass_loss: "many nodes went silent at once",
    loop_lag: "this process was held up",
    store: "the state store does not answer",
    store_full: "the state store is full",
  };
  const why = (Object.keys(state.causes) as BrakeCause[]).map((cause) => words[cause]);
  return `${why.join("; ")}: no node is declared lost and nothing is given to another node`;
}

/** One sentence for people: what ends it; empty when released. */
export function brakeEnds(state: BrakeState, limits: BrakeLimits = BRAKE_LIMITS): string {
  if (state.kind === "released") return "";
  const { holdMs, giveWayMs, shareAMinute } = limits;
  const gone = `it ends when that has been gone for ${Math.round(holdMs / 1000)} s`;
  if (Object.keys(state.causes).some((cause) => cause !== "mass_loss")) return gone;
  const slowly = `${shareAMinute * 100} % of the fleet a minute`;
  return `${gone}; after ${Math.round(giveWayMs / 60_000)} min ${slowly} may be declared lost all the same`;
}

function causesOf(signs: BrakeSigns, limits: BrakeLimits): BrakeCause[] {
  const gone = signs.overdue + signs.recentlyLost;
  const fleet = signs.nodes + signs.recentlyLost;
  return [
    ...(gone >= limits.lossMin && gone > limits.lossShare * fleet ? (["mass_loss"] as const) : []),
    ...(signs.loopLagMs > limits.loopLagMs ? (["loop_lag"] as const) : []),
    ...(signs.storeAnswers ? [] : [signs.storeFull ? ("store_full" as const) : ("store" as const)]),
  ];
}

const stamped = (
  causes: { readonly [cause in BrakeCause]?: number },
  seen: readonly BrakeCause[],
  nowMs: number,
): { readonly [cause in BrakeCause]?: number } => ({
  ...causes,
  ...Object.fromEntries(seen.map((cause) => [cause, nowMs])),
});

/** Invariant 3. Other causes within the hold time stop the allowance from growing. */
function allowanceOf(
  state: BrakeState & { kind: "engaged" },
  signs: BrakeSigns,
  seen: readonly BrakeCause[],
  nowMs: number,
  limits: BrakeLimits,
): { allowance: number; allowanceAtMs: number } {
  const others = (["loop_lag", "store", "store_full"] as const).some(
    (c) => nowMs - (state.causes[c] ?? -Infinity) < limits.holdMs,
  );
  const waits = nowMs - state.sinceMs < limits.giveWayMs;
  if (others || waits || seen.some((c) => c !== "mass_loss")) return { allowance: 0, allowanceAtMs: nowMs };
  const grown = ((nowMs - state.allowanceAtMs) / 60_000) * limits.shareAMinute * signs.nodes;
  // At most a minute's worth at once, and never less than one node a minute.
  const most = Math.max(1, limits.shareAMinute * signs.nodes);
  const least = (nowMs - state.allowanceAtMs) / 60_000;
  return { allowance: Math.min(most, state.allowance + Math.max(grown, least)), allowanceAtMs: nowMs };
}
