/**
 * Every step of the state machines, seen from outside. The real transition functions are wrapped when the simulation is
 * built (see build.ts), so that what they did is counted and can be checked while it happens.
 */
export type Machine = "shard" | "agent" | "campaign" | "job";

interface Kinded {
  kind: string;
}

type Step<S extends Kinded, E extends Kinded, R> = (state: S, event: E, nowMs: number) => R;

/** `machine: STATE event → STATE` with the times it was taken. */
export const taken = new Map<string, number>();

/** Hears of every step that was taken; set by whoever runs a schedule. */
export const watcher: {
  step: ((machine: Machine, from: Kinded, event: Kinded, to: Kinded) => void) | undefined;
} = {
  step: undefined,
};

/** The same function, observed. */
export function observed<S extends Kinded, E extends Kinded, R extends { ok: boolean; state?: S }>(
  machine: Machine,
  step: Step<S, E, R>,
): Step<S, E, R> {
  return (state, event, nowMs) => {
    const answer = step(state, event, nowMs);
    if (answer.ok && answer.state) {
      const name = `${machine}: ${state.kind} ${event.kind} → ${answer.state.kind}`;
      taken.set(name, (taken.get(name) ?? 0) + 1);
      watcher.step?.(machine, state, event, answer.state);
    }
    return answer;
  };
}
