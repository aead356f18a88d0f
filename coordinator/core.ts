/**
 * One term of leadership without servers: what the leader remembers (board, fleet), what it decides (scheduling, brake)
 * and what it does about campaigns. Clock, randomness, stores and the agents' streams are handed in, so that a whole
 * fleet of these runs in one process under simulated time. A new term is a new core: nothing but the stores survives.
 *
 * 1. Agents are admitted only after everything has been read back from the state store.
 * 2. When leadership is lost nothing more is dispatched or committed; whoever started the core stops it then.
 */
import type { ArtifactStore } from "../shared/artifacts/store.js";
import type { Fence } from "../shared/domain/fence.js";
import type { Clock } from "../shared/runtime/clock.js";
import { SaiError } from "../shared/runtime/errors.js";
import type { Logger } from "../shared/runtime/logger.js";
import type { Random } from "../shared/runtime/random.js";
import { detached } from "./campaigns/background.js";
import { Board } from "./campaigns/board.js";
import { lookAtBudgets } from "./campaigns/budgets.js";
import { CommitQueue } from "./campaigns/commit-queue.js";
import { expireAttempt, shardEvent } from "./campaigns/complete-attempt.js";
import { sweepIdempotency } from "./campaigns/idempotency.js";
import { loadEnded } from "./campaigns/loaded.js";
import type { CampaignParts } from "./campaigns/parts.js";
import { CampaignQuotas, type Tenants } from "./campaigns/quotas.js";
import { recover, resume } from "./campaigns/recover.js";
import { ShardNotices } from "./campaigns/shard-notices.js";
import { isUnstarted } from "./campaigns/unstarted.js";
import { EventLog } from "./events.js";
import { showGauges } from "./gauges.js";
import type { Meter } from "./metrics.js";
import type { ResultsIndex } from "./results/results-index.js";
import type { JobWaiting } from "./scheduler/snapshot.js";
import { Scheduling } from "./scheduling.js";
import { admit, openAdmission } from "./sessions/admission-state.js";
import { agentsPort } from "./sessions/agents-port.js";
import { Brake } from "./sessions/brake.js";
import type { BrakeLimits } from "./sessions/brake-state.js";
import { Fleet, type HeldAttempt, type NodeEntry } from "./sessions/fleet.js";
import { FleetAdmin } from "./sessions/fleet-admin.js";
import { FleetRecords } from "./sessions/fleet-records.js";
import { NodeHealth } from "./sessions/node-health.js";
import type { Peer } from "./sessions/peer.js";
import type { QuarantineLimits } from "./sessions/quarantine-state.js";
import { RecoveryHold } from "./sessions/recovery-hold.js";
import { AgentSession } from "./sessions/session.js";
import type { FencedStore } from "./store/fenced-store.js";
import type { StateStore, StoreAdmin } from "./store/store.js";

export interface CoreOptions {
  heartbeatIntervalMs: number;
  /** Silence after which a node is suspect. */
  suspectAfterMs: number;
  /** Silence after which what a node holds goes elsewhere. */
  lostAfterMs: number;
  acceptDeadlineMs: number;
  commitIntervalMs: number;
  idempotencyTtlMs: number;
  /** How long shards of earlier plans wait at least for the nodes that may still run them. */
  recoveryHoldMs: number;
  brake: BrakeLimits;
  quarantine: QuarantineLimits;
  /** Dataset paths of submitted suites resolve below it. */
  datasetsDir: string;
  tenants: Tenants;
}

export interface CoreParts {
  store: FencedStore;
  state: StateStore;
  clusterId: string;
  artifacts: ArtifactStore;
  results(board: Board): ResultsIndex;
  /** Reads a file below `datasetsDir`; without it there are none. */
  readFile?: CampaignParts["readFile"];
  /** How full the state store is; without it it is never too full for a new campaign. */
  usage?: StoreAdmin["usage"];
  metrics: Meter;
  clock: Clock;
  random: Random;
  log: Logger;
  options: CoreOptions;
}

