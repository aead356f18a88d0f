/**
 * Whether an agent could run a job at all, credits aside.
 */
import type { AgentSnapshot, JobSnapshot } from "./snapshot.js";

export type Feasible =
  /** Lanes of the agent that suit the job, in the job's order of preference. */
  { ok: true; lanes: string[] } | { ok: false; reason: string };

/** The part of a job that feasibility depends on. */
export type Requirements = Pick<JobSnapshot, "engine" | "model" | "lanes"> & {
  deviceClass?: string | undefined;
  namesServer?: boolean | undefined;
};

/** Reasons are for people and begin with the agent's name. */
export function feasible(agent: AgentSnapshot, job: Requirements): Feasible {
  const no = (why: string): Feasible => ({ ok: false, reason: `${agent.id} ${why}` });
  if (agent.state !== "READY") return no(`is ${agent.state.toLowerCase()}`);
  if (agent.cordoned) return no("is cordoned");
  const engine = agent.capability.engines.find((e) => e.kind === job.engine);
  if (!engine) return no(`has no engine ${job.engine}`);
  if (!job.namesServer && engine.unavailable !== undefined)
    return no(`cannot use ${job.engine}: ${engine.unavailable}`);
  if (!job.namesServer && engine.models.length > 0 && !serves(engine.models, job)) {
    return no(`does not serve ${job.model} with ${job.engine}`);
  }
  const named = job.lanes.filter((lane) => agent.capability.lanes.some((l) => l.lane === lane));
  if (named.length === 0) return no(`has no ${job.lanes.join(" or ")} device`);
  const lanes = named.filter((lane) =>
    agent.capability.lanes.some(
      (l) => l.lane === lane && (job.deviceClass === undefined || l.deviceClass === job.deviceClass),
    ),
  );
  if (lanes.length === 0) return no(`has no device of class ${job.deviceClass}`);
  return { ok: true, lanes };
}

/** For ollama a name without a tag means `:latest`. */
const serves = (models: readonly string[], { engine, model }: Requirements): boolean =>
  models.includes(model) || (engine === "ollama" && models.includes(`${model}:latest`));

/**
 * Whether a shard that failed on some nodes may run on `agent`: on another node if any other is feasible, busy or not;
 * anywhere when it failed on all of them.
 */
export function mayRetryOn(
  agent: string,
  failedOn: readonly string[],
  feasibleAgents: readonly string[],
): boolean {
  return !failedOn.includes(agent) || feasibleAgents.every((id) => failedOn.includes(id));
}
