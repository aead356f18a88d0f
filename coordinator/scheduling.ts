/**
 * The schedule loop: snapshot, decide, apply. Whatever may make room or work wakes it; wake-ups that come together are
 * one cycle. Deciding and applying happen in one turn of the event loop, so that the plan meets the state it was made
 * for; a shard's own transition still has the last word.
 *
 * 1. A cycle looks at what was touched; `wake` makes it look at everything, for changes that are not counted as a touch.
 * 2. A node that joins is looked at at once; for that, everything is looked at a few times a second at most, or a fleet
 *    that comes back would be walked once for each of its nodes.
 * 3. A cycle gives out a bounded number of shards, and another follows if there may be more to give: at once, or when
 *    agents have answered what is on its way (dispatch-window.ts). Ten thousand agents that come for a million shards must
 *    not hold up heartbeats and the renewal of the leadership.
 * 4. What is applied passes the same `feasible` on what is so now; if it does not, everything is looked at again.
 * 5. Tails are looked at for at most a tenth of the time, whatever a look costs. A cycle that comes too early for them makes
 *    one that does not.
 */
import { attemptDeadlineMs } from "../shared/benchmark/deadline.js";
import type { Fence } from "../shared/domain/fence.js";
import type { Clock } from "../shared/runtime/clock.js";
import { Company } from "../shared/runtime/company.js";
import type { Logger } from "../shared/runtime/logger.js";
import {
  type Board,
  type CampaignEntry,
  type JobEntry,
  rangeOf,
  type ShardKey,
  suspectsOf,
} from "./campaigns/board.js";
import { mayDispatch } from "./campaigns/budgets.js";
import type { Tenants } from "./campaigns/quotas.js";
import { isUnanswered } from "./campaigns/unstarted.js";
import { DispatchWindow } from "./dispatch-window.js";
import type { EventLog } from "./events.js";
import type { Meter } from "./metrics.js";
import { Outlook } from "./outlook.js";
import type { Draft } from "./scheduler/draft.js";
import { explain } from "./scheduler/explain.js";
import { feasible } from "./scheduler/feasible.js";
import { plan } from "./scheduler/schedule.js";
import { type Assignment, type JobWaiting, modelKey } from "./scheduler/snapshot.js";
import { type AttemptOrder, sendOrders } from "./sessions/assign.js";
import type { Fleet, NodeEntry } from "./sessions/fleet.js";
import { newTailLook, planTail, type TailPlan } from "./tail.js";

export interface SchedulingParts {
  board: Board;
  fleet: Fleet;
  clock: Clock;
  events: EventLog;
  log: Logger;
  metrics: Meter;
  epoch: bigint;
  acceptDeadlineMs: number;
  /** A model that waited this long may push another off a lane. */
  maxWaitMs: number;
  tenants: Tenants;
  /** Asks for an assignment back that was not accepted in time. */
  retract(agent: string, fences: readonly Fence[]): void;
  /** Whether dispatching is certain to be ours still. */
  leads(): boolean;
}

const COALESCE_MS = 2;
/** Given out in one cycle, and on their way before the next one: some hundredths of a second each. */
const MOST_SHARDS = 500;
/** Between two looks whether what is on its way was answered. */
const WINDOW_MS = 4;
/** Between two looks at everything because nodes joined (invariant 2). */
const JOINED_MS = 250;
/** Between two looks at what waits or runs too long while others are free: so long at least, and so many times the last. */
const TAILS_MS = 100;
const TAILS_REST = 10;

