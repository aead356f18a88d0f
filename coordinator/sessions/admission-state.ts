/**
 * How many agents may say Hello: after a restart the whole fleet comes back at once, and each Hello costs the leader
 * verdicts, a probe of the artifact store and an answer. Whoever comes too early is told when its turn is.
 */
export interface AdmissionState {
  /** Hellos that may come at once now. */
  readonly tokens: number;
  /** Monotonic ms of `tokens`. */
  readonly atMs: number;
  /** Up to when turns have been given away, monotonic ms. */
  readonly bookedUntilMs: number;
}

export const openAdmission = (perSecond: number, nowMs: number): AdmissionState => ({
  tokens: perSecond,
  atMs: nowMs,
  bookedUntilMs: nowMs,
});

/** Admits (`waitMs` 0) or gives a turn in `waitMs`; turns are spread evenly, `perSecond` of them a second. */
export function admit(
  state: AdmissionState,
  perSecond: number,
  nowMs: number,
): { state: AdmissionState; waitMs: number } {
  const tokens = Math.min(perSecond, state.tokens + ((nowMs - state.atMs) * perSecond) / 1000);
  if (tokens >= 1) return { state: { ...state, tokens: tokens - 1, atMs: nowMs }, waitMs: 0 };
  const bookedUntilMs = Math.max(state.bookedUntilMs, nowMs) + 1000 / perSecond;
  return { state: { tokens, atMs: nowMs, bookedUntilMs }, waitMs: Math.ceil(bookedUntilMs - nowMs) };
}
