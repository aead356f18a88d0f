/**
 * Signs of life of one session: a heartbeat every interval, and the answer to one as proof that both directions work.
 *
 * 1. Heartbeats come from a timer of their own with ± 20 % of jitter; no work is waited for.
 * 2. Silence is counted from the moment the last answered heartbeat was *sent*, so that this side hangs up no later than
 *    the other counts it as lost.
 */
import type { Clock } from "../../shared/runtime/clock.js";
import { SaiError } from "../../shared/runtime/errors.js";
import type { Random } from "../../shared/runtime/random.js";

export interface VitalsParts {
  beat(seq: bigint): void;
  /** Nothing was heard for too long. */
  lost(error: SaiError): void;
  clock: Clock;
  random: Random;
}

/** Longest time between Hello and Welcome, ms. */
const WELCOME_MS = 60_000;
const JITTER = 0.2;
/** Intervals after which a session is lost when the coordinator does not say. */
const LOST_INTERVALS = 6;
/** Heartbeats that may be unanswered: older ones prove nothing that newer ones do not. */
const REMEMBERED = 64;

export class Vitals {
  private seq = 0n;
  private readonly sent = new Map<bigint, number>();
  private cancelBeat = () => {};
  private cancelLost = () => {};
  private lostAfterMs = WELCOME_MS;

  constructor(private readonly parts: VitalsParts) {}

  /** Hello was said: Welcome must come. */
  greeted(): void {
    this.expect(this.parts.clock.nowMs());
  }

  /** Welcome came: heartbeats from now on. `lostAfterMs` 0 stands for six intervals. */
  welcomed(intervalMs: number, lostAfterMs: number): void {
    this.lostAfterMs = lostAfterMs > 0 ? lostAfterMs : LOST_INTERVALS * intervalMs;
    this.expect(this.parts.clock.nowMs());
    this.beatAfter(intervalMs);
  }

  acknowledged(seq: bigint): void {
    const sentMs = this.sent.get(seq);
    if (sentMs === undefined) return;
    for (const earlier of this.sent.keys()) if (earlier <= seq) this.sent.delete(earlier);
    this.expect(sentMs);
  }

  stop(): void {
    this.cancelBeat();
    this.cancelLost();
  }

  private beatAfter(intervalMs: number): void {
    const { clock, random } = this.parts;
    const waitMs = intervalMs * (1 - JITTER + 2 * JITTER * random.next());
    this.cancelBeat = clock.after(waitMs, () => {
      this.beatAfter(intervalMs);
      this.seq += 1n;
      this.sent.set(this.seq, clock.nowMs());
      this.sent.delete(this.seq - BigInt(REMEMBERED));
      this.parts.beat(this.seq);
    });
  }

  private expect(sinceMs: number): void {
    const { clock, lost } = this.parts;
    this.cancelLost();
    const waitMs = sinceMs + this.lostAfterMs - clock.nowMs();
    this.cancelLost = clock.after(Math.max(0, waitMs), () =>
      lost(
        new SaiError("unavailable", `the coordinator has answered nothing for ${this.lostAfterMs} ms`, {
          hint: "dialling again",
        }),
      ),
    );
  }
}