export class Scheduling {
  private cancelTimer: (() => void) | undefined;
  private cancelRetryTimer: (() => void) | undefined;
  private cancelJoinedTimer: (() => void) | undefined;
  private joins = 0;
  /** What was assigned, until it is due to be asked back; in that order. */
  private readonly sent: { agent: string; shard: ShardKey; fence: Fence; dueMs: number }[] = [];
  private readonly window: DispatchWindow;
  private n = 0n;
  private readonly outlook: Outlook;
  /** Campaigns that changed since somebody said why they wait. */
  private readonly changed = new Set<CampaignEntry>();
  /** Whether the next cycle looks at everything. */
  private everything = true;
  private stopped = false;
  private readonly company = new Company(COALESCE_MS);
  /** When tails may be looked at again. */
  private tailsMs = Number.NEGATIVE_INFINITY;
  private cancelTailsTimer: (() => void) | undefined;
  /** Where the last look at them ended. */
  private readonly tails = newTailLook();

  constructor(private readonly parts: SchedulingParts) {
    this.outlook = new Outlook(parts.board, parts.fleet, { ...parts, mostShards: MOST_SHARDS });
    this.window = new DispatchWindow(parts.board, MOST_SHARDS);
  }

  /** Asks for a cycle soon that looks at everything. */
  wake(): void {
    this.everything = true;
    this.touched();
  }

  /** Asks for a cycle soon: only what fleet and board count as touched has changed. */
  touched(): void {
    if (!this.stopped) this.cycleIn(this.company.waitMs(this.parts.clock.nowMs()));
  }

  private cycleIn(waitMs: number): void {
    this.cancelTimer ??= this.parts.clock.after(waitMs, () => {
      this.cancelTimer = undefined;
      this.cycle();
    });
  }

  /** A node may take work: a cycle soon, which looks at everything unless one just did for another node. */
  joined(): void {
    this.touched();
    this.joins += 1;
    if (this.stopped || this.cancelJoinedTimer) return;
    this.wake();
    const seen = this.joins;
    this.cancelJoinedTimer = this.parts.clock.after(JOINED_MS, () => {
      this.cancelJoinedTimer = undefined;
      if (this.joins > seen) this.joined();
    });
  }

  stop(): void {
    this.stopped = true;
    this.cancelTimer?.();
    this.cancelJoinedTimer?.();
    this.cancelRetryTimer?.();
    this.cancelTailsTimer?.();
  }

  /**
   * Asks for assignments back whose accept deadline has passed, again after each further deadline; called a few times
   * a second. The shard stays the agent's until it answers or is lost: it may have begun. Costs as much as was assigned
   * since, whatever the fleet holds.
   */
  sweep(): void {
    const { acceptDeadlineMs, board, clock, retract } = this.parts;
    const nowMs = clock.nowMs();
    const late = new Map<string, Fence[]>();
    let due = 0;
    for (; (this.sent[due]?.dueMs ?? Number.POSITIVE_INFINITY) <= nowMs; due += 1) {
      const one = this.sent[due] as (typeof this.sent)[number];
      if (!isUnanswered(board, one)) continue;
      const fences = late.get(one.agent) ?? [];
      late.set(one.agent, fences);
      fences.push(one.fence);
      this.sent.push({ ...one, dueMs: nowMs + acceptDeadlineMs });
    }
    this.sent.splice(0, due);
    for (const [agent, fences] of late) retract(agent, fences);
    // Attempts become late without anything else happening.
    if (this.outlook.standing.campaigns.size > 0) this.touched();
  }

  /** Why shards of a campaign wait: what a cycle at this moment would say. Gives nothing out. */
  waiting(campaign: string): JobWaiting[] {
    const nowMs = this.parts.clock.nowMs();
    this.outlook.update(nowMs, true);
    this.everything = true; // what was touched is seen now, what follows from it is for the next cycle
    return explain(plan(this.outlook.standing, nowMs), campaign);
  }

  private cycle(): void {
    const { clock, metrics } = this.parts;
    if (!this.parts.leads()) return;
    const startMs = clock.nowMs();
    if (!this.window.isOpen(startMs)) {
      this.cycleIn(WINDOW_MS);
      return;
    }
    for (const entry of this.outlook.update(startMs, this.everything)) this.changed.add(entry);
    this.everything = false;
    const draft = plan(this.outlook.standing, startMs);
    const sent = this.apply(draft.assignments);
    if (draft.full) this.touched();
    else {
      for (const entry of this.changed) entry.waiting = stalled(draft, entry);
      this.changed.clear();
      this.lookAtTails(draft, startMs);
    }
    this.wakeForRetries(startMs);
    metrics.observeScheduleCycle((clock.nowMs() - startMs) / 1000);
    if (sent > 0) this.parts.log.debug({ assignments: sent }, "plan applied");
  }

