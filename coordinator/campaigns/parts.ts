import type { ArtifactStore } from "../../shared/artifacts/store.js";
import type { AvailableModels } from "../../shared/benchmark/models.js";
import type { Fence } from "../../shared/domain/fence.js";
import type { Clock } from "../../shared/runtime/clock.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Random } from "../../shared/runtime/random.js";
import type { EventLog } from "../events.js";
import type { Meter } from "../metrics.js";
import type { ResultsIndex } from "../results/results-index.js";
import type { CommitResult, FencedStore, Write } from "../store/fenced-store.js";
import { isStoreError, type Rev, type StateStore, type StoreAdmin } from "../store/store.js";
import type { Board } from "./board.js";
import type { CommitQueue } from "./commit-queue.js";
import type { Turns } from "./lifecycle.js";
import type { CampaignQuotas } from "./quotas.js";
import type { ShardNotices } from "./shard-notices.js";

/** What the use cases of campaigns need; the composition root fills it. */
export interface CampaignParts {
  board: Board;
  store: FencedStore;
  /** For reads, which need no fence. */
  state: Pick<StateStore, "get" | "list">;
  /** How full the state store is; absent when it cannot tell. */
  usage?: StoreAdmin["usage"];
  /** Requests under way, by idempotency key. */
  submitting: Map<string, Promise<unknown>>;
  quotas: CampaignQuotas;
  /** Manifests are made one after the other: one may have hundreds of megabytes. */
  manifests: Turns;
  commits: CommitQueue;
  notices: ShardNotices;
  artifacts: ArtifactStore;
  results: ResultsIndex;
  events: EventLog;
  metrics: Meter;
  clock: Clock;
  random: Random;
  log: Logger;
  /** Dataset paths of submitted suites resolve below it. */
  datasetsDir: string;
  /** Reads a file that a dataset names. */
  readFile(path: string): Promise<Uint8Array>;
  /** How long a key that was given with a request stands for its campaign, ms. */
  idempotencyTtlMs: number;
  agents: AgentsPort;
  /** Asks the scheduler for another look. */
  wake(): void;
}

/** What campaigns ask of the sessions. */
export interface AgentsPort {
  /** Tells the agent to stop an attempt; silence if it is not connected. */
  stop(agent: string, fence: Fence, reason: string): void;
  /** Asks for attempts back that have not begun; the agent answers for those it gives. */
  retract(agent: string, fences: readonly Fence[]): void;
  /** An attempt is over: its agent holds one less. */
  ended(agent: string, fence: Fence): void;
  /** A sample is named for the deaths at which it was in flight: they are nobody else's fault. */
  named(campaign: string, job: string, sample: number): void;
  /** What the engines of ready agents can serve; undefined while no agent has joined. */
  available(): AvailableModels[] | undefined;
}

const RETRY_MS = 200;

type Writer = Pick<CampaignParts, "store" | "clock"> & { metrics?: Meter };

/**
 * Sends a write under our epoch until it is answered. After an unknown outcome a conflict may be with ourselves. Throws
 * unavailable when this coordinator no longer leads or the store is away, resource_exhausted when the store is full:
 * nothing was written then.
 */
export async function commitWrite(
  parts: Writer,
  w: Write,
): Promise<Extract<CommitResult, { kind: "committed" | "conflict" }>> {
  for (;;) {
    const startMs = parts.clock.nowMs();
    const answer = await parts.store.commit(w).catch((error: unknown) => {
      throw refusal(error);
    });
    parts.metrics?.observeStoreTxn(answer.kind, (parts.clock.nowMs() - startMs) / 1000);
    if (answer.kind === "committed" || answer.kind === "conflict") return answer;
    if (answer.kind === "deposed") throw notLeading();
    await parts.clock.sleep(RETRY_MS, parts.store.lost).catch(() => {
      throw notLeading();
    });
  }
}

/** The same for a write that nothing can be in the way of; throws already_exists if something is. */
export async function write(parts: Writer, w: Write): Promise<Rev> {
  const answer = await commitWrite(parts, w);
  if (answer.kind === "committed") return answer.rev;
  const found = answer.conflicts.map((c) => c.key).join(", ");
  throw new SaiError("already_exists", `the state store holds ${found}`);
}

const notLeading = () =>
  new SaiError("unavailable", "this coordinator no longer leads", { hint: "try again: another one will" });

function refusal(error: unknown): unknown {
  if (isStoreError(error, "Unavailable")) {
    return new SaiError("unavailable", error.message, { cause: error, hint: "try again in a while" });
  }
  if (isStoreError(error, "NoSpace")) {
    const hint =
      "free space for the state store (at store.path, or store.quota); finished work is being sealed";
    return new SaiError("resource_exhausted", error.message, { cause: error, hint });
  }
  return error;
}
