/**
 * Runs a workload under a policy, to completion or for a while, on agents that work like this: one lane with one slot and
 * one attempt ahead of it, one model at a time; another model costs a load. Nothing fails, messages take no time, and changes within 2 ms are
 * one cycle.
 */
import { PendingShards } from "../../coordinator/scheduler/pending.js";
import type { Capability } from "../../coordinator/scheduler/snapshot.js";
import { modelKey, USUAL_MS } from "../../coordinator/scheduler/snapshot.js";
import type { Policy } from "./policies.js";
import type { WorkJob } from "./workload.js";

/** Where work is run, and for how long. */
export interface World {
  /** Agents have these lanes in turn: `gpu`, `cpu` or `remote`. */
  lanes?: readonly string[];
  /** When to stop; what is left then is left. */
  untilMs?: number;
}

export interface Outcome {
  loads: number;
  makespanMs: number;
  cycles: number;
  assignments: number;
}

/** A shard that a slot works on; `fromMs` is when its model had been loaded. */
export interface Ran {
  campaign: string;
  job: string;
  fromMs: number;
  toMs: number;
}

interface Agent {
  id: string;
  /** Name of its lane. */
  lane: string;
  waiting: { job: Job; index: number }[];
  running: { job: Job; index: number } | undefined;
  endMs: number;
  resident: string | undefined;
  lastModel: string | undefined;
  modelSinceMs: number;
}

interface Job {
  work: WorkJob;
  model: string;
  pending: PendingShards;
  /** On agents. */
  inFlight: number;
  waitingSinceMs: number;
  ran: { shards: number; ms: number };
}

const COALESCE_MS = 2;
const SLOTS = 1;
const CREDITS = 2 * SLOTS;
const capabilityOf = (lane: string): Capability => ({
  engines: [{ kind: "ollama", models: [] }],
  lanes: [{ lane, slots: SLOTS, deviceClass: lane }],
});
const CAPABILITIES: Record<string, Capability> = Object.fromEntries(
  ["gpu", "cpu", "remote"].map((lane) => [lane, capabilityOf(lane)]),
);