  /** What waits behind busy slots or runs too long while others are free; looked at a few times a second (tail.ts). */
  private lookAtTails(draft: Draft, nowMs: number): void {
    const { board, clock, fleet, retract } = this.parts;
    if (nowMs < this.tailsMs) {
      if (draft.standing.running().next().done) return; // nothing runs, so that no end of a job can be near
      this.cancelTailsTimer ??= clock.after(this.tailsMs - nowMs, () => {
        this.cancelTailsTimer = undefined;
        this.touched();
      });
      return;
    }
    const startMs = clock.nowMs();
    const { takeBack, duplicates } = planTail(draft, board, fleet, nowMs, this.tails);
    for (const { agent, fences } of takeBack) retract(agent, fences);
    for (const one of duplicates) this.duplicate(one);
    const endMs = clock.nowMs();
    this.tailsMs = endMs + Math.max(TAILS_MS, TAILS_REST * (endMs - startMs)); // invariant 5
  }

  /** Gives a shard to a second node. */
  private duplicate({ shard, entry, agent, lane, forMs }: TailPlan["duplicates"][number]): void {
    const { acceptDeadlineMs, board, clock, epoch, events, fleet, metrics } = this.parts;
    const node = fleet.node(agent);
    const { campaign, job: id, index } = shard;
    const a: Assignment = { campaign, job: id, first: index, count: 1, agent, lane, why: "duplicate" };
    if (!node || !this.fits(a, node) || fleet.credit(node, lane) <= 0) return;
    this.n += 1n;
    const fence = { epoch, n: this.n };
    if (!this.isWithinBudget(entry, campaign)) return;
    const order = this.orderOf(entry, a, index, fence);
    if (order === undefined) return;
    entry.duplicated.add(index);
    entry.twins.set(index, { fence, agent, accepted: false, started: false });
    board.touch(shard);
    fleet.given(node, { fence, shard, lane, why: a.why });
    this.sent.push({ agent, shard, fence, dueMs: clock.nowMs() + acceptDeadlineMs });
    this.window.gave(shard, fence, clock.nowMs());
    this.outlook.gave(a, node, entry, order.model, clock.nowMs());
    sendOrders(node, [order]);
    metrics.countDuplicates();
    const text = `shard ${index} runs for ${Math.round(forMs / 1000)} s, far longer than the others: ${agent} runs it too`;
    events.add("shard.duplicated", { campaign, job: id, node: agent }, text);
  }

  /** Shards that failed wait a little; the next cycle is when the first of them may be tried again. */
  private wakeForRetries(nowMs: number): void {
    this.cancelRetryTimer?.();
    this.cancelRetryTimer = undefined;
    const dueMs = this.outlook.nextDueMs();
    if (!Number.isFinite(dueMs)) return;
    this.cancelRetryTimer = this.parts.clock.after(Math.max(0, dueMs - nowMs), () => this.touched());
  }

  private apply(assignments: readonly Assignment[]): number {
    const batches = new Map<NodeEntry, AttemptOrder[]>();
    for (const a of assignments) {
      const { board, clock, fleet } = this.parts;
      const node = fleet.node(a.agent);
      const job = board.job(a.campaign, a.job);
      if (!node || !job || !this.fits(a, node)) {
        this.wake(); // invariant 4
        continue;
      }
      const model = modelOf(job);
      const batch = batches.get(node) ?? [];
      batches.set(node, batch);
      for (let index = a.first; index < a.first + a.count; index++) {
        if (!this.isWithinBudget(job, a.campaign)) {
          board.touch(a); // and the next cycle gives what is free to others
          this.touched();
          break;
        }
        const order = this.assign(node, job, a, index);
        if (order) batch.push(order);
      }
      this.outlook.gave(a, node, job, model, clock.nowMs());
    }
    let sent = 0;
    for (const [node, batch] of batches) {
      sendOrders(node, batch);
      sent += batch.length;
    }
    return sent;
  }

