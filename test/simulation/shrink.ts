/**
 * A failing schedule with as few faults as still make it fail in the same way: halves are left out first, then single
 * ones, until nothing more can be left out. What people do is cut down the same way.
 */
import { draw, type Outcome, type Schedule } from "./schedule.js";
import { Worker } from "./simulate.js";

export interface Shrunk {
  schedule: Schedule;
  invariant: string;
  text: string;
}

/** Cuts down the schedule of a seed that fails. Throws when it does not. */
export async function shrink(file: string, seed: number): Promise<Shrunk> {
  const worker = new Worker(file);
  const run = async (schedule: Schedule): Promise<Outcome["violation"]> =>
    (await worker.ask({ kind: "one", seed, schedule, keepsLines: false })).outcome.violation;
  try {
    let schedule = draw(seed);
    const first = await run(schedule);
    if (first === undefined) throw new Error(`seed ${seed} does not fail`);
    const fails = async (candidate: Schedule) => (await run(candidate))?.invariant === first.invariant;
    schedule = {
      ...schedule,
      faults: await fewest(schedule.faults, (faults) => fails({ ...schedule, faults })),
    };
    schedule = {
      ...schedule,
      actions: await fewest(schedule.actions, (actions) => fails({ ...schedule, actions })),
    };
    const last = await run(schedule);
    return { schedule, invariant: first.invariant, text: last?.text ?? first.text };
  } finally {
    await worker.close();
  }
}

/** Delta debugging: the parts of `all` without which it does not fail. */
async function fewest<T>(all: readonly T[], fails: (some: T[]) => Promise<boolean>): Promise<T[]> {
  let kept = [...all];
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < kept.length; ) {
      const without = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (await fails(without)) kept = without;
      else at += size;
    }
  }
  return kept;
}
