/** All that must hold, wired to where it can be seen. The first violation is kept and ends the schedule. */

import type { Core } from "../../coordinator/core.js";
import { casKey } from "../../shared/artifacts/store.js";
import { type JobSpec, ordinalAt, type Plan } from "../../shared/benchmark/plan.js";
import { isTerminal } from "../../shared/domain/campaign.js";
import { shardRange } from "../../shared/domain/sharding.js";
import type { Hello, Welcome } from "../../shared/gen/sai/agent/v1/session.js";
import { boardProblem } from "./board-watch.js";
import { BudgetWatch } from "./budget-watch.js";
import { ClassWatch } from "./class-watch.js";
import { CreditWatch } from "./credit-watch.js";
import { sealedProblem } from "./ends.js";
import type { SimulatedFleet } from "./fleet.js";
import { HealthWatch } from "./health-watch.js";
import { beginsSample, begunOn, fenceOfJournal, holdsAnEnd } from "./journals.js";
import { HEAL_MS, STOP_MS } from "./limits.js";
import { MessageWatch } from "./message-watch.js";
import { QuotaWatch } from "./quota-watch.js";
import { MachineWatch } from "./run-watch.js";
import { StoreWatch } from "./store-watch.js";
import { watcher } from "./transitions.js";
import { TwinWatch } from "./twin-watch.js";
import type { Invariant, Violation } from "./violations.js";
import { TENANTS } from "./workload.js";

/** Events between two looks at the boards. */
const BOARD_EVERY = 64;
/** A coordinator whose last write failed so long ago at most knows that the store is away, ms. */
const KNOWS_MS = 8000;
/** The brake lets go of nodes that are lost together one at a time, far apart. */
const AT_ONCE_MS = 2000;
/** Deaths that name a sample. */
const NAMED_BY = 2;

export class Invariants {
  violation: Violation | undefined;
  readonly store: StoreWatch;
  readonly messages: MessageWatch;
  private readonly quotas: QuotaWatch;
  private readonly budgets: BudgetWatch;
  private latestEpoch = 0n;
  private readonly health: HealthWatch;
  private readonly twins: TwinWatch;
  private readonly classes: ClassWatch;
  /** Shards that went back to wait. */
  requeues = 0;
  /** Deaths of what ran a sample while it was begun and not recorded, by `campaign/job/ordinal`. */
  private readonly deaths = new Map<string, number>();
  /** `agent/fence` of what an agent said it runs. */
  private readonly goesOn = new Set<string>();
  /** When a coordinator last gave up a node. */
  private readonly lostAtMs = new Map<string, number>();
  private events = 0;

  constructor(private readonly fleet: SimulatedFleet) {
    const { time, trace } = fleet.world;
    const fail = this.fail.bind(this);
    this.store = new StoreWatch(
      fleet.store.core,
      () => time.nowMs,
      fail,
      (kv) => {
        trace.note("store.event", () => `${kv.key} ${Buffer.from(kv.value).toString("utf8").slice(0, 200)}`);
        trace.text(kv.key);
        trace.bytes(kv.value);
      },
      (campaign, job, shard) => this.unproven(campaign, job, shard),
    );
    this.classes = new ClassWatch(fail);
    this.twins = new TwinWatch(fail);
    this.health = new HealthWatch(fail);
    this.quotas = new QuotaWatch(TENANTS, this.store.campaigns, fail);
    this.budgets = new BudgetWatch(this.store.campaigns, fail);
    this.messages = new MessageWatch(this.store, fail);
    this.store.onFailure = (fence, value) => this.twins.charged(fence, value);
    this.store.onQuarantine = (event) => this.health.stored(event);
    this.store.onCampaign = (value) => this.quotas.stored(value);
    fleet.store.onCall = (host) => {
      this.store.writer = host;
    };
    const credits = new CreditWatch(fail);
    fleet.network.onCoordinatorMessage = (host, agent, message, stream) => {
      this.messages.said(agent, message);
      credits.said(stream, agent, message);
      if (message.body?.$case === "welcome") this.kept(host, agent, message.body.value);
    };
    fleet.network.onDelivered = (agent, message) => this.messages.read(agent, message);
    fleet.network.onAgentMessage = (agent, message, stream) => {
      this.messages.heard(agent, message);
      credits.heard(stream, message);
      if (message.body?.$case === "hello") this.holds(agent, message.body.value);
    };
  }

