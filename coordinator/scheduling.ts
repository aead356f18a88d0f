/**
 * The schedule loop: snapshot, decide, apply. Whatever may make room or work wakes it; wake-ups that come together are
 * one cycle. Deciding and applying happen in one turn of the event loop, so that the plan meets the state it was made
 * for; a shard's own transition still has the last word.
 */
import type { JobSpec } from "../shared/benchmark/plan.js";
import { type Fence, sameFence } from "../shared/domain/fence.js";
import type { Clock } from "../shared/runtime/clock.js";
import type { Logger } from "../shared/runtime/logger.js";
import { type Board, type CampaignEntry, type JobEntry, rangeOf, suspectsOf } from "./campaigns/board.js";
import type { Meter } from "./metrics.js";
import { schedule } from "./scheduler/schedule.js";
import {
  type AgentSnapshot,
  type Assignment,
  type Capability,
  DEFAULT_TENANT,
  type JobSnapshot,
  type JobWaiting,
  modelKey,
  type Schedule,
} from "./scheduler/snapshot.js";
import { type AttemptOrder, sendOrders } from "./sessions/assign.js";
import type { Fleet, NodeEntry } from "./sessions/fleet.js";

export interface SchedulingParts {
  board: Board;
  fleet: Fleet;
  clock: Clock;
  log: Logger;
  metrics: Meter;
  epoch: bigint;
  acceptDeadlineMs: number;
  /** A model that waited this long may push another off a lane. */
  maxWaitMs: number;
  /** Asks for an assignment back that was not accepted in time. */
  retract(agent: string, fences: readonly Fence[]): void;
  /** Whether dispatching is certain to be ours still. */
  leads(): boolean;
}

const COALESCE_MS = 2;
const LOAD_ALLOWANCE_MS = 15 * 60_000;

export class Scheduling {
  private cancelTimer: (() => void) | undefined;
  private cancelRetryTimer: (() => void) | undefined;
  private n = 0n;
  private readonly lastModel = new Map<string, string>();
  private stopped = false;

  constructor(private readonly parts: SchedulingParts) {}

  /** Asks for a cycle soon. */
  wake(): void {
    if (this.stopped) return;
    this.cancelTimer ??= this.parts.clock.after(COALESCE_MS, () => {
      this.cancelTimer = undefined;
      this.cycle();
    });
  }

  stop(): void {
    this.stopped = true;
    this.cancelTimer?.();
    this.cancelRetryTimer?.();
  }

  /**
   * Asks for assignments back whose accept deadline has passed, again after each further deadline; called a few times
   * a second. The shard stays the agent's until it answers or is lost: it may have begun.
   */
  sweep(): void {
    const { acceptDeadlineMs, board, clock, fleet } = this.parts;
    const now = clock.nowMs();
    for (const node of fleet.list()) {
      const late = [...node.attempts.values()].filter(
        ({ shard, fence, retractedMs = Number.NEGATIVE_INFINITY }) => {
          const state = board.shard(shard);
          const due = state?.kind === "ASSIGNED" && sameFence(state.fence, fence) && state.acceptByMs <= now;
          return due && now - retractedMs >= acceptDeadlineMs;
        },
      );
      for (const attempt of late) attempt.retractedMs = now;
      this.parts.retract(
        node.id,
        late.map(({ fence }) => fence),
      );
    }
  }

  /** Why shards of a campaign wait: what a cycle at this moment would say. Changes nothing. */
  waiting(campaign: string): JobWaiting[] {
    const { board, clock, fleet, maxWaitMs } = this.parts;
    const entry = board.campaign(campaign);
    if (entry === undefined) return [];
    const others = [...runningJobs(board)].filter((running) => running.entry !== entry);
    const own = entry.jobs.filter((job) => job.pending.size > 0).map((job) => ({ entry, job }));
    const agents = fleet.list().map((node) => this.agentSnapshot(node));
    const jobs = [...others, ...own].map(jobSnapshot);
    const plan = schedule({ agents, jobs, options: { maxWaitMs } }, clock.nowMs());
    return plan.waiting.filter((w) => w.campaign === campaign);
  }