export function simulate(
  work: readonly WorkJob[],
  agentCount: number,
  loadMs: number,
  policy: Policy,
  watch: (ran: Ran) => void = () => {},
  { lanes = ["gpu"], untilMs = Number.POSITIVE_INFINITY }: World = {},
): Outcome {
  const agents = Array.from({ length: agentCount }, (_, i): Agent => {
    const id = `n${String(i).padStart(5, "0")}`;
    return {
      id,
      lane: lanes[i % lanes.length] ?? "gpu",
      waiting: [],
      running: undefined,
      endMs: 0,
      resident: undefined,
      lastModel: undefined,
      modelSinceMs: 0,
    };
  });
  const byId = new Map(agents.map((agent) => [agent.id, agent]));
  const jobs = new Map<string, Job>();
  for (const job of work) {
    const { campaign, job: id, engine, model } = job.spec;
    const pending = PendingShards.first(job.shardMs.length);
    jobs.set(`${campaign}/${id}`, {
      work: job,
      model: modelKey({ engine, model }),
      pending,
      inFlight: 0,
      waitingSinceMs: job.fromMs ?? 0,
      ran: { shards: 0, ms: 0 },
    });
  }
  const outcome: Outcome = { loads: 0, makespanMs: 0, cycles: 0, assignments: 0 };
  const ends = new Heap();
  const changedAgents = new Set<Agent>(agents);
  const changedJobs = new Set<Job>();
  const coming = [...jobs.values()].sort((a, b) => (a.work.fromMs ?? 0) - (b.work.fromMs ?? 0));

  const begin = (agent: Agent, nowMs: number) => {
    const next = agent.waiting.shift();
    agent.running = next;
    if (!next) return;
    const { modelLoads } = next.job.work.spec;
    const load = !modelLoads || agent.resident === next.job.model ? 0 : loadMs;
    if (load > 0) outcome.loads++;
    if (modelLoads) agent.resident = next.job.model;
    agent.endMs = nowMs + load + (next.job.work.shardMs[next.index] ?? 0);
    ends.push(agent);
    const { campaign, job } = next.job.work.spec;
    watch({ campaign, job, fromMs: nowMs + load, toMs: agent.endMs });
  };

  let nowMs = 0;
  for (;;) {
    while ((coming[0]?.work.fromMs ?? 0) <= nowMs) {
      const come = coming.shift();
      if (!come) break;
      changedJobs.add(come);
    }
    for (const agent of changedAgents) policy.agent(snapshotOf(agent));
    for (const {
      work: { spec },
      pending,
      inFlight,
      waitingSinceMs,
      ran,
    } of changedJobs)
      policy.job({ ...spec, pending, inFlight, waitingSinceMs, ran });
    changedAgents.clear();
    changedJobs.clear();
    const assignments = policy.decide(nowMs);
    outcome.cycles++;
    for (const { campaign, job: id, agent: name, first, count } of assignments) {
      const job = jobs.get(`${campaign}/${id}`);
      const agent = byId.get(name);
      if (!job || !agent) throw new Error(`no ${campaign}/${id} or ${name}`);
      for (let index = first; index < first + count; index++) {
        if (!job.pending.delete(index)) throw new Error(`${campaign}/${id} has no shard ${index} left`);
        agent.waiting.push({ job, index });
        job.inFlight++;
        outcome.assignments++;
      }
      job.waitingSinceMs = nowMs;
      if (job.work.spec.modelLoads) {
        if (agent.lastModel !== job.model) agent.modelSinceMs = nowMs;
        agent.lastModel = job.model;
      }
      if (!agent.running) begin(agent, nowMs);
      changedAgents.add(agent);
      changedJobs.add(job);
    }
    const nextMs = Math.min(
      ends.first?.endMs ?? Number.POSITIVE_INFINITY,
      coming[0]?.work.fromMs ?? Number.POSITIVE_INFINITY,
    );
    if (!Number.isFinite(nextMs) || nextMs > untilMs) break;
    const until = nextMs + COALESCE_MS;
    for (let agent = ends.first; agent !== undefined && agent.endMs <= until; agent = ends.first) {
      ends.pop();
      const ended = agent.running;
      if (ended) {
        const took = ended.job.work.shardMs[ended.index] ?? 0;
        ended.job.inFlight--;
        ended.job.ran = { shards: ended.job.ran.shards + 1, ms: ended.job.ran.ms + took };
        changedJobs.add(ended.job);
      }
      nowMs = agent.endMs;
      begin(agent, nowMs);
      changedAgents.add(agent);
    }
    nowMs = until;
  }
  for (const {
    pending,
    work: { spec },
  } of jobs.values())
    if (pending.size > 0 && untilMs === Number.POSITIVE_INFINITY)
      throw new Error(`${pending.size} shards of ${spec.campaign}/${spec.job} were never run`);
  outcome.makespanMs = nowMs;
  return outcome;
}

function snapshotOf({ id, lane, waiting, running, resident, lastModel, modelSinceMs }: Agent) {
  const held = new Map<string, number>();
  const heldMs = new Map<string, number>();
  for (const { job } of running ? [running, ...waiting] : waiting) {
    const { campaign } = job.work.spec;
    held.set(campaign, (held.get(campaign) ?? 0) + 1);
    const ms = job.ran.shards > 0 ? job.ran.ms / job.ran.shards : USUAL_MS;
    heldMs.set(campaign, (heldMs.get(campaign) ?? 0) + ms);
  }
  const credits = CREDITS - waiting.length - (running ? 1 : 0);
  const on = lastModel === undefined ? {} : { lastModel, modelSinceMs };
  return {
    id,
    state: "READY" as const,
    cordoned: false,
    capability: CAPABILITIES[lane] as Capability,
    lanes: [{ lane, credits, held, heldMs, ...on }],
    loadedModels: resident === undefined ? [] : [resident],
  };
}

/** Agents by when their attempt ends, then by id. */
class Heap {
  private readonly items: Agent[] = [];

  get first(): Agent | undefined {
    return this.items[0];
  }

  push(agent: Agent): void {
    const { items } = this;
    let at = items.push(agent) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = items[up] as Agent;
      if (!before(agent, parent)) break;
      items[at] = parent;
      at = up;
    }
    items[at] = agent;
  }

  pop(): void {
    const { items } = this;
    const last = items.pop();
    if (last === undefined || items.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= items.length) break;
      if (down + 1 < items.length && before(items[down + 1] as Agent, items[down] as Agent)) down++;
      if (!before(items[down] as Agent, last)) break;
      items[at] = items[down] as Agent;
      at = down;
    }
    items[at] = last;
  }
}

const before = (a: Agent, b: Agent): boolean => a.endMs < b.endMs || (a.endMs === b.endMs && a.id < b.id);
