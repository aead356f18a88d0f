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

/**
 * The same for schedules that keep all slots at work and give campaigns with work left equal shares of them, within a lane,
 * at each moment. When campaigns end then follows from their work alone. While campaigns that only need models of some set
 * are due so many lanes together, so many are on that set, and each of them loaded one of it. So sets of models that have
 * none in common bound the loads by the sum of what each needs; the division into sets that says most is taken. Models are
 * at most 12.
 */
export function fewestFairLoads(
  work: readonly WorkJob[],
  agents: number,
  makespanMs: number,
  loadMs: number,
  slots = 1,
): number {
  const models = [...new Set(work.map(({ spec }) => spec.model))];
  const bit = (model: string) => 1 << models.indexOf(model);
  const alone = models.map((m) =>
    fewestLoads(
      work.filter(({ spec }) => spec.model === m),
      makespanMs,
      loadMs,
      slots,
    ),
  );
  const campaigns = new Map<string, { ms: number; models: number }>();
  for (const { spec, shardMs } of work) {
    const known = campaigns.get(spec.campaign) ?? { ms: 0, models: 0 };
    const ms = shardMs.reduce((sum, one) => sum + one, 0);
    campaigns.set(spec.campaign, { ms: known.ms + ms, models: known.models | bit(spec.model) });
  }
  const byEnd = [...campaigns.values()].sort((a, b) => a.ms - b.ms);
  const needs = (set: number): number => {
    let least = 0;
    for (let i = 0; i < models.length; i++) if (set & (1 << i)) least += alone[i] ?? 0;
    // Among those that are left when so many have ended.
    for (let ended = 0; ended < byEnd.length; ended++) {
      const left = byEnd.slice(ended);
      const only = left.filter((campaign) => (campaign.models & ~set) === 0).length;
      least = Math.max(least, Math.floor((agents * only) / left.length));
    }
    return least;
  };
  const known = new Map<number, number>();
  const needsOf = (set: number): number => {
    const least = known.get(set) ?? needs(set);
    known.set(set, least);
    return least;
  };
  const all = (1 << models.length) - 1;
  const best = new Map([[0, 0]]);
  for (let set = 1; set <= all; set++) {
    const first = set & -set;
    let most = 0;
    for (let part = set; part > 0; part = (part - 1) & set)
      if (part & first) most = Math.max(most, needsOf(part) + (best.get(set & ~part) ?? 0));
    best.set(set, most);
  }
  return best.get(all) ?? 0;
}