  private cycle(): void {
    const { clock, metrics, board } = this.parts;
    const startMs = clock.nowMs();
    if (!this.parts.leads()) return;
    this.wakeForRetries(startMs);
    const jobs = [...runningJobs(board)];
    if (jobs.length === 0) return;
    const agents = this.parts.fleet.list().map((node) => this.agentSnapshot(node));
    const snapshots = jobs.map(jobSnapshot);
    const plan = schedule({ agents, jobs: snapshots, options: { maxWaitMs: this.parts.maxWaitMs } }, startMs);
    const sent = this.apply(plan.assignments);
    for (const entry of new Set(jobs.map((running) => running.entry)))
      entry.waiting = stalled(entry, plan.waiting);
    metrics.observeScheduleCycle((clock.nowMs() - startMs) / 1000);
    if (sent > 0) this.parts.log.debug({ assignments: sent, waiting: plan.waiting.length }, "plan applied");
  }

  /** Shards that failed wait a little; the next cycle is when the first of them may be tried again. */
  private wakeForRetries(nowMs: number): void {
    this.cancelRetryTimer?.();
    this.cancelRetryTimer = undefined;
    let firstMs = Number.POSITIVE_INFINITY;
    for (const { value, jobs } of this.parts.board.list()) {
      if (value.state.kind !== "RUNNING") continue;
      for (const job of jobs) {
        firstMs = Math.min(firstMs, job.pending.ripen(nowMs));
      }
    }
    if (!Number.isFinite(firstMs)) return;
    this.cancelRetryTimer = this.parts.clock.after(firstMs - nowMs, () => this.wake());
  }

  private apply(assignments: Assignment[]): number {
    const batches = new Map<NodeEntry, AttemptOrder[]>();
    for (const a of assignments) {
      const node = this.parts.fleet.node(a.agent);
      const job = this.parts.board.job(a.campaign, a.job);
      if (!node?.peer || !job) continue;
      const batch = batches.get(node) ?? [];
      batches.set(node, batch);
      for (let index = a.first; index < a.first + a.count; index++) {
        const order = this.assign(node, job, a, index);
        if (order) batch.push(order);
      }
    }
    let sent = 0;
    for (const [node, batch] of batches) {
      sendOrders(node, batch);
      sent += batch.length;
    }
    return sent;
  }

  private assign(node: NodeEntry, job: JobEntry, a: Assignment, index: number): AttemptOrder | undefined {
    const { board, clock, fleet, epoch, acceptDeadlineMs } = this.parts;
    const planSha256 = planOf(board, a.campaign);
    if (planSha256 === undefined) return undefined;
    this.n += 1n;
    const fence = { epoch, n: this.n };
    const key = { campaign: a.campaign, job: a.job, index };
    const before = board.shard(key);
    const acceptByMs = clock.nowMs() + acceptDeadlineMs;
    if (!board.shardEvent(key, { kind: "assign", fence, agent: node.id, acceptByMs }, clock.nowMs()))
      return undefined;
    fleet.given(node, { fence, shard: key, lane: a.lane, why: a.why });
    job.waitingSinceMs = clock.nowMs();
    const model = modelKey({ engine: job.spec.model.engine, model: job.spec.model.model });
    this.lastModel.set(`${node.id}/${a.lane}`, model);
    const range = rangeOf(job, index);
    return {
      fence,
      shard: { ...key, ...range },
      gate: job.gate,
      planSha256,
      lane: a.lane,
      model,
      deadlineMs: deadlineMs(job.spec, range.count),
      suspects: suspectsOf(job, index),
      attempt: before && "failures" in before ? before.failures.infra + before.failures.resource : 0,
    };
  }

