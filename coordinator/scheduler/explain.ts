/** Why shards wait, for people: a reason for each job, and for each node why it cannot take it. */
import type { Draft } from "./draft.js";
import { unavailable } from "./feasible.js";
import type { AgentRecord } from "./lanes.js";
import { blocked, type Job, type Requirement } from "./queues.js";
import type { JobWaiting, NodeCode, NodesWaiting, WaitingCode } from "./snapshot.js";

/** Names told of nodes for which the same is so. */
const NAMED = 20;

const LATER = {
  code: "retry_later" as const,
  message: "its shards failed and wait a little before they are tried again",
};

/** Jobs of a campaign with shards left, in plan order; `nodes` are left out of those that wait for no node. */
export function explain(draft: Draft, campaign: string): JobWaiting[] {
  const answers = new Map<Requirement, Pick<JobWaiting, "code" | "message" | "nodes">>();
  return draft.standing.jobsOf(campaign).flatMap((job): JobWaiting[] => {
    const { snapshot, queue } = job;
    const { pending } = snapshot;
    const about = { campaign, job: snapshot.job };
    const shut = blocked(snapshot);
    if (shut) return pending.ready + pending.waiting > 0 ? [{ ...about, ...shut, nodes: [] }] : [];
    if (draft.ready(job) === 0) return pending.waiting > 0 ? [{ ...about, ...LATER, nodes: [] }] : [];
    const { requirement } = queue;
    const answer = answers.get(requirement) ?? answerFor(draft, job);
    answers.set(requirement, answer);
    return [{ ...about, ...answer }];
  });
}

/** The same without nodes, which costs little however large the fleet is. */
export function waitsFor(draft: Draft, { queue }: Job): { code: WaitingCode; message: string } {
  const { requirement } = queue;
  const { tenant } = queue.campaign;
  const { model, feasibleAgents: able } = requirement;
  if (draft.standing.agents.size === 0) return { code: "no_nodes", message: "no node is connected" };
  const { deviceClass } = requirement.needs;
  const where =
    deviceClass === undefined ? "" : ` on devices of class ${deviceClass}, where its times are compared`;
  if (able === 0) return { code: "no_feasible_node", message: `no node can run ${model}${where}` };
  // Only now: raising a quota helps no job that no node could run.
  if (draft.quotaLeft(tenant) === 0) return { code: "quota", message: quotaText(draft, tenant) };
  const which = able === 1 ? "the one node that can run" : `all ${able} nodes that can run`;
  const free = requirement.pools.flatMap(({ idle }) => idle.all.lanes.filter((l) => draft.idle(l) > 0));
  if (free.length === 0)
    return { code: "busy", message: `${which} ${model}${where} ${able === 1 ? "is" : "are"} busy` };
  if (free.some((lane) => draft.suits(queue, lane.agent))) {
    if (draft.full)
      return {
        code: "next",
        message: "shards are being given out, so many at a time: it is about to get its turn",
      };
    return {
      code: "saves_a_load",
      message: `nodes that have ${model} loaded will be done with it about as soon as another could load it`,
    };
  }
  return {
    code: "failed_there",
    message: "its shards failed on the nodes that are free and wait for others",
  };
}

function quotaText({ standing }: Draft, tenant: string): string {
  const { most = 0, known = true } = standing.quotaOf(tenant) ?? {};
  const quota = `tenant ${tenant}'s quota max_running_shards is ${most}`;
  return known
    ? `${quota}, and as many of its shards are on nodes`
    : `${quota}, and what it has on nodes is not known before they have reconnected`;
}

function answerFor(draft: Draft, job: Job): Pick<JobWaiting, "code" | "message" | "nodes"> {
  const answer = waitsFor(draft, job);
  if (answer.code === "quota") return { ...answer, nodes: [] };
  const nodes = nodesOf(draft, job);
  if (answer.code !== "no_feasible_node") return { ...answer, nodes };
  const some = nodes.slice(0, 3).map(({ nodes: [id], message, count }) => {
    return count === 1 ? `${id} ${message}` : `${id} and ${count - 1} more: ${message}`;
  });
  const more = nodes.length > 3 ? `; and ${nodes.slice(3).reduce((sum, n) => sum + n.count, 0)} more` : "";
  return { code: answer.code, message: `${answer.message}: ${some.join("; ")}${more}`, nodes };
}

/** Every node of the fleet by the reason why it has none of a job's shards to take; the most frequent reason first. */
function nodesOf(draft: Draft, job: Job): NodesWaiting[] {
  const groups = new Map<string, { code: NodeCode; message: string; ids: string[] }>();
  for (const record of draft.standing.agents.values()) {
    const { code, message } = nodeReason(draft, job, record);
    const group = groups.get(code + message) ?? { code, message, ids: [] };
    groups.set(code + message, group);
    group.ids.push(record.snapshot.id);
  }
  return [...groups.values()]
    .map(({ code, message, ids }) => {
      return { code, message, nodes: ids.sort().slice(0, NAMED), count: ids.length };
    })
    .sort((a, b) => b.count - a.count || ((a.nodes[0] ?? "") < (b.nodes[0] ?? "") ? -1 : 1));
}

function nodeReason(
  draft: Draft,
  { queue }: Job,
  { snapshot, class: kind, lanes }: AgentRecord,
): { code: NodeCode; message: string } {
  const no = unavailable(snapshot) ?? queue.requirement.matches.get(kind);
  if (no && !no.ok) return { code: no.code, message: no.reason };
  const suits = lanes.filter(({ pool }) => no?.lanes.includes(pool.kind));
  if (!suits.some((lane) => draft.idle(lane) > 0)) return { code: "busy", message: "is busy" };
  if (!draft.suits(queue, snapshot.id)) return { code: "failed_there", message: "failed it before" };
  return draft.full
    ? { code: "next", message: "is free and about to get its turn" }
    : { code: "other_model", message: "has another model, or none, and loading would not be sooner" };
}
