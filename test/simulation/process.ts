/**
 * A process of the fleet: what its code sees of time and chance, and a door through which everything reaches it. A
 * process that has died gets nothing any more, so its promises never settle and its timers never fire; one that is
 * stopped gets everything late, in order, when it goes on.
 */
import type { Clock } from "../../shared/runtime/clock.js";
import type { Random } from "../../shared/runtime/random.js";
import type { SeededRandom } from "./random.js";
import type { VirtualTime } from "./time.js";
import type { Trace } from "./trace.js";

export interface World {
  readonly time: VirtualTime;
  readonly trace: Trace;
  /** The process that runs, or ran last. */
  running: string;
}

/** Wall time at which schedules begin, ms. */
const EPOCH_MS = Date.UTC(2026, 0, 1);

export class Process {
  alive = true;
  readonly clock: Clock;
  readonly random: Random;
  private late: (() => void)[] | undefined;
  private wallOffsetMs = 0;
  /** How long its monotonic clock has stood still, and since when it does, in world time. */
  private stoodUs = 0;
  private standsSinceUs: number | undefined;

  constructor(
    readonly world: World,
    readonly name: string,
    random: SeededRandom,
  ) {
    const { time } = world;
    const startUs = time.nowUs;
    // Monotonic clocks of different processes have nothing in common.
    const originMs = random.int(1, 1_000_000);
    const nowUs = () => (this.standsSinceUs ?? time.nowUs) - startUs - this.stoodUs;
    const nowMs = () => originMs + nowUs() / 1000;
    this.random = random;
    this.clock = {
      wallMs: () => EPOCH_MS + time.nowUs / 1000 + this.wallOffsetMs,
      nowMs,
      nowNs: () => originMs * 1e6 + nowUs() * 1000,
      sleep: (ms, signal) => this.sleep(ms, signal),
      after: (ms, run) => this.after(ms, run),
    };
  }

  /** Runs `run` in this process, now or when it goes on; never, if it has died. */
  enter(run: () => void): void {
    if (!this.alive) return;
    if (this.late) {
      this.late.push(run);
      return;
    }
    this.world.running = this.name;
    run();
  }

  /** A promise for what the world outside answers in `ms`; `act` happens then, also when the process has died. */
  asks<T>(what: string, ms: number, act: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.world.time.in(ms, () => {
        this.world.trace.note(what);
        try {
          const answer = act();
          this.enter(() => resolve(answer));
        } catch (error) {
          this.enter(() => reject(error));
        }
      });
    });
  }

  get paused(): boolean {
    return this.late !== undefined;
  }

  /** Stops it as SIGSTOP does; `suspended` stops its monotonic clock, too, as the suspension of its machine does. */
  pause(suspended = false): void {
    this.late ??= [];
    if (suspended) this.standsSinceUs ??= this.world.time.nowUs;
  }

  resume(): void {
    const late = this.late ?? [];
    this.late = undefined;
    if (this.standsSinceUs !== undefined) this.stoodUs += this.world.time.nowUs - this.standsSinceUs;
    this.standsSinceUs = undefined;
    // One event each, so that what one of them sets off has happened before the next.
    for (const run of late) this.world.time.in(0, () => this.enter(run));
  }

  /** Ends it at once; nothing of it runs any more. */
  kill(): void {
    this.alive = false;
    this.late = undefined;
  }

  /** Sets its wall clock forward or back. */
  jump(ms: number): void {
    this.wallOffsetMs += ms;
  }

  private after(ms: number, run: () => void): () => void {
    const { time, trace } = this.world;
    if (!this.alive) return () => {};
    const dueMs = this.clock.nowMs() + ms;
    let cancelled = false;
    const fire = (): void => {
      trace.note(this.name);
      // A timer that is due while the process is stopped can still be cancelled by what runs before it afterwards.
      this.enter(() => {
        if (cancelled) return;
        const earlyMs = this.stoodUs === 0 ? 0 : dueMs - this.clock.nowMs();
        if (earlyMs > 0) event = time.in(earlyMs, fire);
        else run();
      });
    };
    let event = time.in(ms, fire);
    return () => {
      cancelled = true;
      time.cancel(event);
    };
  }

  private sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = this.after(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }
}