  private agentSnapshot(node: NodeEntry): AgentSnapshot {
    const capability = capabilityOf(node);
    const lanes = capability.lanes.map(({ lane }) => {
      const lastModel = this.lastModel.get(`${node.id}/${lane}`);
      const held = new Map<string, number>();
      for (const { shard, lane: of } of node.attempts.values())
        if (of === lane) held.set(shard.campaign, (held.get(shard.campaign) ?? 0) + 1);
      return {
        lane,
        credits: node.peer ? this.parts.fleet.credit(node, lane) : 0,
        held,
        ...(lastModel === undefined ? {} : { lastModel }),
      };
    });
    const { id, loadedModels } = node;
    return {
      id,
      state: node.state.kind,
      cordoned: node.cordon.kind !== "open",
      capability,
      lanes,
      loadedModels,
    };
  }
}

function capabilityOf({ inventory }: NodeEntry): Capability {
  const devices = inventory?.devices ?? [];
  const lanes = [...new Set(devices.map((d) => d.kind))].map((lane) => ({
    lane,
    slots: devices.reduce((sum, d) => sum + (d.kind === lane ? d.slots : 0), 0),
    deviceClass: lane,
  }));
  const engines = (inventory?.engines ?? []).map((e) => ({
    kind: e.kind as JobSnapshot["engine"],
    models: e.models,
    ...(e.unavailable === "" ? {} : { unavailable: e.unavailable }),
  }));
  return { engines, lanes };
}

/** Why a campaign of which nothing runs gets nowhere; waiting behind its own or other work is no news. */
function stalled({ value, jobs }: CampaignEntry, waiting: Schedule["waiting"]): string[] {
  if (jobs.some((job) => job.inFlight > 0)) return [];
  return waiting.filter((w) => w.campaign === value.id).map((w) => `${w.job}: ${w.message}`);
}

/** Jobs with a shard that may be given out now. */
function* runningJobs(board: Board): Generator<{ entry: CampaignEntry; job: JobEntry }> {
  for (const entry of board.list()) {
    if (entry.value.state.kind !== "RUNNING") continue;
    for (const job of entry.jobs) {
      if (job.state.kind !== "RUNNING" || job.held) continue;
      if (job.pending.ready > 0) yield { entry, job };
    }
  }
}

function jobSnapshot({ entry, job }: { entry: CampaignEntry; job: JobEntry }): JobSnapshot {
  return {
    tenant: DEFAULT_TENANT,
    campaign: entry.value.id,
    job: job.spec.id,
    priority: entry.value.priority,
    createdMs: entry.value.createdMs,
    modelLoads: job.spec.model.engine === "ollama" || job.spec.model.engine === "ocr",
    ...(job.gate === 0n ? {} : { gate: job.gate }),
    held: job.held,
    paused: entry.value.state.kind === "PAUSED",
    pending: job.pending,
    waitingSinceMs: job.waitingSinceMs,
    ...jobRequirements(job.spec),
  };
}

const jobRequirements = (spec: JobSpec) => ({
  engine: spec.model.engine,
  model: spec.model.model,
  lanes: lanesOf(spec),
  namesServer: "base_url" in spec.engineOptions || "base_url" in spec.model.options,
});

/** Servers elsewhere take requests, not devices; a simulated job may ask for a declared test device. */
function lanesOf(spec: JobSpec): string[] {
  if (spec.model.engine === "ollama" || spec.model.engine === "openai") return ["remote"];
  return spec.model.options["device"] === "test" ? ["test"] : ["cpu"];
}

function planOf(board: Board, campaign: string): string | undefined {
  const state = board.campaign(campaign)?.value.state;
  return state?.kind === "RUNNING" ? state.planSha256 : undefined;
}

/** Every try of every sample may take its whole timeout, and the model may have to be loaded. */
function deadlineMs(spec: JobSpec, samples: number): number {
  const { timeoutS, maxRetries, retryDelayS } = spec.generation;
  const sampleMs = (timeoutS * (maxRetries + 1) + retryDelayS * 2 ** maxRetries) * 1000;
  return Math.round(samples * sampleMs + LOAD_ALLOWANCE_MS);
}
