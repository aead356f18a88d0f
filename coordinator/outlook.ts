/**
 * What the scheduler sees of the board and the fleet: a standing snapshot, brought up to date before each cycle from
 * what was touched since, or from everything when something happened that is not counted as a touch.
 */
import { isTerminal } from "../shared/domain/campaign.js";
import { deviceClass } from "../shared/domain/device.js";
import type { Board, CampaignEntry, JobEntry } from "./campaigns/board.js";
import { budgetOf, mayDispatch } from "./campaigns/budgets.js";
import { type Tenants, tenantOf } from "./campaigns/quotas.js";
import { modelLoads, needsOf, staysOnClass } from "./job-needs.js";
import {
  type Assignment,
  type Capability,
  type JobSnapshot,
  type LaneSnapshot,
  type SchedulerOptions,
  USUAL_MS,
} from "./scheduler/snapshot.js";
import { Standing } from "./scheduler/standing.js";
import type { Fleet, NodeEntry } from "./sessions/fleet.js";

type Inventory = NonNullable<NodeEntry["inventory"]>;

type LaneMemory = Pick<LaneSnapshot, "lastModel" | "modelSinceMs" | "rescuedMs">;

interface NodeMemory {
  /** A new start has nothing loaded. */
  incarnation: bigint;
  readonly lanes: Map<string, LaneMemory>;
}

type FixedPart = Omit<
  JobSnapshot,
  "inFlight" | "gate" | "held" | "paused" | "overBudget" | "after" | "pending" | "ran" | "waitingSinceMs"
>;

export class Outlook {
  readonly standing: Standing;
  private readonly nodes = new Map<string, NodeMemory>();
  private readonly fixed = new WeakMap<JobEntry, FixedPart>();
  /** Device class that a job whose times are compared was begun on. */
  private readonly begunOn = new WeakMap<JobEntry, string>();
  /** Jobs with shards that wait after a failure, and their campaigns. */
  private readonly backingOff = new Map<JobEntry, CampaignEntry>();

  constructor(
    private readonly board: Board,
    private readonly fleet: Fleet,
    o: { maxWaitMs: number; mostShards?: number; tenants: Tenants },
  ) {
    const { maxWaitMs, mostShards = Number.POSITIVE_INFINITY, tenants } = o;
    this.standing = new Standing({ maxWaitMs, mostShards, ...optionsOf(tenants) });
  }

  /** Brings in what was touched, or all there is; answers with the campaigns looked at. */
  update(nowMs: number, all: boolean): Set<CampaignEntry> {
    const nodes = this.fleet.takeTouched();
    const jobs = this.board.takeTouched();
    for (const [job, entry] of [...this.backingOff, ...jobs]) {
      const before = job.pending.ready;
      job.pending.ripen(nowMs);
      if (job.pending.ready !== before) jobs.set(job, entry);
      if (job.pending.waiting > 0) this.backingOff.set(job, entry);
      else this.backingOff.delete(job);
    }
    for (const node of all ? this.fleet.list() : nodes) this.putNode(node, !nodes.has(node));
    for (const [job, entry] of jobs) this.putJob(entry, job);
    const campaigns = new Set(jobs.values());
    for (const entry of campaigns) {
      const first = firstOf(entry);
      if (first?.spec.load && !jobs.has(first)) this.putJob(entry, first);
      if (budgetOf(entry) === undefined) continue;
      for (const job of entry.jobs) if (!jobs.has(job)) this.putJob(entry, job); // what one took is the others' budget
    }
    if (!all) return campaigns;
    for (const id of this.standing.agents.keys()) if (!this.fleet.node(id)) this.forget(id);
    for (const entry of this.board.list()) {
      if (!isOpen(entry)) continue;
      campaigns.add(entry);
      for (const job of entry.jobs) {
        if (job.pending.waiting > 0) this.backingOff.set(job, entry);
        this.putJob(entry, job);
      }
    }
    for (const id of this.standing.campaigns.keys()) {
      const entry = this.board.campaign(id);
      if (entry && isOpen(entry)) continue;
      for (const { snapshot } of this.standing.jobsOf(id)) this.standing.removeJob(id, snapshot.job);
    }
    return campaigns;
  }

