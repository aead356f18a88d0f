/**
 * Every step of the state machines, seen from outside. The real transition functions are wrapped when the simulation is
 * built (see build.ts), so that what they did is counted and can be checked while it happens.
 */
export type Machine = "shard" | "agent" | "campaign" | "job";

interface Kinded {
  kind: string;
}

type Step<S extends Kinded, E extends Kinded, R> = (state: S, event: E, nowMs: number) => R;

type Counts = Map<string, Map<string, Map<string, number>>>;

/** Times each step was taken, by machine, state, event and state: no text is made for a step, there are many. */
const counted = new Map<Machine, Counts>();

/** `machine: STATE event → STATE` with the times it was taken since the last call. */
export function taken(): { [step: string]: number } {
  const all: { [step: string]: number } = {};
  for (const [machine, states] of counted)
    for (const [from, events] of states)
      for (const [event, ends] of events)
        for (const [to, n] of ends) all[`${machine}: ${from} ${event} → ${to}`] = n;
  counted.clear();
  return all;
}

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
      const ends = within(within(within(counted, machine), state.kind), event.kind);
      ends.set(answer.state.kind, (ends.get(answer.state.kind) ?? 0) + 1);
      watcher.step?.(machine, state, event, answer.state);
    }
    return answer;
  };
}

/** The map below a key, made when it is not there. */
function within<K, L, V>(map: Map<K, Map<L, V>>, key: K): Map<L, V> {
  const known = map.get(key);
  if (known) return known;
  const made = new Map<L, V>();
  map.set(key, made);
  return made;
}
