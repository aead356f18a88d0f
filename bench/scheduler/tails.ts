/** What a look at the tails of jobs costs: a fleet all of whose nodes hold so many attempts, and a few nodes that are free. */
import type { Board } from "../../coordinator/campaigns/board.js";
import { newJob } from "../../coordinator/campaigns/board-job.js";
import { plan } from "../../coordinator/scheduler/schedule.js";
import type { AgentSnapshot, JobSnapshot } from "../../coordinator/scheduler/snapshot.js";
import { Standing } from "../../coordinator/scheduler/standing.js";
import type { Fleet, HeldAttempt } from "../../coordinator/sessions/fleet.js";
import { newTailLook, planTail } from "../../coordinator/tail.js";
import type { JobSpec } from "../../shared/benchmark/plan.js";
import { type Fence, fenceText } from "../../shared/domain/fence.js";

const SLOTS = 4;
const SHARD_MS = 100;
const LOOKS = 20;
/** Nothing may be moved where shards are so short that what waits begins soon anyway. */
const SHORT_MS = 1;

export interface TailCost {
  nodes: number;
  attempts: number;
  /** Processor time of one look, ms: of one that fills its openings, one that finds nothing, and the worst. */
  fullMs: number;
  vainMs: number;
  worstMs: number;
  moved: number;
}

/** `free` nodes stand idle, all others hold `each` attempts. */
export function tailCost(nodes: number, each: number, free: number): TailCost {
  const attempts = (nodes - free) * each;
  const spec = {
    ...{ id: "j0000", samples: attempts, shardSize: 1, metrics: [] },
    ...{ model: { engine: "simulated", model: "m", options: {} }, generation: { temperature: 0 } },
  } as unknown as JobSpec;
  const entry = newJob(spec, 0);
  entry.state = { kind: "RUNNING", samples: attempts, shardSize: 1, gate: 7n };
  const found = new Map<string, { attempts: Map<string, HeldAttempt> }>();
  const agents: AgentSnapshot[] = [];
  let n = 0;
  const capability = {
    engines: [{ kind: "simulated" as const, models: [] }],
    lanes: [{ lane: "cpu", slots: SLOTS, deviceClass: "cpu" }],
  };
  for (let i = 0; i < nodes; i++) {
    const id = `n${String(i).padStart(6, "0")}`;
    const own = new Map<string, HeldAttempt>();
    for (let k = 0; k < (i < free ? 0 : each); k++, n++) {
      const fence: Fence = { epoch: 1n, n: BigInt(n) };
      const of = { fence, agent: id, failures: { infra: 0, resource: 0, poison: 0 }, failedOn: [] };
      entry.shards[n] = (
        k < SLOTS ? { kind: "RUNNING", sinceMs: 0, ...of } : { kind: "ACCEPTED", ...of }
      ) as never;
      own.set(fenceText(fence), { fence, lane: "cpu", shard: { campaign: "c-1", job: "j0000", index: n } });
    }
    found.set(id, { attempts: own });
    const held = new Map(own.size > 0 ? [["c-1", own.size]] : []);
    const lanes = [{ lane: "cpu", credits: own.size > 0 ? 0 : SLOTS, held }];
    agents.push({ ...{ id, state: "READY", cordoned: false, capability, lanes, loadedModels: [] } });
  }
  const board = { job: () => entry } as unknown as Board;
  const fleet = { node: (id: string) => found.get(id), list: () => [...found.values()] } as unknown as Fleet;
  const standing = (shardMs: number) => {
    const job: JobSnapshot = {
      ...{ tenant: "t", campaign: "c-1", job: "j0000", priority: 0, createdMs: 0, gate: 7n },
      ...{ engine: "simulated", model: "m", modelLoads: false, lanes: ["cpu"], waitingSinceMs: 0 },
      ...{ inFlight: attempts, ran: { shards: 1000, ms: 1000 * shardMs } },
      pending: { untried: { size: 0, ranges: [], has: () => false }, retries: [], ready: 0, waiting: 0 },
    };
    return Standing.of({ agents, jobs: [job], options: { maxWaitMs: 120_000 } });
  };
  const times: number[] = [];
  const look = newTailLook();
  let moved = 0;
  const looks = (shardMs: number): number => {
    const draft = plan(standing(shardMs), 0);
    let sum = 0;
    for (let i = 0; i < LOOKS; i++) {
      const start = process.cpuUsage();
      const { takeBack } = planTail(draft, board, fleet, 100, look);
      const ms = process.cpuUsage(start).user / 1000;
      times.push(ms);
      sum += ms;
      moved += takeBack.reduce((all, { fences }) => all + fences.length, 0);
    }
    return sum / LOOKS;
  };
  const fullMs = looks(SHARD_MS);
  const vainMs = looks(SHORT_MS);
  // All that waits was moved once already: every lane is looked at in vain, attempt by attempt.
  for (let i = 0; i < attempts; i++) entry.takenBack.add(i);
  looks(SHARD_MS);
  return { ...{ nodes, attempts, fullMs, vainMs, worstMs: Math.max(...times), moved } };
}