  /** A coordinator leads. */
  watchCore(core: Core): void {
    if (core.epoch > this.latestEpoch) this.latestEpoch = core.epoch;
    const { board, fleet } = core;
    const give = fleet.given.bind(fleet);
    fleet.given = (node, attempt) => {
      give(node, attempt);
      this.twins.given(core, attempt);
      this.classes.given(core, node.id, attempt);
    };
    this.health.restored(fleet);
    const step = board.shardEvent.bind(board);
    board.shardEvent = (key, event, nowMs) => {
      if (event.kind === "adopt") this.twins.adopted(event.fence);
      const effects = step(key, event, nowMs);
      if (effects === undefined || event.kind !== "assign") return effects;
      this.quotas.given(board, key.campaign);
      this.budgets.given(board, key.campaign, core.epoch === this.latestEpoch);
      this.health.given(fleet, event.agent);
      return effects;
    };
  }

  /** Called when all hosts are there. */
  watch(): void {
    watcher.step = (machine, from, event, to) => {
      if (machine === "shard" && to.kind === "PENDING" && from.kind !== "PENDING") this.requeues += 1;
      if (machine === "agent" && event.kind === "lose") this.declaredLost();
    };
    for (const host of this.fleet.agents) {
      host.disk.onRemove = (path, data) => this.removed(host.name, path, data);
      host.disk.onAppend = (path, data) => this.appended(host.name, path, data);
    }
  }

  fail(invariant: Invariant, text: string): void {
    const atMs = this.fleet.world.time.nowMs;
    this.violation ??= { invariant, text, atMs };
    this.fleet.world.trace.note("VIOLATION", () => `${invariant}: ${text}`);
  }

  /** Looks at what has no event of its own; true when the schedule must end. */
  afterEvent(): boolean {
    this.events += 1;
    if (this.events % BOARD_EVERY === 0) this.lookAtBoards();
    return this.violation !== undefined;
  }

  /** An agent's process is gone. */
  crashed(agent: string): void {
    this.messages.forgets(agent);
  }

  /** Looks at what runs on a machine. */
  machine(agent: string, slots: { readonly [lane: string]: number }): MachineWatch {
    const { poisonous } = this.fleet;
    return new MachineWatch(agent, slots, () => this.died(agent), poisonous, this.fail.bind(this));
  }

  isPaused(campaign: string | undefined): boolean {
    return campaign !== undefined && this.store.campaigns.get(campaign)?.state.kind === "PAUSED";
  }

  hasEnded(campaign: string): boolean {
    const state = this.store.campaigns.get(campaign)?.state;
    return state !== undefined && isTerminal(state);
  }

  /** Somebody has been told that a campaign exists; `before` is what the same key was told before. */
  acknowledged(key: string, id: string, before: string | undefined): void {
    if (before !== undefined && before !== id)
      this.fail("one campaign per idempotency key", `${key} was answered with ${before}, then with ${id}`);
    if (!this.store.campaigns.has(id))
      this.fail("acknowledged campaign exists", `${id} was acknowledged, the store does not have it`);
  }

  /** Whether nothing is left to be done. */
  get quiet(): boolean {
    const { users, agents, leader } = this.fleet;
    if (users.open > 0 || leader === undefined) return false;
    for (const { state } of this.store.campaigns.values()) if (!isTerminal(state)) return false;
    return agents.every(({ core }) => core !== undefined && core.attempts.list().length === 0);
  }

  /** At the end of a schedule that became quiet. */
  ended(): void {
    this.lookAtBoards();
    for (const campaign of this.store.campaigns.values()) {
      const problem = sealedProblem(this.fleet, campaign);
      if (problem !== undefined) this.fail("one record per sample", `${campaign.id}: ${problem}`);
    }
  }

  private lookAtBoards(): void {
    for (const { name, core } of this.fleet.coordinators) {
      const problem = core && boardProblem(core.board);
      if (problem !== undefined) this.fail("the board adds up", `${name}: ${problem}`);
      if (core) this.health.look(core.fleet);
    }
  }