export interface Core {
  readonly epoch: bigint;
  readonly clusterId: string;
  readonly campaigns: CampaignParts;
  readonly board: Board;
  readonly fleet: Fleet;
  readonly admin: FleetAdmin;
  readonly brake: Brake;
  readonly hold: RecoveryHold;
  /** Aborts when this coordinator no longer leads. */
  readonly lost: AbortSignal;
  /** Why shards of a campaign wait, as the scheduler would say now. */
  waiting(campaign: string): JobWaiting[];
  /** A new agent stream; its first message must be Hello. */
  open(peer: Peer): AgentSession;
  /** Ends scheduling and waits for what is being committed. */
  stop(): Promise<void>;
}

/** About four loads of a middling model. */
const MAX_WAIT_MS = 120_000;
/** Agents that may come in per second; the others are told when. */
const HELLOS_PER_SECOND = 300;
/** How often expired idempotency keys are looked for. */
const SWEEP_MS = 3_600_000;

/** Starts a term under the leadership of `store`. */
export async function startCore(parts: CoreParts): Promise<Core> {
  const { store, state, clusterId, artifacts, metrics, clock, random, log, options } = parts;
  const events = new EventLog(clock);
  const board = new Board();
  const records = new FleetRecords(store, clock, log);
  const fleet: Fleet = new Fleet({
    ...{ clock, events, log, records, timers: options },
    listener: {
      lost: (node) => {
        metrics.forgetNode(node.id);
        for (const attempt of [...node.attempts.values()]) giveElsewhere(campaigns, node, attempt);
      },
      left: (node) => {
        metrics.forgetNode(node.id);
        // Not told to stop: it has them in its journals, and goes on with what nobody else has when it comes back.
        withdraw(node, `${node.id} has left`, false);
      },
      retract: (node) => campaigns.agents.retract(node.id, unstarted(board, node)),
      wake: () => scheduling.joined(),
      roomier: () => scheduling.touched(),
      contradicts: (node) => admin.contradicted(node),
    },
  });
  const withdraw = (node: NodeEntry, reason: string, notify: boolean) => {
    for (const { shard, fence } of [...node.attempts.values()]) {
      shardEvent(campaigns, shard, { kind: "withdraw", fence, reason, notify });
    }
  };
  const results = parts.results(board);
  const campaigns: CampaignParts = {
    ...{ board, store, state, artifacts, results, events, metrics, clock, random, log },
    ...(parts.usage ? { usage: parts.usage } : {}),
    notices: new ShardNotices({ clock, events, metrics, results, log }),
    submitting: new Map(),
    manifests: {},
    quotas: new CampaignQuotas(options.tenants, board),
    readFile: parts.readFile ?? noFiles,
    commits: new CommitQueue(
      { store, clock, random, metrics, log },
      { intervalMs: options.commitIntervalMs },
    ),
    datasetsDir: options.datasetsDir,
    idempotencyTtlMs: options.idempotencyTtlMs,
    agents: agentsPort(fleet, (campaign, job, sample) => health.named(campaign, job, sample)),
    wake: () => scheduling.wake(),
  };
  const scheduling: Scheduling = new Scheduling({
    ...{ board, fleet, clock, events, log, metrics },
    epoch: store.epoch,
    acceptDeadlineMs: options.acceptDeadlineMs,
    maxWaitMs: MAX_WAIT_MS,
    tenants: options.tenants,
    retract: (agent, fences) => campaigns.agents.retract(agent, fences),
    leads: () => store.remainingMs(clock.nowMs()) > 0,
  });
  const health = new NodeHealth({
    ...{ clock, events, fleet, limits: options.quarantine, log, metrics, records },
    retract: (node) => campaigns.agents.retract(node.id, unstarted(board, node)),
    wake: () => scheduling.wake(),
  });
  const admin: FleetAdmin = new FleetAdmin({
    ...{ clock, events, log, fleet, records },
    wake: () => scheduling.wake(),
    withdraw: (node, reason) => withdraw(node, reason, true),
    pardon: (node) => health.pardon(node),
    removed: (node) => health.forget(node),
  });
  const brake = new Brake({
    ...{ clock, events, log, fleet, limits: options.brake },
    storeAnswers: () => store.answers(clock.nowMs()),
    storeFull: () => store.full,
  });
  board.loadWith((entry) => loadEnded(campaigns, entry));
  const found = await recover(campaigns, state, store.lost);
  for (const value of found.agents) fleet.restore(value, found.inventories.get(value.inventoryHash));
  for (const value of found.quarantines) health.restore(value);
  const hold = new RecoveryHold(
    {
      ...{ board, fleet, clock, events, log, holdMs: options.recoveryHoldMs },
      hellosPerSecond: HELLOS_PER_SECOND,
      wake: () => scheduling.wake(),
    },
    fleet.list().flatMap((node) => (node.state.kind === "LOST" ? [] : [node.id])),
  );
  resume(campaigns);
  const stopTicking = every(clock, options.heartbeatIntervalMs / 4, (lateMs) => {
    brake.look(lateMs);
    hold.check();
    health.look();
    lookAtBudgets(campaigns);
    scheduling.sweep();
    showGauges(metrics, board, fleet);
  });
  const { heartbeatIntervalMs, lostAfterMs } = options;
  let admission = openAdmission(HELLOS_PER_SECOND, clock.nowMs());
  const admitOne = () => {
    const turn = admit(admission, HELLOS_PER_SECOND, clock.nowMs());
    admission = turn.state;
    return turn.waitMs;
  };
  const sessions = {
    ...{
      campaigns,
      board,
      fleet,
      artifacts,
      clusterId,
      heartbeatIntervalMs,
      lostAfterMs,
      clock,
      health,
      log,
    },
    admit: admitOne,
    reconciled: (node: NodeEntry) => {
      admin.startDrain(node);
      hold.check(node.id);
    },
  };
  const stopSweeping = every(clock, SWEEP_MS, () => {
    detached(
      campaigns,
      sweepIdempotency(campaigns).then(() => undefined),
    );
  });
  return {
    ...{ epoch: store.epoch, clusterId, campaigns, board, fleet, admin, brake, hold, lost: store.lost },
    open: (peer) => new AgentSession(sessions, peer),
    waiting: (campaign) => scheduling.waiting(campaign),
    async stop() {
      stopTicking();
      stopSweeping();
      admin.stop();
      scheduling.stop();
      hold.stop();
      await records.stop();
      await campaigns.commits.drained();
      campaigns.notices.flush();
    },
  };
}

