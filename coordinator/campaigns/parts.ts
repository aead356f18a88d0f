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
import type { FencedStore, Write } from "../store/fenced-store.js";
import type { Rev, StateStore } from "../store/store.js";
import type { Board } from "./board.js";
import type { CommitQueue } from "./commit-queue.js";

/** What the use cases of campaigns need; the composition root fills it. */
export interface CampaignParts {
  board: Board;
  store: FencedStore;
  /** For reads, which need no fence. */
  state: Pick<StateStore, "get">;
  commits: CommitQueue;
  artifacts: ArtifactStore;
  results: ResultsIndex;
  events: EventLog;
  metrics: Meter;
  clock: Clock;
  random: Random;
  log: Logger;
  /** Dataset paths of submitted suites resolve below it. */
  datasetsDir: string;
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
  /** What the engines of ready agents can serve; undefined while no agent has joined. */
  available(): AvailableModels[] | undefined;
}

const RETRY_MS = 200;

/** Writes under our epoch until answered. Throws unavailable when this coordinator no longer leads. */
export async function write(
  parts: Pick<CampaignParts, "store" | "clock"> & { metrics?: Meter },
  w: Write,
): Promise<Rev> {
  for (;;) {
    const startMs = parts.clock.nowMs();
    const answer = await parts.store.commit(w);
    parts.metrics?.observeStoreTxn(answer.kind, (parts.clock.nowMs() - startMs) / 1000);
    if (answer.kind === "committed") return answer.rev;
    if (answer.kind === "conflict") {
      throw new SaiError(
        "already_exists",
        `the state store holds ${answer.conflicts.map((c) => c.key).join(", ")}`,
      );
    }
    if (answer.kind === "deposed") {
      throw new SaiError("unavailable", "this coordinator no longer leads", {
        hint: "try again: another one will",
      });
    }
    await parts.clock.sleep(RETRY_MS, parts.store.lost);
  }
}
