/**
 * What every state machine here answers: the next state and what the caller must now do, or why the event does not fit.
 * A refusal changes nothing; late and repeated messages are ordinary and end here.
 */
export type Transition<State, Effect> =
  | { ok: true; state: State; effects: Effect[] }
  | { ok: false; reason: string };

/** The refusal for an event that has no place in a state. */
export const refuse = (state: { kind: string }, event: { kind: string }, why?: string) =>
  ({ ok: false, reason: `${event.kind} does not fit ${state.kind}${why ? `: ${why}` : ""}` }) as const;