const noFiles = (path: string): Promise<never> =>
  Promise.reject(new SaiError("not_found", `this coordinator reads no files, asked for ${path}`));

/** What a lost node had goes to others: what has not begun costs no attempt, what is uploaded is being committed. */
function giveElsewhere(campaigns: CampaignParts, node: NodeEntry, { shard, fence }: HeldAttempt): void {
  const back = { kind: "give_back" as const, fence, reason: `${node.id} is lost` };
  if (shardEvent(campaigns, shard, back) !== undefined) return;
  if (campaigns.board.shard(shard)?.kind === "UPLOADED") return;
  detached(campaigns, expireAttempt(campaigns, shard, node.id, fence));
}

/** Attempts that the node has and has not begun. */
const unstarted = (board: Board, node: NodeEntry): Fence[] =>
  [...node.attempts.values()].filter((one) => isUnstarted(board, one)).map(({ fence }) => fence);

/** Calls `run` every `ms` with how late the call is. */
export function every(clock: Clock, ms: number, run: (lateMs: number) => void): () => void {
  let cancel = () => {};
  const again = () => {
    const dueMs = clock.nowMs() + ms;
    cancel = clock.after(ms, () => {
      run(Math.max(0, clock.nowMs() - dueMs));
      again();
    });
  };
  again();
  return () => cancel();
}
