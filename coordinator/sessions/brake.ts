/** The brake in this process: looks at the signs a few times per heartbeat interval and says who may be lost. */
import type { Clock } from "../../shared/runtime/clock.js";
import type { Logger } from "../../shared/runtime/logger.js";
import type { EventLog } from "../events.js";
import {
  type BrakeLimits,
  type BrakeState,
  brakeText,
  lookAtBrake,
  mayLose,
  overrule,
  RELEASED,
  spent,
} from "./brake-state.js";
import type { Fleet } from "./fleet.js";

export interface BrakeParts {
  clock: Clock;
  events: EventLog;
  log: Logger;
  limits: BrakeLimits;
  fleet: Fleet;
  /** Whether the state store has taken writes lately. */
  storeAnswers(): boolean;
  /** Whether it does not because it is full. */
  storeFull(): boolean;
}

export class Brake {
  private current: BrakeState = RELEASED;
  /** Wall ms since when it is engaged. */
  private sinceWallMs = 0;
  /** When nodes were last declared lost, by id: one that comes and goes is one node. */
  private readonly lostAtMs = new Map<string, number>();

  constructor(private readonly parts: BrakeParts) {}

  get state(): BrakeState {
    return this.current;
  }

  /** Wall ms since when it is engaged; undefined when it is not. */
  get since(): number | undefined {
    return this.current.kind === "engaged" ? this.sinceWallMs : undefined;
  }

  /** Looks for silence; `loopLagMs` is how late this look is. */
  look(loopLagMs: number): void {
    const { clock, fleet, limits, storeAnswers, storeFull } = this.parts;
    const nowMs = clock.nowMs();
    const overdue = fleet.overdue();
    for (const [id, atMs] of this.lostAtMs) {
      if (nowMs - atMs >= limits.lossWindowMs) this.lostAtMs.delete(id);
    }
    const recentlyLost = [...this.lostAtMs.keys()].filter((id) => !overdue.some((node) => node.id === id));
    const nodes = fleet.list().filter((node) => node.state.kind !== "LOST").length;
    const signs = {
      ...{ nodes, overdue: overdue.length, recentlyLost: recentlyLost.length },
      ...{ loopLagMs, storeAnswers: storeAnswers(), storeFull: storeFull() },
    };
    this.become(lookAtBrake(this.current, signs, nowMs, limits));
    const gone = overdue.slice(0, mayLose(this.current, overdue.length));
    for (const node of gone) fleet.lose(node);
    // What is declared lost under the brake is the same loss, not a new one.
    if (this.current.kind === "released") for (const node of gone) this.lostAtMs.set(node.id, nowMs);
    this.current = spent(this.current, gone.length);
  }

  /** Releases it whatever its causes; false when it is not engaged. */
  release(reason: string): boolean {
    if (this.current.kind === "released") return false;
    this.become(overrule(), reason);
    return true;
  }

  private become(next: BrakeState, reason = "what engaged it is gone"): void {
    const { clock, events, log } = this.parts;
    const before = this.current.kind;
    this.current = next;
    if (next.kind === before) return;
    if (next.kind === "engaged") this.sinceWallMs = clock.wallMs();
    const text = next.kind === "engaged" ? brakeText(next) : `the brake is released: ${reason}`;
    events.add(`brake.${next.kind}`, {}, text);
    log.warn({ reason: text }, `brake ${next.kind}`);
  }
}