  /** When the next shard that failed may be tried again, monotonic ms; Infinity without any. */
  nextDueMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const job of this.backingOff.keys()) nextMs = Math.min(nextMs, job.pending.dueMs);
    return nextMs;
  }

  /** Notes that shards of a job were given to a lane. */
  gave({ lane, why }: Assignment, node: NodeEntry, job: JobEntry, model: string, nowMs: number): void {
    const { lanes } = this.memoryOf(node);
    const memory: LaneMemory = lanes.get(lane) ?? {};
    lanes.set(lane, memory);
    if (why === "starved") memory.rescuedMs = nowMs;
    const offered = capabilityOf(node.inventory).lanes.find((l) => l.lane === lane)?.deviceClass;
    if (staysOnClass(job.spec) && offered !== undefined && !this.begunOn.has(job))
      this.begunOn.set(job, offered);
    if (!modelLoads(job.spec)) return;
    if (memory.lastModel !== model) memory.modelSinceMs = nowMs;
    memory.lastModel = model;
  }

  private putNode(node: NodeEntry, unlessSame: boolean): void {
    const { id, state, cordon, inventory, loadedModels, peer } = node;
    const cordoned = cordon.kind !== "open";
    const quarantined = node.quarantine.kind === "quarantined";
    const capability = capabilityOf(inventory);
    const known = unlessSame ? this.standing.agents.get(id)?.snapshot : undefined;
    if (
      known?.state === state.kind &&
      known.cordoned === cordoned &&
      known.quarantined === quarantined &&
      known.capability === capability &&
      known.loadedModels === loadedModels
    )
      return;
    const memory = this.memoryOf(node);
    const lanes = capability.lanes.map(({ lane }) => {
      const held = new Map(node.held.get(lane));
      return {
        ...{ lane, credits: peer ? this.fleet.credit(node, lane) : 0 },
        ...{ held, heldMs: this.timesOf(held) },
        ...memory.lanes.get(lane),
      };
    });
    this.standing.putAgent({
      ...{ id, state: state.kind, cordoned, quarantined, capability, lanes, loadedModels },
    });
  }

  /** How long attempts of campaigns are thought to take. */
  private timesOf(held: ReadonlyMap<string, number>): Map<string, number> {
    const times = new Map<string, number>();
    for (const [campaign, attempts] of held) {
      const { shards, us } = this.standing.campaigns.get(campaign)?.ran ?? { shards: 0, us: 0 };
      times.set(campaign, attempts * (shards > 0 ? us / 1000 / shards : USUAL_MS));
    }
    return times;
  }

  private memoryOf({ id, incarnation }: NodeEntry): NodeMemory {
    const known = this.nodes.get(id);
    if (known?.incarnation === incarnation) return known;
    const fresh = { incarnation, lanes: new Map() };
    this.nodes.set(id, fresh);
    return fresh;
  }

  private forget(id: string): void {
    this.standing.removeAgent(id);
    this.nodes.delete(id);
  }

  private putJob(entry: CampaignEntry, job: JobEntry): void {
    const { id } = entry.value;
    const { gate, held, pending, ran, waitingSinceMs, state } = job;
    const inFlight = job.inFlight + job.twins.size;
    const runs = isOpen(entry) && (state.kind === "RUNNING" || state.kind === "PAUSED");
    if (!runs || (pending.size === 0 && inFlight === 0)) {
      this.standing.removeJob(id, job.spec.id);
      return;
    }
    const known = this.standing.job(id, job.spec.id);
    const paused = entry.value.state.kind === "PAUSED" || state.kind === "PAUSED";
    const overBudget = !mayDispatch(entry, job);
    const after = (job.spec.load !== undefined && firstOf(entry) !== job) || waitsForAnswers(entry, job);
    const same =
      known?.snapshot.waitingSinceMs === waitingSinceMs &&
      (known.snapshot.after ?? false) === after &&
      known.ready === pending.ready &&
      known.snapshot.gate === gate &&
      known.snapshot.held === held &&
      known.snapshot.paused === paused &&
      (known.snapshot.overBudget ?? false) === overBudget &&
      known.snapshot.inFlight === inFlight &&
      known.snapshot.ran?.shards === ran.shards;
    if (same && !staysOnClass(job.spec)) return;
    this.standing.putJob({
      ...this.fixedOf(entry, job),
      ...this.classFor(job),
      ...(gate === 0n ? {} : { gate }),
      ...(after && { after }),
      ...(overBudget && { overBudget }),
      ...{ held, inFlight, paused, pending, waitingSinceMs, ran: { ...ran } },
    });
  }

  private fixedOf({ value }: CampaignEntry, job: JobEntry): FixedPart {
    const known = this.fixed.get(job);
    if (known) return known;
    const fresh = {
      ...{ tenant: tenantOf(value), campaign: value.id, job: job.spec.id },
      ...{ priority: value.priority, createdMs: value.createdMs },
      ...{ ...needsOf(job.spec), modelLoads: modelLoads(job.spec) },
    };
    this.fixed.set(job, fresh);
    return fresh;
  }

  /** Jobs whose times are compared stay on the class they began on; the one with most slots to begin with. */
  private classFor(job: JobEntry): { deviceClass?: string } {
    if (!staysOnClass(job.spec)) return {};
    const known = this.begunOn.get(job) ?? this.begunBefore(job);
    if (known !== undefined) this.begunOn.set(job, known);
    const deviceClass = known ?? this.standing.widestClass(needsOf(job.spec));
    return deviceClass === undefined ? {} : { deviceClass };
  }

  /**
   * The class on which an earlier leader began a job: that of a node that has a result of it, or holds an attempt. Neither
   * is looked for before somebody could have begun.
   */
  private begunBefore({ done, inFlight, shards, spec }: JobEntry): string | undefined {
    const { lanes } = needsOf(spec);
    const classOf = (agent: string): string | undefined =>
      capabilityOf(this.fleet.node(agent)?.inventory).lanes.find(({ lane }) => lanes.includes(lane))
        ?.deviceClass;
    for (const value of done.values()) {
      const found = value.kind === "result" ? classOf(value.agent) : undefined;
      if (found !== undefined) return found;
    }
    if (inFlight === 0) return undefined;
    for (const shard of shards) {
      const found = "agent" in shard ? classOf(shard.agent) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** The first job of a campaign with shards that have not ended: a load is measured when it is the one. */
const firstOf = ({ jobs }: CampaignEntry): JobEntry | undefined =>
  jobs.find(
    ({ state, pending, inFlight, twins }) =>
      ["PLANNED", "RUNNING", "PAUSED"].includes(state.kind) &&
      (pending.size > 0 || inFlight + twins.size > 0),
  );

/** A judge job whose answers are not all there: the job it judges has not ended. */
const waitsForAnswers = ({ jobs }: CampaignEntry, { spec }: JobEntry): boolean =>
  spec.judge !== undefined && jobs.some((job) => job.spec.id === spec.judge?.of && !isTerminal(job.state));

/** Weights and quotas as the scheduler takes them. */
function optionsOf(tenants: Tenants): Pick<SchedulerOptions, "tenantWeights" | "tenantLimits"> {
  const limits = [...tenants].flatMap(([name, { maxRunningShards: most }]) =>
    most === undefined ? [] : [[name, most] as const],
  );
  return {
    tenantWeights: new Map([...tenants].map(([name, { weight }]) => [name, weight])),
    tenantLimits: new Map(limits),
  };
}

const isOpen = ({ value }: CampaignEntry): boolean =>
  value.state.kind === "RUNNING" || value.state.kind === "PAUSED";

const capabilities = new WeakMap<Inventory, Capability>();
const NOTHING: Capability = { engines: [], lanes: [] };

/** One object for one inventory, so that agents that share it are quickly seen to be alike. */
function capabilityOf(inventory: Inventory | undefined): Capability {
  if (inventory === undefined) return NOTHING;
  const known = capabilities.get(inventory);
  if (known) return known;
  const { devices } = inventory;
  const lanes = [...new Set(devices.map((d) => d.kind))].flatMap((lane) => {
    const own = devices.filter((d) => d.kind === lane);
    const slots = own.reduce((sum, d) => sum + d.slots, 0);
    const classes = new Set(own.map((d) => deviceClass(d)));
    return slots > 0 ? [{ lane, slots, deviceClass: [...classes].sort().join("+") }] : [];
  });
  const engines = inventory.engines.map(({ kind, models, unavailable }) => {
    const engine = { kind, models };
    return unavailable === "" ? engine : { ...engine, unavailable };
  });
  const fresh = { engines, lanes };
  capabilities.set(inventory, fresh);
  return fresh;
}
