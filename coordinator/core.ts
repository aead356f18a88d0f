/**
 * One term of leadership without servers: what the leader remembers (board, fleet), what it decides (scheduling, brake)
 * and what it does about campaigns. Clock, randomness, stores and the agents' streams are handed in, so that a whole
 * fleet of these runs in one process under simulated time. A new term is a new core: nothing but the stores survives.
 *
 * 1. Agents are admitted only after everything has been read back from the state store.
 * 2. When leadership is lost nothing more is dispatched or committed; whoever started the core stops it then.
 */
import type { ArtifactStore } from "../shared/artifacts/store.js";
import type { Clock } from "../shared/runtime/clock.js";
import type { Logger } from "../shared/runtime/logger.js";
import type { Random } from "../shared/runtime/random.js";
import { Board } from "./campaigns/board.js";
import { CommitQueue } from "./campaigns/commit-queue.js";
import { expireAttempt, shardEvent } from "./campaigns/complete-attempt.js";
import type { CampaignParts } from "./campaigns/parts.js";
import { EventLog } from "./events.js";
import { showGauges } from "./gauges.js";
import type { Meter } from "./metrics.js";
import type { ResultsIndex } from "./results/results-index.js";
import { Scheduling } from "./scheduling.js";
import { admit, openAdmission } from "./sessions/admission-state.js";
import { agentsPort } from "./sessions/agents-port.js";
import { Fleet } from "./sessions/fleet.js";
import type { Peer } from "./sessions/peer.js";
import { AgentSession } from "./sessions/session.js";
import type { FencedStore } from "./store/fenced-store.js";
import type { StateStore } from "./store/store.js";

export interface CoreOptions {
  heartbeatIntervalMs: number;
  /** Silence after which a node is suspect. */
  suspectAfterMs: number;
  /** Silence after which what a node holds goes elsewhere. */
  lostAfterMs: number;
  acceptDeadlineMs: number;
  commitIntervalMs: number;
  idempotencyTtlMs: number;
  /** Dataset paths of submitted suites resolve below it. */
  datasetsDir: string;
}

export interface CoreParts {
  store: FencedStore;
  state: StateStore;
  clusterId: string;
  artifacts: ArtifactStore;
  results(board: Board): ResultsIndex;
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
  /** Aborts when this coordinator no longer leads. */
  readonly lost: AbortSignal;
  /** A new agent stream; its first message must be Hello. */
  open(peer: Peer): AgentSession;
  /** Ends scheduling and waits for what is being committed. */
  stop(): Promise<void>;
}

/** About four loads of a middling model. */
const MAX_WAIT_MS = 120_000;
/** Agents that may come in per second; the others are told when. */
const HELLOS_PER_SECOND = 300;

/** Starts a term under the leadership of `store`. */
export async function startCore(parts: CoreParts): Promise<Core> {
  const { store, state, clusterId, artifacts, metrics, clock, random, log, options } = parts;
  const events = new EventLog(clock);
  const board = new Board();
  const logError = (err: unknown) => log.error({ err }, "unexpected");
  const fleet: Fleet = new Fleet(clock, events, log, options, {
    lost: (node) => {
      metrics.forgetNode(node.id);
      for (const { shard, fence } of [...node.attempts.values()]) {
        // What has not begun costs no attempt; what is uploaded is being committed.
        const unstarted = { kind: "give_back" as const, fence, reason: `${node.id} is lost` };
        if (shardEvent(campaigns, shard, unstarted) !== undefined) continue;
        if (board.shard(shard)?.kind === "UPLOADED") continue;
        expireAttempt(campaigns, shard, node.id, fence).catch(logError);
      }
    },
    wake: () => scheduling.wake(),
  });
  const campaigns: CampaignParts = {
    ...{ board, store, state, artifacts, events, metrics, clock, random, log },
    results: parts.results(board),
    commits: new CommitQueue(store, clock, options.commitIntervalMs, metrics, log),
    datasetsDir: options.datasetsDir,
    idempotencyTtlMs: options.idempotencyTtlMs,
    agents: agentsPort(fleet),
    wake: () => scheduling.wake(),
  };
  const scheduling: Scheduling = new Scheduling({
    ...{ board, fleet, clock, log, metrics },
    epoch: store.epoch,
    acceptDeadlineMs: options.acceptDeadlineMs,
    maxWaitMs: MAX_WAIT_MS,
    giveBack: (shard, fence) => {
      const late = { kind: "give_back" as const, fence, reason: "not accepted in time", notify: true };
      shardEvent(campaigns, shard, late);
    },
  });
  const stopTicking = every(clock, options.heartbeatIntervalMs / 4, () => {
    fleet.lookForSilence();
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
    ...{ campaigns, board, fleet, artifacts, heartbeatIntervalMs, lostAfterMs, clock, log },
    admit: admitOne,
  };
  return {
    ...{ epoch: store.epoch, clusterId, campaigns, board, fleet, lost: store.lost },
    open: (peer) => new AgentSession(sessions, peer),
    async stop() {
      stopTicking();
      scheduling.stop();
      await campaigns.commits.drained();
    },
  };
}

function every(clock: Clock, ms: number, run: () => void): () => void {
  let cancel = () => {};
  const again = () => {
    cancel = clock.after(ms, () => {
      run();
      again();
    });
  };
  again();
  return () => cancel();
}
