/** Random tests that can be run again: the seed is printed, and SEED in the environment sets it. */
import fc from "fast-check";

export const SEED = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));

/** Checks a property `numRuns` times from SEED; failures come shrunk, with their seed and path. */
export function holdsFor<T>(name: string, property: fc.IRawProperty<T>, numRuns: number): void {
  console.info(`${name}: SEED=${SEED}, ${numRuns} runs`);
  fc.assert(property, { seed: SEED, numRuns });
}