  /** What an agent says it runs; what is over and waits to be heard may have been given to somebody else. */
  private holds(agent: string, { held }: Hello): void {
    for (const { fence, state } of held) {
      const name = `${agent}/${fence?.epoch}.${fence?.n}`;
      if (state === "accepted" || state === "running") this.goesOn.add(name);
      else this.goesOn.delete(name);
    }
  }

  /** An attempt that goes on must not be one that the board would give to somebody else. */
  private kept(host: string, agent: string, { verdicts }: Welcome): void {
    const board = this.fleet.coordinators.find(({ name }) => name === host)?.core?.board;
    for (const { fence, verdict } of verdicts) {
      const name = this.messages.shardOf.get(fence ? `${fence.epoch}.${fence.n}` : "") ?? "";
      const [campaign = "", job = "", index = ""] = name.split("/");
      if (verdict !== "KEEP" || !this.goesOn.has(`${agent}/${fence?.epoch}.${fence?.n}`)) continue;
      if (board?.job(campaign, job)?.state.kind !== "RUNNING") continue;
      if (board.shard({ campaign, job, index: Number(index) })?.kind === "PENDING")
        this.fail("what an agent keeps is its own", `${agent} keeps ${name}, which waits for any agent`);
    }
  }

  /** Somebody's leader gives a node up for its silence. */
  private declaredLost(): void {
    const { world, store } = this.fleet;
    const before = this.lostAtMs.get(world.running) ?? Number.NEGATIVE_INFINITY;
    this.lostAtMs.set(world.running, world.time.nowMs);
    if (world.time.nowMs - before < AT_ONCE_MS)
      this.fail("a mass loss is held up", `${world.running} gave up two nodes within ${AT_ONCE_MS} ms`);
    const failedMs = world.time.nowMs - (store.failedAtMs.get(world.running) ?? Number.NEGATIVE_INFINITY);
    if (failedMs < KNOWS_MS)
      this.fail(
        "nothing expires while the store is away",
        `${world.running}'s last write failed ${failedMs} ms ago`,
      );
  }

  /** Whatever had begun on a machine, and was not recorded, was in flight at a death. */
  private died(agent: string): void {
    const host = this.fleet.agent(agent);
    for (const name of host ? begunOn(host) : []) this.deaths.set(name, (this.deaths.get(name) ?? 0) + 1);
  }

  private unproven(campaign: string, job: string, shard: number): string | undefined {
    const spec = this.specOf(campaign, job);
    if (spec === undefined) return "its plan has no such job";
    const range =
      this.store.children.get(`${campaign}/${job}/${shard}`) ??
      shardRange(shard, spec.samples, spec.shardSize);
    for (let at = range.first; at < range.first + range.count; at++) {
      const ordinal = ordinalAt(spec, at);
      const deaths = this.deaths.get(`${campaign}/${job}/${ordinal}`) ?? 0;
      if (deaths < NAMED_BY) return `sample ${ordinal} was in flight at ${deaths} deaths`;
    }
    return undefined;
  }

  private specOf(campaign: string, job: string): JobSpec | undefined {
    const state = this.store.campaigns.get(campaign)?.state;
    const planSha256 = state && "planSha256" in state ? state.planSha256 : undefined;
    const plan = planSha256 && this.fleet.artifacts.blobs.get(casKey(planSha256));
    if (!plan) return undefined;
    return (JSON.parse(plan.toString("utf8")) as Plan).jobs.find(({ id }) => id === job);
  }

  private appended(agent: string, path: string, data: Buffer): void {
    const { nowMs } = this.fleet.world.time;
    const fence = nowMs < HEAL_MS + STOP_MS ? undefined : fenceOfJournal(path);
    if (fence === undefined || !beginsSample(path, data)) return;
    const shard = this.messages.shardOf.get(fence)?.split("/") ?? [];
    const gate = this.store.gates.get(shard.slice(0, 2).join("/"));
    if (gate?.open === false && nowMs > gate.closedMs + STOP_MS)
      this.fail("nothing runs after its end", `${agent} begins a sample of ${shard.join("/")} as ${fence}`);
  }

  private removed(agent: string, path: string, data: Buffer): void {
    const fence = fenceOfJournal(path);
    if (fence === undefined || this.messages.isAnswered(agent, fence) || !holdsAnEnd(path, data)) return;
    this.fail("a journal is kept until it is answered", `${agent} removed the journal of ${fence}`);
  }
}
