/**
 * The scheduler: a snapshot goes in, assignments and reasons for waiting come out. For each free credit of each lane:
 *
 * 1. Only feasible work, never more than the lane's credits, no shard twice.
 * 2. Higher priority first.
 * 3. Among equals a lane stays on its model, then on a loaded one, so that models are loaded seldom; a model that
 *    waited longer than `maxWaitMs` takes one credit over, and then the lane stays with it.
 * 4. Among equals of those, the campaign with fewest attempts in flight, then the older one, then plan order.
 * 5. A credit stays free only when nothing pending is feasible on its lane (work-conserving).
 * 6. A shard that failed on a node goes to another if any other is feasible.
 *
 * Lanes take one shard each in turn, which spreads work; loads are decided only after all loaded models have been
 * served, so that a cold lane does not take what a warm one would have. Cost: credits × queues.
 */
import { blocked, makeQueues, type Queue } from "./queues.js";
import {
  type Assignment,
  type AssignmentReason,
  type JobSnapshot,
  type JobWaiting,
  modelKey,
  type Schedule,
  type Snapshot,
} from "./snapshot.js";

interface Lane {
  readonly agent: string;
  readonly lane: string;
  credits: number;
  lastModel: string | undefined;
  readonly loaded: Set<string>;
}

/** `nowMs` is monotonic, on the clock of `waitingSinceMs`. Equal snapshots give equal schedules. */
export function schedule(snapshot: Snapshot, nowMs: number): Schedule {
  const agents = [...snapshot.agents].sort((a, b) => (a.id < b.id ? -1 : 1));
  const queues = makeQueues(agents, snapshot.jobs);
  const lanes: Lane[] = agents.flatMap((agent) => {
    const loaded = new Set(agent.loadedModels);
    return agent.lanes
      .filter((l) => l.credits > 0)
      .map((l) => ({ agent: agent.id, lane: l.lane, credits: l.credits, lastModel: l.lastModel, loaded }));
  });
  /** On how many agents a model is, or will be. */
  const copies = new Map<string, number>();
  for (const agent of agents) {
    for (const model of agent.loadedModels) copies.set(model, (copies.get(model) ?? 0) + 1);
  }

  const assignments: Assignment[] = [];
  for (const mayLoad of [false, true]) {
    let turn = lanes.filter((l) => l.credits > 0);
    while (turn.length > 0) turn = turn.filter((lane) => serve(lane, mayLoad) && lane.credits > 0);
  }
  return { assignments, waiting: waiting(snapshot, queues) };

  /** Gives the lane one shard; false when there is none for it. */
  function serve(lane: Lane, mayLoad: boolean): boolean {
    for (;;) {
      const offers = queues.filter((q) => q.offers(lane.agent, lane.lane));
      const choice = choose(lane, offers, mayLoad);
      if (!choice) return false;
      const taken = choice.take(lane.agent);
      if (!taken) continue; // nothing of it is for this agent; the queue remembers that
      record(lane, choice, taken);
      return true;
    }
  }

  function choose(lane: Lane, offers: readonly Queue[], mayLoad: boolean): Queue | undefined {
    const top = offers[0]?.priority;
    const equals = offers.filter((q) => q.priority === top);
    const warm = equals.filter((q) => !q.requirement.modelLoads || lane.loaded.has(q.requirement.model));
    const current = equals.filter((q) => q.requirement.model === lane.lastModel);
    const overdue = equals.filter(
      (q) => !current.includes(q) && nowMs - q.waitingSinceMs > snapshot.options.maxWaitMs,
    );
    if (overdue.length > 0) return least(overdue, (q) => [q.waitingSinceMs]);
    const free = equals.filter((q) => !q.requirement.modelLoads);
    const stay = current.length > 0 ? [...current, ...free.filter((q) => !current.includes(q))] : warm;
    if (stay.length > 0) return least(stay, (q) => [q.share.inFlight]);
    return mayLoad
      ? least(equals, (q) => [q.share.inFlight, copies.get(q.requirement.model) ?? 0])
      : undefined;
  }

  function record(lane: Lane, queue: Queue, taken: { job: JobSnapshot; index: number }): void {
    const model = modelKey(taken.job);
    const why: AssignmentReason = !queue.requirement.modelLoads
      ? "no_load"
      : lane.lastModel === model
        ? "stays"
        : lane.loaded.has(model)
          ? "loaded"
          : "loads";
    if (queue.requirement.modelLoads) {
      if (!lane.loaded.has(model)) copies.set(model, (copies.get(model) ?? 0) + 1);
      lane.loaded.add(model);
      lane.lastModel = model;
    }
    lane.credits--;
    queue.share.inFlight++;
    queue.waitingSinceMs = nowMs;
    assignments.push({
      campaign: taken.job.campaign,
      job: taken.job.job,
      first: taken.index,
      count: 1,
      agent: lane.agent,
      lane: lane.lane,
      why,
    });
  }
}

/** The first of the smallest, comparing measures in order. */
function least(queues: readonly Queue[], measures: (q: Queue) => number[]): Queue | undefined {
  let best: Queue | undefined;
  for (const queue of queues) {
    if (!best || isLess(measures(queue), measures(best))) best = queue;
  }
  return best;
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  for (const [i, x] of a.entries()) {
    const y = b[i] ?? 0;
    if (x !== y) return x < y;
  }
  return false;
}

function waiting(snapshot: Snapshot, queues: readonly Queue[]): Schedule["waiting"] {
  const shut = snapshot.jobs.flatMap((job): JobWaiting[] => {
    const why = job.pending.ready + job.pending.waiting > 0 ? blocked(job) : undefined;
    return why ? [{ campaign: job.campaign, job: job.job, ...why, nodes: [] }] : [];
  });
  const open = queues.flatMap((q) => {
    const { feasibleAgents, reasons } = q.requirement;
    const why: Pick<JobWaiting, "code" | "message"> =
      feasibleAgents.length > 0
        ? {
            code: "busy",
            message: `all ${feasibleAgents.length} nodes that can run ${q.requirement.model} are busy`,
          }
        : snapshot.agents.length === 0
          ? { code: "no_nodes", message: "no node is connected" }
          : {
              code: "no_feasible_node",
              message: `no node can run ${q.requirement.model}: ${reasons.slice(0, 3).join("; ")}${reasons.length > 3 ? `; and ${reasons.length - 3} more` : ""}`,
            };
    return q.left().map((j) => ({ campaign: j.campaign, job: j.job, ...why, nodes: [] }));
  });
  return [...shut, ...open];
}