  private isWithinBudget(job: JobEntry, campaign: string): boolean {
    const entry = this.parts.board.campaign(campaign);
    return entry !== undefined && mayDispatch(entry, job);
  }

  /** Whether the node as it is now may have it. */
  private fits(
    { campaign, job, lane }: Assignment,
    { id, state, cordon, quarantine, peer }: NodeEntry,
  ): boolean {
    const agent = this.outlook.standing.agents.get(id)?.snapshot;
    const needs = this.outlook.standing.job(campaign, job)?.snapshot;
    if (!agent || !needs || !peer) return false;
    const now = {
      ...{ state: state.kind, cordoned: cordon.kind !== "open" },
      quarantined: quarantine.kind === "quarantined",
    };
    const fit = feasible({ ...agent, ...now }, needs);
    return fit.ok && fit.lanes.includes(lane);
  }

  private assign(node: NodeEntry, job: JobEntry, a: Assignment, index: number): AttemptOrder | undefined {
    const { board, clock, fleet, epoch, acceptDeadlineMs } = this.parts;
    this.n += 1n;
    const fence = { epoch, n: this.n };
    const key = { campaign: a.campaign, job: a.job, index };
    const order = this.orderOf(job, a, index, fence);
    if (order === undefined) return undefined;
    const acceptByMs = clock.nowMs() + acceptDeadlineMs;
    if (!board.shardEvent(key, { kind: "assign", fence, agent: node.id, acceptByMs }, clock.nowMs()))
      return undefined;
    fleet.given(node, { fence, shard: key, lane: a.lane, why: a.why });
    this.sent.push({ agent: node.id, shard: key, fence, dueMs: acceptByMs });
    this.window.gave(key, fence, acceptByMs - acceptDeadlineMs);
    job.waitingSinceMs = clock.nowMs();
    return order;
  }

  /** What an agent is told of an attempt; undefined when its campaign does not run any more. */
  private orderOf(job: JobEntry, a: Assignment, index: number, fence: Fence): AttemptOrder | undefined {
    const { board } = this.parts;
    const planSha256 = planOf(board, a.campaign);
    if (planSha256 === undefined) return undefined;
    const key = { campaign: a.campaign, job: a.job, index };
    const now = board.shard(key);
    const range = rangeOf(job, index);
    return {
      fence,
      shard: { ...key, ...range },
      gate: job.gate,
      planSha256,
      lane: a.lane,
      model: modelOf(job),
      deadlineMs: attemptDeadlineMs(job.spec, range.count),
      suspects: suspectsOf(job, index),
      attempt: now && "failures" in now ? now.failures.infra + now.failures.resource : 0,
    };
  }
}

/** Told of a campaign that waits; a matrix may have thousands of jobs. */
const TOLD = 20;

/** Why a campaign of which nothing runs gets nowhere; waiting behind its own or other work is no news. */
function stalled(draft: Draft, { value, jobs }: CampaignEntry): string[] {
  if (value.state.kind !== "RUNNING" || draft.standing.holds(value.id)) return [];
  if (jobs.some((job) => job.inFlight > 0)) return [];
  const lines = explain(draft, value.id).map(({ job, message }) => `${job}: ${message}`);
  return lines.length > TOLD ? [...lines.slice(0, TOLD), `and ${lines.length - TOLD} more jobs`] : lines;
}

const modelOf = ({ spec: { model } }: JobEntry): string =>
  modelKey({ engine: model.engine, model: model.model });

function planOf(board: Board, campaign: string): string | undefined {
  const state = board.campaign(campaign)?.value.state;
  return state?.kind === "RUNNING" ? state.planSha256 : undefined;
}
