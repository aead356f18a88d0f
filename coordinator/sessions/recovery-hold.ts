/**
 * After a change of leaders the shards of earlier plans may still run on nodes that have not come back yet. Giving them
 * out at once would run them twice, so their jobs are held until every known node is reconciled or lost, or time is up.
 * Jobs that are planned later are not held.
 */
import type { Clock } from "../../shared/runtime/clock.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { Board } from "../campaigns/board.js";
import type { EventLog } from "../events.js";
import type { Fleet } from "./fleet.js";
import { reconnectCapMs } from "./reconnect.js";

export interface RecoveryHoldParts {
  board: Board;
  fleet: Fleet;
  clock: Clock;
  events: EventLog;
  log: Logger;
  /**
   * The least time to wait for nodes that do not come; longer than those need that have to notice first that the leader
   * before says nothing (agent/session/transport.ts).
   */
  holdMs: number;
  hellosPerSecond: number;
  wake(): void;
}

export class RecoveryHold {
  /** Nodes that are waited for. */
  private readonly missing: Set<string>;
  private readonly cancelTimer: () => void;
  private over = false;

  constructor(
    private readonly parts: RecoveryHoldParts,
    known: readonly string[],
  ) {
    const { clock, holdMs, hellosPerSecond } = parts;
    this.missing = new Set(known);
    const comingMs = (known.length / hellosPerSecond) * 1000 + 2 * reconnectCapMs(known.length);
    const forMs = Math.max(holdMs, comingMs);
    this.cancelTimer = clock.after(forMs, () =>
      this.end(`${this.missing.size} known nodes did not come back in time`),
    );
    this.check();
  }

  /** Nodes that are waited for; 0 when nothing is held. */
  get waitingFor(): number {
    return this.over ? 0 : this.missing.size;
  }

  /** Looks whether everybody is back, or whether this one is: each that comes costs no look at all the others. */
  check(back?: string): void {
    if (this.over) return;
    for (const id of back === undefined ? this.missing : [back]) {
      const kind = this.parts.fleet.node(id)?.state.kind;
      if (kind !== "CONNECTING" && kind !== "RECONCILING") this.missing.delete(id);
    }
    if (this.missing.size === 0) this.end("all known nodes are reconciled");
  }

  stop(): void {
    this.over = true;
    this.cancelTimer();
  }

  private end(why: string): void {
    if (this.over) return;
    this.stop();
    let held = 0;
    for (const entry of this.parts.board.list()) {
      for (const job of entry.jobs) {
        if (!job.held) continue;
        job.held = false;
        held += 1;
      }
    }
    if (held === 0) return;
    this.parts.events.add("recovery.ended", {}, `work of before goes on: ${why}`);
    this.parts.log.info({ jobs: held, why }, "recovery ends");
    this.parts.wake();
  }
}
