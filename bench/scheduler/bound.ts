/**
 * How few loads a schedule can do with. An agent that runs a model loads it at least once, and is done with everything
 * by the end of the schedule, so it works on the model for at most `makespan − load` on each slot. So the work of a
 * model needs at least work ÷ (slots × (makespan − load)) agents, rounded up, and each of them loads it: the sum over
 * the models is a lower bound for every schedule that is as fast, also for one that knows all times beforehand and
 * cares for no fairness.
 */
import type { WorkJob } from "./workload.js";

export function fewestLoads(work: readonly WorkJob[], makespanMs: number, loadMs: number, slots = 1): number {
  const workMs = new Map<string, number>();
  for (const { spec, shardMs } of work) {
    const sum = shardMs.reduce((total, ms) => total + ms, 0);
    workMs.set(spec.model, (workMs.get(spec.model) ?? 0) + sum);
  }
  let loads = 0;
  for (const ms of workMs.values()) loads += Math.ceil(ms / (slots * (makespanMs - loadMs)));
  return loads;
}

/** No schedule ends sooner: all slots work all the time, and each agent loads once. */
export function shortestMs(work: readonly WorkJob[], agents: number, loadMs: number, slots = 1): number {
  const sum = work.reduce((total, { shardMs }) => total + shardMs.reduce((s, ms) => s + ms, 0), 0);
  return sum / (agents * slots) + loadMs;
}
